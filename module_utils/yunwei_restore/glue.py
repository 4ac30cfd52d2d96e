"""What all restore modules share: their arguments, the host's lock, and the one place where errors become results."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno

from . import commands, workdir
from .errors import NotJudgedError, RestoreError
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


def act(module, action, locked=None):
    """Run `action(unit of work, Report, WorkDir)` for the module and exit with its summary.

    `locked` is a context manager of the host's lock or None. A verdict other than `passed` is a failed module.
    """
    unit, host = module.params["work"], module.params["host"]
    _demand_permit(module, unit)
    report = Report(unit, host)
    work = workdir.WorkDir(unit["work_dir"])
    try:
        if locked is None:
            changed = action(unit, report, work)
        else:
            with locked:
                changed = action(unit, report, work)
    except RestoreError as error:
        report.blame(error)
        changed = True
    except commands.CommandError as error:
        report.blame(NotJudgedError(error.program, str(error), "look at the host, then start again"))
        changed = True
    except (OSError, IOError) as error:
        report.blame(_of_system(error))
        changed = True
    summary = report.summary()
    if report.reasons:
        module.fail_json(msg=report.message(), changed=changed, yunwei=summary)
    module.exit_json(changed=bool(changed), yunwei=summary)


def items_here(unit, host, kind=None):
    """Return the items of the unit of work that this host receives, all or of one kind."""
    return [one for one in unit["items"] if one["target_host"] == host and kind in (None, one["kind"])]


def _demand_permit(module, unit):
    permit = module.params["permit"]
    if not permit.get("run_id") or permit.get("job") not in JOBS or unit["system"] not in (permit.get("systems") or []):
        module.fail_json(msg="No permit for %s: start this through its playbook's gate." % unit["system"])


def _of_system(error):
    if error.errno == errno.ENOSPC:
        return NotJudgedError("disk", "No space left on device (%s)" % error.filename, "give the target more space")
    return NotJudgedError("host", str(error), "look at the host, then start again")
