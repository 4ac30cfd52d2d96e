"""The proof after a restart: the host is another start's, and everything that was there is there again."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import time

from . import act, look, processes, record, storage, units
from .host import finding
from .hosttools import application, clock, frames

_PAUSE_SECONDS = 1.0
_JOURNAL_LINES = 12


def prove(host, work):
    """Prove the pending restart of this host and ask its health probes; return (summary, changed).

    The summary's verdict is `passed` or `failed`. A restart that is proven is drained no more and pending no more.
    Everything must be so within `proof_seconds`.
    """
    pending = record.pending()
    deadline = time.time() + work["proof_seconds"]
    if pending is not None and pending["identity"] == processes.identity(host):
        reason = "the host did not restart: process 1 is the one of before %s" % pending["time"]
        return _told([{"item": "restart", "status": "failed", "reason": reason}]), False
    missing = _wait_for(lambda: _missing(host, work, pending), deadline)
    missing += _silent(work["probes"])
    if missing:
        return _told(missing + _journal(host, missing)), False
    if pending is None:
        return _told([_passed("probe", "%d probes answer" % len(work["probes"]))] if work["probes"] else []), False
    act.hook(host, work["undrain"], "undrain")
    seconds = int(time.time() - clock.moment(pending["time"]))
    record.finish(dict(pending, proven=clock.stamp(), seconds=seconds, new_identity=processes.identity(host)))
    return _told([dict(_passed("restart", _counts(pending)), seconds=seconds)]), True


def _wait_for(ask, deadline):
    found = ask()
    while found and time.time() < deadline:
        time.sleep(_PAUSE_SECONDS)
        found = ask()
    return found


def _missing(host, work, pending):
    """Return an item for everything that was before the restart and is not there now."""
    if pending is None:
        return []
    found = [
        ("service:" + name, "%s was enabled and ran before the restart and does not run now" % name)
        for name in units.inactive(host, pending["units"])
    ]
    there = processes.listeners(host)
    found += [
        ("listener:" + name.replace(" ", "/"), "nobody listens on %s any more" % name)
        for name in pending["listeners"]
        if name not in there
    ]
    found += [
        ("mount:" + at, "%s is not mounted any more" % at) for at in pending["mounts"] if at not in storage.mounts(host)
    ]
    standing = look.blocking(look.judged([finding(item, reason) for item, reason in found], work["waivers"]))
    return [{"item": one["item"], "status": "failed", "reason": one["reason"]} for one in standing]


def _silent(probes):
    """Return an item for every health probe that does not answer as policy expects within its own time."""
    reason = "the probe of system %s, %s, does not answer '%s': %s"
    found = []
    for probe in probes:
        answer = application.probe(probe)
        if not answer["ok"]:
            said = frames.clean_text(answer["answer"] or "no answer")
            values = (probe["system"], probe["url"], probe["expect"], said)
            found.append({"item": "probe:%s" % probe["system"], "status": "failed", "reason": reason % values})
    return found


def _journal(host, missing):
    """Return the last lines that the journal has of the services that are missing, or of this start."""
    names = [one["item"].partition(":")[2] for one in missing if one["item"].startswith("service:")]
    chosen = [word for name in names for word in ("-u", name)] or ["-b", "-p", "err"]
    code, out, _ = host.run(["journalctl", "--no-pager", "-o", "short-iso", "-n", str(_JOURNAL_LINES)] + chosen)
    lines = [frames.clean_text(line) for line in out.splitlines()] if code == 0 else []
    return [{"item": "journal", "status": "shown", "reason": "\n".join(lines)}] if lines else []


def _counts(pending):
    counts = tuple(len(pending[key]) for key in ("units", "listeners", "mounts"))
    return "another start; %d services, %d listeners and %d file systems are there as before" % counts


def _passed(item, reason):
    return {"item": item, "status": "passed", "reason": reason}


def _told(items):
    verdict = "failed" if [one for one in items if one["status"] == "failed"] else "passed"
    return {"items": items, "verdict": verdict}
