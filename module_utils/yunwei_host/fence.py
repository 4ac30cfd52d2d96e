"""The highest lock number that acted on this host: a controller that slept through its lease comes with a lower one.

The lock of a system gets a higher number with every taking, within one series: a lock store that is made anew begins
another series. A series that this host does not know follows those it knows; one that was followed stays refused.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno

from .clock import stamp
from .faults import FaultError, RefusedByPolicyError
from .frames import clean_text
from .jsonfile import read_json, write_json

FOLDER = "/var/lib/yunwei/locks"
_KEYS = ("number", "series", "run_id", "job", "time")
_LOWER = (
    "the first slept and was overtaken. Start the job again; where that is refused too, the numbers were set back: "
    "see Lock numbers in docs/recover.md"
)
_FOLLOWED = (
    "Vault, or the lock in it, was made anew in between. Start the job again; where that is refused too, two Vaults "
    "hold locks of this system: see Lock numbers in docs/recover.md"
)


def told(system, permit):
    """Return {"number", "series"} that `permit` has for the lock of `system`, None where it names none."""
    number = (permit.get("locks") or {}).get(system)
    series = (permit.get("lock_series") or {}).get(system)
    return {"number": number, "series": series} if isinstance(number, int) and series else None


def demand_newest(system, permit):
    """Remember the permit's lock number as the newest here; the caller holds the lock of `system` on this host.

    Raises RefusedByPolicyError where a later run has acted here, or where the permit names no number; FaultError
    where what is remembered is damaged.
    """
    lock = told(system, permit)
    if lock is None:
        raise RefusedByPolicyError("permit", _nameless(system, permit))
    newest = _remembered(system)
    if newest is None:
        _remember(system, permit, lock, [lock["series"]])
    elif lock["series"] not in newest["series"]:
        _remember(system, permit, lock, newest["series"] + [lock["series"]])
    elif lock["series"] != newest["series"][-1]:
        raise RefusedByPolicyError("overtaken", _overtaken(system, permit, lock, newest) + _FOLLOWED)
    elif lock["number"] < newest["number"]:
        raise RefusedByPolicyError("overtaken", _overtaken(system, permit, lock, newest) + _LOWER)
    elif lock["number"] > newest["number"]:
        _remember(system, permit, lock, newest["series"])


def _remembered(system):
    name = system + ".json"
    try:
        found = read_json(FOLDER, name)
    except EnvironmentError as error:
        if error.errno != errno.ENOENT:
            raise
        return None
    if not all(found.get(key) for key in _KEYS):
        raise FaultError("%s/%s is damaged; look at it, then move it away" % (FOLDER, name))
    return found


def _remember(system, permit, lock, series):
    newest = {
        "number": lock["number"],
        "series": series,
        "run_id": permit["run_id"],
        "job": permit["job"],
        "time": stamp(),
    }
    write_json(FOLDER, system + ".json", newest)


def _nameless(system, permit):
    run = clean_text(permit["run_id"])
    told_so = "REFUSED: the permit of run %s names no number of the lock of system %s; hand it on as the gate issued it"
    return told_so % (run, system)


def _overtaken(system, permit, lock, newest):
    first = (clean_text(permit["run_id"]), clean_text(permit["job"]), lock["number"], system)
    other = tuple(clean_text(newest[key]) for key in ("run_id", "job", "number", "time"))
    return "REFUSED: run %s (job %s) has lock number %s of system %s, " % first + (
        "but run %s (job %s) has acted on this host with number %s, at %s: " % other
    )
