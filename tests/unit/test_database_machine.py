"""The memory and the CPUs that a database server may use, from planted files of hosts and containers of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from yunwei_database.machine import read_machine

PID = 4711
GIB = 1 << 30
MACHINE = {"memory": (8 * GIB, None), "cpus": (4, None)}
UNIT = "/system.slice/postgresql.service"
V2 = {"/proc/4711/cgroup": f"0::{UNIT}\n", "/proc/self/mountinfo": "30 1 0:26 / /cg rw shared:4 - cgroup2 cgroup2 rw\n"}
V1 = {
    "/proc/4711/cgroup": f"5:cpu,cpuacct:{UNIT}\n4:memory:{UNIT}\n1:name=systemd:{UNIT}\n0::/\n",
    "/proc/self/mountinfo": (
        "31 1 0:27 / /cg/memory rw - cgroup cgroup rw,memory\n32 1 0:28 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    ),
}
HERE = {f"/cg{UNIT}/cgroup.procs": ""}
HERE_V1 = {f"/cg/memory{UNIT}/tasks": "", f"/cg/cpu{UNIT}/tasks": ""}
CONTAINER = {
    "/proc/4711/cgroup": "5:cpu:/pod/one\n4:memory:/pod/one\n",
    "/proc/self/mountinfo": (
        "31 1 0:27 /pod/one /cg/memory ro - cgroup cgroup rw,memory\n32 1 0:28 /pod/one /cg/cpu ro - cgroup x rw,cpu\n"
    ),
}

BESIDE = {"/cg/memorytwo/tasks": "", "/cg/cputwo/tasks": ""}


def plant(root: Path, *files: dict[str, str]) -> str:
    """Write a host's files: a PostgreSQL session on a machine with 8 GiB and four CPUs, and what else is given."""
    known = {
        "/proc/meminfo": "MemTotal:        8388608 kB\nMemFree:  1 kB\n",
        "/proc/4711/cmdline": "postgres: 15/main: postgres test [local] idle\0",
        "/proc/4711/status": "Name:\tpostgres\nCpus_allowed_list:\t0-2,5\n",
        "/proc/self/mountinfo": "",
    }
    for one in files:
        known.update(one)
    for path, text in known.items():
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return str(root)


def seen(root: str) -> dict[str, Any]:
    machine, unknown = read_machine(PID, root)
    assert unknown == []
    return {part: (found.get("bytes", found.get("count")), found["limit"]) for part, found in machine.items()}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([], {}),
        ([{"/proc/4711/cgroup": ""}], {}),
        ([V2, HERE, {f"/cg{UNIT}/memory.max": "max\n", f"/cg{UNIT}/cpu.max": "max 100000\n"}], {}),
        ([V2, HERE, {f"/cg{UNIT}/memory.max": "2147483648\n"}], {"memory": (2 * GIB, f"/cg{UNIT}/memory.max")}),
        ([V2, HERE, {f"/cg{UNIT}/memory.high": "1073741824\n"}], {"memory": (GIB, f"/cg{UNIT}/memory.high")}),
        (
            [V2, HERE, {f"/cg{UNIT}/memory.max": "2147483648", "/cg/system.slice/memory.max": "1073741824"}],
            {"memory": (GIB, "/cg/system.slice/memory.max")},
        ),
        ([V2, HERE, {f"/cg{UNIT}/memory.max": "99999999999999"}], {}),
        ([V2, HERE, {f"/cg{UNIT}/cpu.max": "150000 100000\n"}], {"cpus": (1.5, f"/cg{UNIT}/cpu.max")}),
        ([V1, HERE_V1, {f"/cg/memory{UNIT}/memory.limit_in_bytes": "9223372036854771712"}], {}),
        (
            [V1, HERE_V1, {"/cg/memory/system.slice/memory.limit_in_bytes": "3221225472"}],
            {"memory": (3 * GIB, "/cg/memory/system.slice/memory.limit_in_bytes")},
        ),
        ([V1, HERE_V1, {f"/cg/cpu{UNIT}/cpu.cfs_quota_us": "-1", f"/cg/cpu{UNIT}/cpu.cfs_period_us": "100000"}], {}),
        (
            [V1, HERE_V1, {f"/cg/cpu{UNIT}/cpu.cfs_quota_us": "50000", f"/cg/cpu{UNIT}/cpu.cfs_period_us": "100000"}],
            {"cpus": (0.5, f"/cg/cpu{UNIT}/cpu.cfs_quota_us")},
        ),
        (
            [CONTAINER, {"/cg/memory/memory.limit_in_bytes": "1073741824", "/cg/cpu/tasks": ""}],
            {"memory": (GIB, "/cg/memory/memory.limit_in_bytes")},
        ),
    ],
)
def test_the_lowest_limit_counts(tmp_path: Path, files: list[dict[str, str]], expected: dict[str, Any]):
    assert seen(plant(tmp_path, *files)) == {**MACHINE, **expected}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([{"/proc/4711/cmdline": "sleep\0100\0"}], "not seen on this host: is it in a container"),
        ([{"/proc/4711/cgroup": "0::/调解\n"}], "the cgroup /调解 of the server is not seen"),
        ([V2], f"the cgroup {UNIT} of the server is not seen"),
        ([V2, HERE, {"/proc/4711/cgroup": "0::/../other\n"}], "the cgroup /../other of the server is not seen"),
        ([CONTAINER, BESIDE, {"/proc/4711/cgroup": "5:cpu:/pod/onetwo\n4:memory:/pod/onetwo\n"}], "cgroup /pod/onetwo"),
    ],
)
def test_a_limit_that_cannot_be_seen_is_not_taken_for_none(tmp_path: Path, files: list[dict[str, str]], said: str):
    machine, unknown = read_machine(PID, plant(tmp_path, *files))
    assert machine == {}
    assert [one["part"] for one in unknown] == ["memory", "cpus"]
    assert all(said in one["reason"] for one in unknown)


@pytest.mark.parametrize(
    ("file", "text", "part"),
    [
        ("/proc/meminfo", "Buffers: 1 kB\n", "memory"),
        ("/proc/4711/status", "Name:\tpostgres\n", "cpus"),
        (f"/cg{UNIT}/memory.max", "plenty", "memory"),
        (f"/cg{UNIT}/cpu.max", "all 100000", "cpus"),
    ],
)
def test_what_is_no_figure_is_unknown_and_the_other_part_is_not(tmp_path: Path, file: str, text: str, part: str):
    machine, unknown = read_machine(PID, plant(tmp_path, V2, HERE, {file: text}))
    assert [one["part"] for one in unknown] == [part]
    assert set(machine) == {"memory", "cpus"} - {part}


def test_a_process_that_is_gone_is_unknown(tmp_path: Path):
    assert read_machine(1, plant(tmp_path))[0] == {}
