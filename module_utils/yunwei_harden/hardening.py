"""What the hardening modules do: unit of work in, summary out."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import re
import sys

from . import change, guard, kinds
from .host import Host
from .hosttools import acting, faults, hostlock
from .plan import plan

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
WOULD, CHANGED = "would change", "changed"


def alone(part, permit, check, action):
    """Do `action()` while no job of any system of this host is at work on it; a check holds nobody up.

    Args:
        part: one host's part of the unit of work.
        permit: what the gate issued.
        check: only say what would be done.
        action: takes nothing; what it returns is returned.
    """
    if check:
        return action()
    with hostlock.HostLocks(part["systems"], permit):
        return action()


def harden(work, name, permit, check, root="/"):
    """Bring a host to what its unit of work wants; return (summary, changed).

    Args:
        work: `HardeningHostWork`, one host's part of the unit of work.
        name: this host's name in the inventory.
        permit: what the gate issued; its run names the change.
        check: only say what would be done. With a permit to act that is the look before a stored plan is carried
            out: it says no more than the plan's digest.
        root: another root folder, for tests.

    Raises RefusedByPolicyError for what is not as the permit's stored plan says, or not accepted.
    """
    host = Host(root)
    if not check:
        guard.settle(host)
    rows, draft = plan(host, work)
    planned = {"digest": draft.digest()}
    # Where nothing is left to do, the call for another system of this host has done it: a look before had it all.
    if check or not draft.is_empty():
        acting.demand_planned(permit, work["system"], name, planned["digest"])
    if not permit["check"] and not draft.is_empty():
        _demand_accepted(rows, work)
    if check and not permit["check"]:
        return {"plan": planned, "items": []}, False
    summary = {"release": host.release, "items": rows, "differences": _shown(draft), "plan": planned}
    if draft.is_empty():
        summary["verdict"] = "passed" if check else _verdict(rows)
        return summary, False
    _say(rows, WOULD if check else CHANGED)
    if check:
        return summary, True
    run_id = permit["run_id"]
    change_id, seconds = "%s.%s" % (run_id, work["system"]), work["confirm_seconds"]
    folder = change.make(host, draft, change_id, seconds, lambda: _still_differs(root, work))
    armed = {"folder": folder, "seconds": seconds, "python": sys.executable, "not_judged": _not_judged(rows)}
    return dict(summary, change=run_id, handed_on={"armed": armed}), True


def undo(work, wanted, check, root="/"):
    """Take the change of a run back on this host; return (summary, changed)."""
    host = Host(root)
    names = [name for name in guard.changes(host) if name == "%s.%s" % (wanted, work["system"])]
    items = [item for name in names for item in change.undo(os.path.join(guard.base(host), name), check)]
    if not items:
        items = [{"item": wanted, "status": "nothing to undo", "reason": "this host has no such change"}]
    return {"items": items}, bool([item for item in items if item["status"] in ("put back", "would be put back")])


def _shown(draft):
    found = draft.differences()
    return dict((name, [_CONTROLS.sub(" ", line) for line in found[name].splitlines()]) for name in found)


def _verdict(rows):
    return "could not judge" if _not_judged(rows) else "passed"


def _not_judged(rows):
    return ["%s: %s" % (row["item"], row["reason"]) for row in rows if row["status"] == kinds.NOT_JUDGED]


def _say(rows, status):
    for row in rows:
        if row["status"] == kinds.DIFFERS:
            row["status"] = status


def _demand_accepted(rows, work):
    """Raise RefusedByPolicyError where a change cannot be undone and nobody accepted that."""
    asked = set(row["rule"] for row in rows if row["status"] == kinds.DIFFERS and row["undo"] == "none")
    missing = sorted(asked - set(work["accept_irreversible"]))
    if missing:
        options = " ".join("--accept-irreversible %s" % name for name in missing)
        raise faults.RefusedByPolicyError(
            "irreversible",
            "REFUSED: %s cannot be undone. Look at the plan; where that is meant, start again with %s"
            % (", ".join(missing), options),
        )


def _still_differs(root, work):
    rows, _ = plan(Host(root), work)
    return ["%s (%s)" % (row["item"], row["reason"]) for row in rows if row["status"] == kinds.DIFFERS]
