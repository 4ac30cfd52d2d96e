"""Why a host needs a restart, and who is at work on it."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from yunwei_host import hostlock
from yunwei_restart import busy, kernels, need, processes
from yunwei_restart.host import ABSENT, Host

from tests.restart_host import PlantedHost, systemd_host

TTY = 136 << 8
DAY = 86400


@pytest.fixture
def host(tmp_path: Path) -> PlantedHost:
    return systemd_host(tmp_path)


def sources(host: PlantedHost, days: int = 90) -> list[str]:
    return [one["source"] for one in need.needs(host, days)]


def test_a_host_that_needs_nothing_has_no_reason(host: PlantedHost):
    host.plant("/var/lib/dpkg/info/libc6:amd64.list", age_seconds=2 * DAY)
    host.plant(f"/boot/vmlinuz-{kernels.running()}")
    assert sources(host) == []


def test_a_newer_kernel_and_an_older_one(host: PlantedHost):
    host.plant("/boot/vmlinuz-0.1.2")
    assert sources(host) == []
    host.plant("/boot/vmlinuz-999.1.2")
    (found,) = need.needs(host, 90)
    assert found["reason"] == f"kernel {kernels.running()} runs, 999.1.2 is installed"


def test_replaced_libraries_in_use_are_named_with_their_processes(host: PlantedHost):
    library = "7f00-7f01 r-xp 00000000 08:01 1234 /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)\n"
    data = "7f02-7f03 rw-s 00000000 00:05 99 /dev/zero (deleted)\n7f04-7f05 rw-p 0 08:01 5 /usr/lib/x.so (deleted)\n"
    host.process(7, "nginx", maps=data + library)
    (found,) = need.needs(host, 90)
    assert found["reason"] == "in use, but replaced on disk: /usr/lib/x86_64-linux-gnu/libssl.so.3 (nginx)"


def test_core_packages_installed_since_the_start_and_no_others(host: PlantedHost):
    for name in ("libc6:amd64", "libssl3:amd64", "linux-image-6.1.0-28-amd64", "tzdata", "libc6-dev"):
        host.plant(f"/var/lib/dpkg/info/{name}.list", age_seconds=3600)
    (found,) = need.needs(host, 90)
    assert found["reason"] == "installed since the start: libc6, libssl3, linux-image-6.1.0-28-amd64"


def test_rpm_tells_when_packages_were_installed(host: PlantedHost):
    now = int((host.folder / "proc/uptime").stat().st_mtime)
    host.program("rpm", f"glibc {now - 3600}\nkernel {now - 5 * DAY}\nbash {now - 60}\nopenssl-libs (none)\n")
    (found,) = need.needs(host, 90)
    assert found["reason"] == "installed since the start: glibc"


def test_a_clock_that_was_wrong_misleads_nobody(host: PlantedHost):
    host.plant("/var/lib/dpkg/info/libc6:amd64.list", age_seconds=-10 * DAY)
    assert sources(host) == [], "what is dated later than now tells nothing"
    assert processes.age(host) == pytest.approx(100000, abs=1), "the age is the kernel's own count"


def test_uptime_is_the_age_of_process_1(host: PlantedHost):
    host.plant("/proc/uptime", f"{91 * DAY} 0\n")
    assert sources(host) == ["uptime"]
    host.process(2, "x")
    started = int(2 * DAY * os.sysconf("SC_CLK_TCK"))
    host.plant("/proc/1/stat", f"1 (systemd) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {started} 0\n")
    assert sources(host) == [], "the machine is older than the container"


def test_the_package_managers_own_word(host: PlantedHost):
    host.plant("/var/run/reboot-required", "*** System restart required ***\n")
    host.plant("/var/run/reboot-required.pkgs", "linux-image\nlibc6\nlibc6\n")
    (found,) = need.needs(host, 90)
    assert found["reason"].endswith("(/var/run/reboot-required): libc6, linux-image")


@pytest.mark.parametrize(("code", "expected"), [(0, []), (1, ["flag"]), (2, [])])
def test_needs_restarting_asks_by_its_exit_code(host: PlantedHost, code: int, expected: list[str]):
    host.program("needs-restarting", "Core libraries or services have been updated:\n  glibc -> 2.17\n", code)
    assert sources(host) == expected


class TestBusy:
    def found(self, host: PlantedHost) -> list[str]:
        return [one["item"] for one in busy.at_work(host)]

    def test_nobody(self, host: PlantedHost):
        host.process(60, "agetty", terminal=(4 << 8) | 1)
        host.process(61, "sshd")
        assert self.found(host) == []

    @pytest.mark.parametrize(
        ("name", "cmdline", "item"),
        [
            ("pg_dump", "pg_dump", "busy:backup:pg_dump"),
            ("python2.7", "/usr/bin/python2.7\0/usr/libexec/yunwei/source.py\0", "busy:backup:python2.7"),
            ("dpkg", "dpkg", "busy:packages:dpkg"),
            ("yum", "/usr/bin/python\0/usr/bin/yum", "busy:packages:yum"),
        ],
    )
    def test_programs_that_must_end_first(self, host: PlantedHost, name: str, cmdline: str, item: str):
        host.process(62, name, cmdline=cmdline)
        assert self.found(host) == [item]

    def test_people_at_terminals_each_once_and_never_ourselves(self, host: PlantedHost):
        host.process(63, "bash", terminal=TTY + 2)
        host.process(64, "vim", terminal=TTY + 2)
        host.process(70, "sudo", terminal=TTY + 5)
        host.process(os.getpid(), "python3", parent=70, terminal=TTY + 5)
        host.process(71, "bash", terminal=TTY + 5)
        assert self.found(host) == ["busy:session:pts/2"]

    def test_names_that_people_choose_move_no_cursor(self, host: PlantedHost):
        host.process(62, "x\x1b[2J\u202ey\x07", cmdline="/usr/libexec/yunwei/source.py", terminal=TTY + 2)
        maps = "0-1 r-xp 0 8:1 9 /opt/\x1b[31mz (deleted)\n"
        host.process(63, "\x1b]0;t\x07java", maps=maps)
        shown = [value for one in busy.at_work(host) for value in one.values()]
        shown += [one["reason"] for one in need.needs(host, 9999)]
        assert len(shown) == 5
        assert [one for one in shown if not one.isprintable()] == []
        assert shown[1].startswith("x y ")

    def test_a_lock_that_another_run_holds_and_things_that_are_no_lock(self, host: PlantedHost):
        folder = Path(host.path(hostlock.FOLDER))
        folder.mkdir(parents=True)
        os.mkfifo(folder / "yunwei-pipe.lock")
        with hostlock.HostLock("shop", {"run_id": "r-2", "job": "back-up"}, str(folder), numbered=False):
            found: list[dict[str, str]] = []
            looking = threading.Thread(target=lambda: found.extend(busy.at_work(host)), daemon=True)
            looking.start()
            looking.join(60)
            assert [one["item"] for one in found] == ["busy:yunwei:shop"], "a pipe holds nobody up"
            assert "(job back-up, run r-2)" in found[0]["reason"]
            assert busy.at_work(host, held=["shop"]) == []

    def test_half_installed_packages(self, host: PlantedHost):
        host.program("dpkg", "The following packages are only half configured:\n x\n")
        assert self.found(host) == ["packages:half-installed"]


# Two sessions of one sshd; the module that looks runs in the first.
SSHD, MINE, SUDO, MODULE, CHILD, THEIRS, DUMP = 100, 200, 201, 202, 203, 300, 301
PARENTS = {SSHD: 1, MINE: SSHD, SUDO: MINE, MODULE: SUDO, CHILD: MODULE, THEIRS: SSHD, DUMP: THEIRS}


@pytest.fixture
def family() -> set[int]:
    everybody = [SimpleNamespace(pid=pid, parent=parent) for pid, parent in PARENTS.items()]
    return processes.own_family(everybody, MODULE)


def test_one_s_own_is_what_one_descends_from_and_what_one_started(family: set[int]):
    assert family == {SSHD, MINE, SUDO, MODULE, CHILD}


def test_what_another_session_of_the_same_sshd_started_is_not_one_s_own(family: set[int]):
    assert not family & {THEIRS, DUMP}


def test_a_program_is_ended_after_its_time_and_one_that_is_not_there_is_told():
    assert Host().run(["sleep", "1000"], seconds=0)[0] == -signal.SIGKILL
    assert Host().run(["no-such-program"]) == (ABSENT, "", "no-such-program: no such program")
    assert Host().run(["sh", "-c", "echo out; echo err >&2; exit 3"]) == (3, "out\n", "err\n")
