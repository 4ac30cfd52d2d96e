"""Everything that is asked of a host before a restart, in one look that changes nothing."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from . import busy, database, kernels, need, network, processes, record, settings, storage, units
from .host import finding

_NO_SYSTEMD = (
    "could not judge: this host has no systemd, so nobody can tell what the next start brings back; look by hand"
)


def look(host, work, held=()):
    """Return what was found as a dict.

    Args:
        host: the Host.
        work: the unit of work of one host (HostRestartWork).
        held: systems whose lock the caller itself has taken on this host.

    Returns {"needs": [{"source", "reason"}], "findings": [{"item", "reason", "status"}] with the status `blocks` or
    `waived`, "standby": bool, "uptime_seconds": int, "identity": text, "pending": None | `restarted` | `not yet`}.
    """
    against, standby = database.against_restart(work["databases"], work)
    found = _would_not_come_back(host, work) + busy.at_work(host, held) + against
    pending = pending_state(host)
    needs = need.needs(host, work["max_uptime_days"])
    if pending == "not yet":
        # It may be drained: only a restart, or its refusal, brings it back in order.
        needs.append({"source": "pending", "reason": "a restart was begun and did not take place"})
    return {
        "needs": needs,
        "findings": judged(found, work["waivers"]),
        "standby": standby,
        "uptime_seconds": int(processes.age(host)),
        "identity": processes.identity(host),
        "pending": pending,
    }


def judged(found, waivers):
    """Return the findings, each with its status; a waiver names its finding exactly and says why."""
    reasons = dict((one["finding"], one["reason"]) for one in waivers)
    told = {}
    for one in found:
        waived = reasons.get(one["item"])
        reason = "%s (waived: %s)" % (one["reason"], waived) if waived else one["reason"]
        told[one["item"]] = dict(item=one["item"], reason=reason, status="waived" if waived else "blocks")
    return [told[item] for item in sorted(told)]


def blocking(findings):
    """Return the findings that stand."""
    return [one for one in findings if one["status"] == "blocks"]


def pending_state(host):
    """Return whether a restart that nobody has proven yet took place: None, `restarted` or `not yet`."""
    found = record.pending()
    if found is None:
        return None
    return "not yet" if found["identity"] == processes.identity(host) else "restarted"


def _would_not_come_back(host, work):
    found = units.unsure_listeners(host) if host.has_systemd else [finding("start:no-systemd", _NO_SYSTEMD)]
    found += network.unsaved_rules(host) + network.unsaved_routes(host) + settings.unsaved_settings(host)
    found += storage.unsaved_mounts(host) + storage.failing_fstab(host) + storage.due_checks(host)
    return found + kernels.missing_boot_files(host, work["boot_free_bytes"])
