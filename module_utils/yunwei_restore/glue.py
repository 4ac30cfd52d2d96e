"""What all restore modules share: their arguments, the host's lock, and the one place where errors become results."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno

from . import commands, workdir
from .errors import NotJudgedError, RefusedError, RestoreError
from .hosttools import faults, fence, hostlock
from .report import Report

ARGUMENTS = {
    "permit": {"type": "dict", "required": True},
    "work": {"type": "dict", "required": True},
    "host": {"type": "str", "required": True},
}
JOBS = ("drill-restore", "recover-system")


def arguments(**further):
    """Return the argument spec of a restore module with its own `further` options."""
    return dict(ARGUMENTS, **further)


def act(module, action):
    """Run `action(unit of work, Report, WorkDir)` under the host's lock and exit with its summary.

    A verdict other than `passed` is a failed module. In check mode nothing is changed, so no lock is taken.
    """
    unit, host = module.params["work"], module.params["host"]
    _demand_permit(module, unit)
    report = Report(unit, host)
    report.facts["lock"] = fence.told(unit["system"], module.params["permit"])
    work = workdir.WorkDir(unit["work_dir"])
    try:
        changed = _locked(module, unit, action, report, work)
    except RestoreError as error:
        report.blame(error)
        changed = True
    except faults.RefusedByPolicyError as error:
        report.blame(RefusedError(host, str(error), ""))
        changed = False
    except faults.FaultError as error:
        report.blame(NotJudgedError(host, str(error), "look at the host, then start again"))
        changed = True
    except commands.CommandError as error:
        report.blame(NotJudgedError(error.program, str(error), "look at the host, then start again"))
        changed = True
    except (OSError, IOError) as error:
        report.blame(_of_system(error))
        changed = True
    _remember(work, report, module.check_mode)
    summary = report.summary()
    if report.reasons:
        module.fail_json(msg=report.message(), changed=changed, yunwei=summary)
    module.exit_json(changed=bool(changed), yunwei=summary)


def items_here(unit, host, kind=None):
    """Return the items of the unit of work that this host receives, all or of one kind."""
    return [one for one in unit["items"] if one["target_host"] == host and kind in (None, one["kind"])]


def _locked(module, unit, action, report, work):
    if module.check_mode:
        return action(unit, report, work)
    with hostlock.HostLock(unit["system"], module.params["permit"]):
        return action(unit, report, work)


def _remember(work, report, check_mode):
    """Leave the verdict in the work folder: the steps that follow must know it."""
    if report.reasons and work.state and not check_mode and work.is_ours():
        work.state["verdict"] = report.verdict()
        work.save()


def _demand_permit(module, unit):
    permit = module.params["permit"]
    if not permit.get("run_id") or permit.get("job") not in JOBS or unit["system"] not in (permit.get("systems") or []):
        module.fail_json(msg="No permit for %s: start this through its playbook's gate." % unit["system"])


def _of_system(error):
    if error.errno == errno.ENOSPC:
        return NotJudgedError("disk", "No space left on device (%s)" % error.filename, "give the target more space")
    return NotJudgedError("host", str(error), "look at the host, then start again")
