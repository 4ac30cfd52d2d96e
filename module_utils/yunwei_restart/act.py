"""Takes one host down: looks again under the host's locks, drains, checkpoints, remembers, and only then goes."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import os
import time

from . import busy, database, look, processes, record, storage, units
from .hosttools import clock, commands, detached, faults, frames, hostlock, server_errors

# How long the process that takes the host down waits for the module's answer to be on its way.
_ANSWER_SECONDS = 60
_HOLD_SECONDS = 900
_HOOK_SECONDS = 300


def restart(host, work, permit):
    """Begin the restart of this host and return (summary, changed).

    Raises RefusedByPolicyError where somebody is at work or the host would not come back, FaultError where draining
    or the checkpoint failed; the host then runs on.
    """
    with hostlock.HostLocks(work["systems"], permit):
        found = look.look(host, work, held=work["systems"])
        if found["pending"] == "restarted":
            raise faults.RefusedByPolicyError("unproven", "REFUSED: an earlier restart of this host is not proven yet")
        try:
            _demand_free(found["findings"])
            begun = time.time()
            _remember(host, permit, found)
            hook(host, work["drain"], "drain")
            _checkpoint(work["databases"])
            _demand_free(look.judged(busy.at_work(host, work["systems"]), work["waivers"]))
        except (faults.FaultError, EnvironmentError):
            _give_back(host, work)
            raise
        _go_down(host, permit)
    item = {"item": "restart", "status": "restarting", "reason": _why(found["needs"]), "begun": clock.stamp(begun)}
    return {"items": [item]}, True


def take_back(host, work, permit):
    """Undrain a host that an earlier run drained and that did not go down; return (summary, changed).

    Raises RefusedByPolicyError while that run is still at it, FaultError where undraining fails.
    """
    with hostlock.HostLocks(work["systems"], permit):
        if look.pending_state(host) != "not yet":
            return {"items": []}, False
        begun = record.pending()
        hook(host, work["undrain"], "undrain")
        record.give_up()
    reason = "run %s drained it and did not restart it: undrained again" % frames.clean_text(begun["run_id"])
    return {"items": [{"item": "restart", "status": "taken back", "reason": reason}]}, True


def hook(host, commands_of_policy, what):
    """Run the commands that policy names for draining or undraining; raises FaultError where one fails."""
    for argv in commands_of_policy:
        code, _, err = host.run(list(argv), seconds=_HOOK_SECONDS)
        if code != 0:
            said = (what, argv[0], code, frames.clean_text(err))
            raise faults.FaultError("the %s command %s ended with %s: %s; the rollout stops here" % said)


def _demand_free(findings):
    standing = look.blocking(findings)
    if standing:
        reasons = "; ".join(["%s: %s" % (one["item"], one["reason"]) for one in standing])
        message = "REFUSED: %s. Put it right, or waive it by these names in policy (restart.waivers)" % reasons
        raise faults.RefusedByPolicyError("blocked", message)


def _remember(host, permit, found):
    back = [name for name in units.running(host) if units.comes_back(host, name) is None]
    record.begin(
        {
            "run_id": permit["run_id"],
            "job": permit["job"],
            "time": clock.stamp(),
            "identity": found["identity"],
            "why": _why(found["needs"]),
            "units": back,
            "listeners": sorted(processes.listeners(host)),
            "mounts": sorted(storage.mounts(host)),
        }
    )


def _why(needs):
    return "; ".join([one["reason"] for one in needs]) or "asked for by the run"


def _checkpoint(databases):
    try:
        database.checkpoint(databases)
    except (server_errors.RestoreError, commands.CommandError) as error:
        raise faults.FaultError("CHECKPOINT: %s; the host was not restarted" % error)


def _give_back(host, work):
    """Undo the draining of a host that runs on, also that of an earlier run; what stopped it is what is told."""
    if record.pending() is None:
        return
    try:
        hook(host, work["undrain"], "undrain")
    except faults.FaultError:
        return  # the pending record stays: the next run says so and tries again
    record.give_up()


def _go_down(host, permit):
    """Start the shutdown from a process of its own that keeps the host's locks until the end."""
    module = os.getpid()

    def go():
        _wait_for_end_of(module)
        host.run(["shutdown", "-r", "now", "yunwei: run %s" % permit["run_id"]], seconds=_HOLD_SECONDS)
        time.sleep(_HOLD_SECONDS)

    detached.run_detached(go)


def _wait_for_end_of(pid):
    deadline = time.time() + _ANSWER_SECONDS
    while time.time() < deadline:
        try:
            os.kill(pid, 0)
        except OSError as error:
            if error.errno == errno.ESRCH:
                return
        time.sleep(0.1)
