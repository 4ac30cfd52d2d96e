"""A set of timers on a host with systemd: what is there, what has to be done, and doing it."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import subprocess
import time

from . import files
from .faults import TimerError
from .units import FOLDER, mark, unit_files

_SHOWN = ("Id", "LoadState", "UnitFileState", "ActiveState", "FragmentPath", "DropInPaths", "NeedDaemonReload")
_BATCH = 50


def plan(work):
    """Return [{"item", "status", "reason"}] of every timer of the set, as it is; `as wanted` needs nothing.

    `no longer in policy` is a timer of this set that is not wanted any more.
    """
    wanted = unit_files(work)
    shown = _show(sorted(wanted))
    names = sorted(name[: -len(".timer")] for name in wanted if name.endswith(".timer"))
    items = []
    for name in names:
        wrong = [why for unit in _units(name) for why in _wrong(unit, wanted[unit], shown.get(unit, {}))]
        status = "differs" if wrong else "as wanted"
        if not os.path.lexists(os.path.join(FOLDER, name + ".timer")):
            status, wrong = "missing", []
        items.append({"item": name, "status": status, "reason": "; ".join(wrong) or None})
    gone = [name[: -len(".timer")] for name in _of_set(work["set"]) if name.endswith(".timer") and name not in wanted]
    return items + [{"item": name, "status": "no longer in policy", "reason": None} for name in gone]


def apply(work, planned):
    """Bring every timer of a plan to what is wanted; raises TimerError naming what could not be."""
    wanted = unit_files(work)
    todo = [line for line in planned if line["status"] in ("missing", "differs")]
    gone = [line["item"] for line in planned if line["status"] == "no longer in policy"]
    for name in gone:
        _systemctl("stop", name + ".timer")
        _systemctl("disable", name + ".timer")
    stale = [name for name in _of_set(work["set"]) if name not in wanted]
    for name in stale:
        os.unlink(os.path.join(FOLDER, name))
    for line in todo:
        for unit in _units(line["item"]):
            _free(unit)
            files.put(FOLDER, unit, wanted[unit])
    if todo or stale:
        _systemctl("daemon-reload")
    for line in todo:
        _systemctl("enable", line["item"] + ".timer")
        _systemctl("restart", line["item"] + ".timer")
    left = [line for line in plan(work) if line["status"] != "as wanted"]
    if left:
        raise TimerError("timer %(item)s is still not as wanted: %(reason)s; look at `systemctl status`" % left[0])


def _units(name):
    return [name + ".service", name + ".timer"]


def _wrong(unit, text, shown):
    """Return what differs at a unit, in words."""
    wrong = files.differences(FOLDER, unit, text)
    if shown.get("LoadState") == "masked":
        return wrong + ["%s is masked" % unit]
    if shown.get("FragmentPath") != os.path.join(FOLDER, unit):
        wrong.append("systemd reads %s from %s" % (unit, shown.get("FragmentPath") or "nowhere"))
    if shown.get("NeedDaemonReload") == "yes":
        wrong.append("systemd has not read %s again" % unit)
    wrong += ["%s changes it" % path for path in _own_drop_ins(unit, shown)]
    if unit.endswith(".timer"):
        if shown.get("UnitFileState") != "enabled":
            wrong.append("%s is not enabled" % unit)
        if shown.get("ActiveState") != "active":
            wrong.append("%s is not active" % unit)
    return wrong


def _own_drop_ins(unit, shown):
    """Return the drop-ins of this very unit; those for all units of a kind come with the distribution."""
    return [path for path in (shown.get("DropInPaths") or "").split() if ("/%s.d/" % unit) in path]


def _free(unit):
    """Take away what hides a unit's file: a mask, and drop-ins, which are put aside and kept."""
    shown = _show([unit]).get(unit, {})
    if shown.get("LoadState") == "masked":
        _systemctl("unmask", unit)
        _systemctl("unmask", "--runtime", unit)
    for path in _own_drop_ins(unit, shown):
        os.rename(path, "%s.put-aside-%d" % (path, time.time()))


def _of_set(name):
    """Return the unit files of a set: those of our name whose first line is the set's mark."""
    found = sorted(one for one in os.listdir(FOLDER) if one.startswith("yunwei-"))
    return [one for one in found if files.first_line(FOLDER, one) == mark(name)]


def _show(units):
    """Return {unit: {property: text}}."""
    found = {}
    for start in range(0, len(units), _BATCH):
        some = units[start : start + _BATCH]
        blocks = _systemctl("show", "--property=" + ",".join(_SHOWN), "--", *some).strip().split("\n\n")
        told = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]
        found.update((one.get("Id"), one) for one in told)
    return found


def _systemctl(*words):
    command = ["systemctl"] + list(words)
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = child.communicate()
    if child.returncode:
        said = err.decode("utf-8", "replace").strip()
        raise TimerError("%s ended with %d: %s" % (" ".join(command), child.returncode, said))
    return out.decode("utf-8", "replace")
