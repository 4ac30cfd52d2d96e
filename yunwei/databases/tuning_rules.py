"""The rules of tuning, as a table: each looks at one parameter and proposes a value, or nothing.

A figure that the named page does not give is ours and says so in a comment.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from yunwei.databases.tuning_server import GIB, KIB, MIB, Server, write_size
from yunwei.errors import CouldNotJudgeError

_RESOURCES = "runtime-config-resource.html"
_WAL = "runtime-config-wal.html"
_STATEMENTS = "pg_stat_statements"
# Ours: of the 25 percent that the page calls a starting value, less than half is told as too little.
_BUFFERS_SHARE, _BUFFERS_MOST, _BUFFERS_TOO_LITTLE = 0.25, 0.40, 0.5
# Ours: fewer temporary files or requested checkpoints are no habit.
_LEAST_FILES, _LEAST_CHECKPOINTS = 100, 10
_FILES_PERCENT = 1
_LEAST_WORK_MEM = 64 * KIB
# Before version 17 a vacuum makes use of no more.
_VACUUM_MOST = GIB


@dataclass(frozen=True)
class Proposal:
    """A value, and the figures that speak for it: those that end in `_bytes` are sizes."""

    value: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """One rule: its name is the key of its words.

    `page` is in the documentation of the server's version, or of `told_since` where older ones do not say it yet;
    `since` is the first version that has the parameter.
    """

    name: str
    setting: str
    page: str
    propose: Callable[[Server], Proposal | None]
    since: int = 0
    told_since: int = 0


def _neat(size: float) -> int:
    """Return a size rounded down to what a person would write."""
    step = 64 * MIB if size >= GIB else MIB if size >= MIB else KIB
    return int(size // step) * step


def _room(server: Server) -> int:
    """Return the bytes that are left beside shared_buffers."""
    return server.memory() - server.size("shared_buffers")


def _switched_on(name: str) -> Callable[[Server], Proposal | None]:
    return lambda server: Proposal("on") if server.text(name) == "off" else None


def _shared_buffers_small(server: Server) -> Proposal | None:
    now, memory = server.size("shared_buffers"), server.memory()
    wanted = memory * _BUFFERS_SHARE
    if memory < GIB or now >= wanted * _BUFFERS_TOO_LITTLE:
        return None
    return Proposal(write_size(_neat(wanted)), {"memory_bytes": memory, "percent": round(100 * now / memory, 1)})


def _shared_buffers_large(server: Server) -> Proposal | None:
    now, memory = server.size("shared_buffers"), server.memory()
    if now <= memory * _BUFFERS_MOST:
        return None
    evidence = {"memory_bytes": memory, "percent": round(100 * now / memory, 1)}
    return Proposal(write_size(_neat(memory * _BUFFERS_SHARE)), evidence)


def _effective_cache_size(server: Server) -> Proposal | None:
    """Propose half of the memory: ours, and on the low side, as plans for a cache that is not there are the worse."""
    now, buffers, memory = server.size("effective_cache_size"), server.size("shared_buffers"), server.memory()
    if buffers <= now <= memory or buffers > memory:
        return None
    wanted = max(buffers, _neat(memory / 2))
    return Proposal(write_size(wanted), {"memory_bytes": memory, "buffers_bytes": buffers})


def _work_mem_of_all(server: Server) -> float:
    """Return the bytes of one operation in each allowed session, for each byte of work_mem."""
    factor = server.number("hash_mem_multiplier") if server.version >= 130000 else 1.0
    return server.number("max_connections") * factor


def _work_mem_large(server: Server) -> Proposal | None:
    now, room, all_sessions = server.size("work_mem"), _room(server), _work_mem_of_all(server)
    if now * all_sessions <= room:
        return None
    if room / all_sessions < _LEAST_WORK_MEM:
        raise CouldNotJudgeError("no value fits beside shared_buffers: lower shared_buffers or max_connections first")
    evidence = {"sessions": int(server.number("max_connections")), "all_bytes": int(now * all_sessions)}
    return Proposal(write_size(_neat(room / all_sessions)), {**evidence, "room_bytes": room})


def _spilled(server: Server) -> dict[str, Any] | None:
    """Return how often statements wrote temporary files, where that is a habit."""
    found = server.counted("temporary")
    files, transactions = found["files"], found["transactions"]
    if files < _LEAST_FILES or 100 * files < _FILES_PERCENT * transactions:
        return None
    return {"files": files, "transactions": transactions, "mean_bytes": found["bytes"] // files}


def _work_mem_small(server: Server) -> Proposal | None:
    """Propose twice as much, where that still fits: what it brings is seen by the count of files."""
    spilled = _spilled(server)
    if not spilled:
        return None
    wanted = 2 * server.size("work_mem")
    return Proposal(write_size(wanted), spilled) if wanted * _work_mem_of_all(server) <= _room(server) else None


def _log_temp_files(server: Server) -> Proposal | None:
    spilled = _spilled(server)
    return Proposal("0", spilled) if spilled and server.size("log_temp_files") < 0 else None


def _vacuum_memory(server: Server, name: str) -> Proposal | None:
    workers, now, room = int(server.number("autovacuum_max_workers")), server.size(name), _room(server)
    used = now if server.version >= 170000 else min(now, _VACUUM_MOST)
    if workers * used <= room:
        return None
    if room <= 0:
        raise CouldNotJudgeError("nothing is left beside shared_buffers: lower shared_buffers first")
    evidence = {"workers": workers, "all_bytes": workers * used, "room_bytes": room}
    return Proposal(write_size(_neat(room / workers)), evidence)


def _maintenance_work_mem(server: Server) -> Proposal | None:
    own = server.size("autovacuum_work_mem") >= 0
    return None if own else _vacuum_memory(server, "maintenance_work_mem")


def _autovacuum_work_mem(server: Server) -> Proposal | None:
    own = server.size("autovacuum_work_mem") >= 0
    return _vacuum_memory(server, "autovacuum_work_mem") if own else None


def _max_connections(server: Server) -> Proposal | None:
    most, used = int(server.number("max_connections")), server.sessions()
    if 100 * used < server.connections_percent * most:
        return None
    wanted = 10 * math.ceil((100 * used // server.connections_percent + 1) / 10)
    if server.size("work_mem") * _work_mem_of_all(server) / most * wanted > _room(server):
        raise CouldNotJudgeError(
            f"{used} of {most} sessions are in use, and {wanted} with work_mem each do not fit into the memory: "
            "look at the application's connection pool first"
        )
    return Proposal(str(wanted), {"sessions": used, "most": most, "percent": 100 * used // most})


def _max_parallel_workers(server: Server) -> Proposal | None:
    processes, cpus = int(server.number("max_worker_processes")), server.cpus()
    most = min(processes, max(1, math.floor(cpus)))
    if server.number("max_parallel_workers") <= most:
        return None
    return Proposal(str(most), {"cpus": f"{cpus:g}", "processes": processes})


def _max_wal_size(server: Server) -> Proposal | None:
    """Propose twice as much: what it brings is seen by the same counters."""
    found = server.counted("checkpoints")
    if found["requested"] < _LEAST_CHECKPOINTS or found["requested"] <= found["timed"]:
        return None
    return Proposal(write_size(2 * server.size("max_wal_size")), found)


def _checkpoint_completion_target(server: Server) -> Proposal | None:
    return Proposal("0.9") if server.number("checkpoint_completion_target") < 0.9 else None


def _statements(server: Server) -> Proposal | None:
    loaded = [name.strip() for name in server.text("shared_preload_libraries").split(",") if name.strip()]
    return None if _STATEMENTS in loaded else Proposal(",".join([*loaded, _STATEMENTS]))


RULES = (
    Rule("fsync", "fsync", _WAL, _switched_on("fsync")),
    Rule("full_page_writes", "full_page_writes", _WAL, _switched_on("full_page_writes")),
    Rule("autovacuum", "autovacuum", "routine-vacuuming.html", _switched_on("autovacuum")),
    Rule("track_counts", "track_counts", "runtime-config-statistics.html", _switched_on("track_counts")),
    Rule("shared_buffers_small", "shared_buffers", _RESOURCES, _shared_buffers_small),
    Rule("shared_buffers_large", "shared_buffers", _RESOURCES, _shared_buffers_large),
    Rule("effective_cache_size", "effective_cache_size", "runtime-config-query.html", _effective_cache_size),
    Rule("work_mem_large", "work_mem", _RESOURCES, _work_mem_large),
    Rule("work_mem_small", "work_mem", _RESOURCES, _work_mem_small),
    Rule("log_temp_files", "log_temp_files", "runtime-config-logging.html", _log_temp_files),
    Rule("maintenance_work_mem", "maintenance_work_mem", _RESOURCES, _maintenance_work_mem),
    Rule("autovacuum_work_mem", "autovacuum_work_mem", _RESOURCES, _autovacuum_work_mem),
    Rule("max_connections", "max_connections", "runtime-config-connection.html", _max_connections),
    Rule("max_parallel_workers", "max_parallel_workers", _RESOURCES, _max_parallel_workers, since=100000),
    Rule("max_wal_size", "max_wal_size", "wal-configuration.html", _max_wal_size),
    Rule(
        "checkpoint_completion_target",
        "checkpoint_completion_target",
        _WAL,
        _checkpoint_completion_target,
        told_since=140000,
    ),
    Rule("statements", "shared_preload_libraries", "pgstatstatements.html", _statements),
)
