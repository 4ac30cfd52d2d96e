"""What the backup modules share: the permit that each demands, and the one place where faults become results."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from . import fence
from .faults import FaultError, RefusedByPolicyError

FAILED, REFUSED, NOT_JUDGED = 1, 3, 4
PERMIT_AND_WORK = {"permit": {"type": "dict", "required": True}, "work": {"type": "dict", "required": True}}


def act(module, jobs, action):
    """Run `action(work, permit, secrets, check)` -> (summary, changed) and end the module with the summary.

    Args:
        module: the AnsibleModule, with the parameters permit, work and, where it needs them, secrets.
        jobs: the jobs whose permit the module takes.
        action: raises FaultError; a summary whose "verdict" is not `passed` is a failed module. What it has below
            "handed_on" goes to the playbook and not into the record.
    """
    work, permit = module.params["work"], module.params["permit"]
    _demand_permit(module, jobs, work, permit)
    try:
        summary, changed = action(work, permit, module.params.get("secrets"), module.check_mode)
    except RefusedByPolicyError as error:
        _fail(module, "%s" % error, dict(_ended(work, permit), refused=error.why, exit_code=REFUSED))
    except (FaultError, EnvironmentError) as error:
        _fail(module, "%s" % error, dict(_ended(work, permit), verdict="failed", exit_code=FAILED))
    summary.update(_ended(work, permit))
    if summary.get("verdict", "passed") == "passed":
        handed_on = summary.pop("handed_on", {})
        module.exit_json(changed=changed, yunwei=summary, **handed_on)
    code = FAILED if summary["verdict"] == "failed" else NOT_JUDGED
    _fail(module, what_went_wrong(summary), dict(summary, exit_code=code), changed)


def what_went_wrong(summary):
    """Return one line that names every item, damage and record that spoils the verdict of `summary`."""
    items = summary.get("items", [])
    bad = [item for item in items if item["status"] in ("failed", "could not judge")]
    said = ["%s: %s" % (item["item"], item.get("reason")) for item in bad] + (summary.get("damage") or [])
    said += ["%s: SUSPICIOUS: %s" % (item["item"], text) for item in items for text in item.get("suspicious") or []]
    for key, words in (
        ("lost", "parts are missing of record"),
        ("unproven", "no receipt for record"),
        ("missing", "no backup of"),
    ):
        said += ["%s %s" % (words, name) for name in summary.get(key) or []]
    said += ["copies are not proven yet: %s" % summary["awaited"]] if summary.get("awaited") else []
    said += [summary[key]["refused"] for key in ("head", "copies") if (summary.get(key) or {}).get("refused")]
    return "system %s: %s" % (summary["system"], "; ".join(said) or summary["verdict"])


def demand_planned(permit, system, host, digest):
    """Raise RefusedByPolicyError unless what would be done is what the permit's stored plan says; without one it may.

    Args:
        permit: what the gate issued.
        system: the system that it is done for.
        host: this host's name in the inventory.
        digest: of what would be done here for this system, as the module comes to it now.
    """
    plan = permit.get("plan")
    if not plan:
        return
    planned = (plan["hosts"].get(host) or {}).get(system)
    if planned != digest:
        said = (
            "REFUSED: %s is not as it was when plan %s was made: for system %s it has %s, and now it would be %s. "
            % ((host, plan["sha256"][:16], system, (planned or "nothing")[:16], digest[:16]))
        )
        raise RefusedByPolicyError("plan", said + "Nothing was changed here; make a new plan")


def _demand_permit(module, jobs, work, permit):
    systems = permit.get("systems") or []
    if not permit.get("run_id") or permit.get("job") not in jobs or work.get("system") not in systems:
        reason = "REFUSED: no permit of job %s for system %s; start it through its playbook, whose gate issues one"
        _fail(module, reason % (" or ".join(jobs), work.get("system")), {"refused": "permit", "exit_code": REFUSED})


def demand_systems(systems, permit):
    """Raise RefusedByPolicyError unless the permit is for every system that a host serves."""
    outside = sorted(set(systems) - set(permit.get("systems") or []))
    if outside:
        raise RefusedByPolicyError("permit", "REFUSED: no permit for system %s of this host" % ", ".join(outside))


def _ended(work, permit):
    """Return what every result says: the system, and the lock number that it was acted on with."""
    return {"system": work["system"], "lock": fence.told(work["system"], permit)}


def _fail(module, reason, summary, changed=False):
    module.fail_json(msg=reason, changed=changed, yunwei=dict(summary, reason=reason))
