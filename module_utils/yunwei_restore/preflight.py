"""Looks whether a host may receive a restore; changes nothing but the work folder that it makes at the end."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import socket
import threading
import time

from . import commands, destroy, in_the_way, scan, workdir
from .errors import NotJudgedError, RefusedError
from .hosttools import clock as clocks
from .hosttools import repository
from .instance import PORT

CLOCK_SKEW_SECONDS = 120
CONNECT_SECONDS = 3.0
STALE_SECONDS = 7200


def problems(unit, host, controller_time):
    """Return everything that speaks against `host` as the target of this restore, as RestoreErrors."""
    found = clock(controller_time) + space(unit) + strangers(unit) + _drivers(unit, host)
    if unit["mode"] == "drill":
        return found + _production(unit, host) + _databases() + _reachable(unit["source_endpoints"])
    return found + in_the_way.problems(unit, host)


def clock(controller_time):
    """Return a problem when this host's clock is off; `controller_time` is ISO 8601 taken a moment ago."""
    skew = time.time() - clocks.moment(controller_time)
    if abs(skew) <= CLOCK_SKEW_SECONDS:
        return []
    return [NotJudgedError("clock", "this host is %d seconds off the controller" % skew, "set its clock")]


def space(unit):
    """Return a problem when less than the reserve is free where the work folder will be."""
    free = workdir.free_bytes(unit["work_dir"])
    if free >= unit["reserve_bytes"]:
        return []
    cause = "%d bytes are free, policy keeps %d in reserve" % (free, unit["reserve_bytes"])
    return [NotJudgedError("disk", cause, "free some space on the target")]


def sweep(unit, kept=False):
    """Remove what dead runs left beside the work folder and return the paths; `kept` also what was kept on purpose.

    Raises NotJudgedError for a folder that may still be in use.
    """
    swept = []
    for work, why in destroy.leftovers(os.path.dirname(unit["work_dir"]), unit["system"], STALE_SECONDS):
        if work.restore_id == unit["restore_id"]:
            continue
        if why is None and not (kept and work.state.get("kept")):
            raise NotJudgedError(
                work.path,
                "the host is not empty: restore of system %s%s" % (work.state.get("system"), _state_told(work)),
                "wait for it to end, or repeat that drill to clear it (kept ones: -e yunwei_sweep_kept=true)",
            )
        destroy.destroy(work)
        swept.append(work.path)
    return swept


def strangers(unit):
    """Return a problem for each entry of the folder of work folders that is no restore's."""
    parent = os.path.dirname(unit["work_dir"])
    found = []
    for name in sorted(os.listdir(parent)) if os.path.isdir(parent) else []:
        path = os.path.join(parent, name)
        try:
            known = workdir.WorkDir(path).is_ours()
        except NotJudgedError:
            known = False
        if not known:
            found.append(NotJudgedError(path, "the host is not empty", "look at it and remove it by hand"))
    return found


def begin(unit, report, work, handed_over):
    """Make the work folder and note when the host was handed over (ISO 8601 or None for now)."""
    now = time.time()
    started = clocks.moment(handed_over) if handed_over else now
    if started > now + CLOCK_SKEW_SECONDS:
        raise RefusedError("handed over", "the hand-over %s lies in the future" % handed_over, "give the real time")
    state = {
        "system": unit["system"],
        "mode": unit["mode"],
        "handed_over": started,
        "free_before": workdir.free_bytes(unit["work_dir"]),
    }
    work.create(state)
    report.facts.update(handed_over=started, began=now, free_bytes=state["free_before"])
    report.facts["reads_repositories"] = reads_repositories()


def reads_repositories():
    """Return whether this host can read a repository itself; what reads them does not run on the oldest systems."""
    places = [os.path.join(folder, repository.READS_REPOSITORIES) for folder in commands.PATH.split(":")]
    return bool([place for place in places if os.access(place, os.X_OK)])


def _drivers(unit, host):
    items = [item for item in unit["items"] if item["target_host"] == host and item["no_driver"]]
    return [NotJudgedError(item["item"], item["no_driver"], "restore it by its own tools") for item in items]


def _production(unit, host):
    groups = unit["target_groups"].get(host) or []
    sources = [item["item"] for item in unit["items"] if item["source_host"] == host]
    if "production" in groups or sources:
        return [NotJudgedError(host, "this host is in production (%s)" % ", ".join(groups + sources), "use another")]
    return []


def _databases():
    found = []
    if scan.clusters():
        cause = "the host is not empty: there is a database cluster in %s" % ", ".join(scan.clusters())
        found.append(NotJudgedError("database cluster", cause, "a drill needs a host without any"))
    if scan.database_servers():
        cause = "the host is not empty: a database server runs (process %d)" % scan.database_servers()[0]
        found.append(NotJudgedError("database server", cause, "a drill needs a host without any"))
    for segment in scan.shared_memory():
        cause = "the host is not empty: shared memory of a database server that died"
        found.append(NotJudgedError(segment, cause, "remove it (rm, or ipcrm -m as its owner)"))
    if scan.listening((PORT,)):
        found.append(NotJudgedError("port %d" % PORT, "the host is not empty: something listens there", "stop it"))
    return found


def _reachable(endpoints):
    reached = []
    threads = [threading.Thread(target=_try, args=(endpoint, reached)) for endpoint in endpoints]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [
        NotJudgedError(
            "%(host)s (%(address)s:%(port)s)" % endpoint,
            "this host reaches production; what is restored here could change it",
            "cut the drill host's network off",
        )
        for endpoint in reached
    ]


def _try(endpoint, reached):
    try:
        socket.create_connection((endpoint["address"], endpoint["port"]), CONNECT_SECONDS).close()
    except (socket.error, socket.timeout):
        return  # refused, too: some firewalls answer so, and the SSH port of a living host is among the endpoints
    reached.append(endpoint)


def _state_told(work):
    return ", kept on purpose" if work.state.get("kept") else ", begun by another run"
