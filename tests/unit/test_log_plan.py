"""The plan of a log clean-up: exactly the files that a rule sends away, oldest first, and why each other one stays."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from yunwei_host import loglist, logplan, logwalk
from yunwei_host.faults import FaultError, RefusedByPolicyError

from tests.log_world import DAY, NOW, Logs, rule
from yunwei.policy.logs import PROTECTED
from yunwei.source import yunwei_source

OLD = "60 days old, older than 30"
ODD = [b"new\nline.log.1", b"\xff\xfe.log.1", "人民调解.log.1".encode(), b"n" * 249 + b".log.1", b"-rf.log.1"]


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Logs:
    return Logs(tmp_path, monkeypatch)


def test_what_is_old_and_fits_goes_and_nothing_else(logs: Logs):
    logs.write("a.log.1")
    logs.write("a.log.2", below="x/y")
    for name, days in (("a.log", 60.0), ("a.log.3", 10), ("a.log.4", 1), ("b.log.5", 60)):
        logs.write(name, days=days)
    logs.rules[0]["exclude"] = ["b.*"]
    assert logs.planned() == {"a.log.1": OLD, "x/y/a.log.2": OLD}
    logs.rules[0]["below"] = False
    assert logs.planned() == {"a.log.1": OLD}


@pytest.mark.parametrize("name", ODD)
def test_any_name_is_planned_and_retired(logs: Logs, name: bytes):
    logs.write(name)
    summary, packed = logs.plan()
    assert summary["plan"]["files"] == 1
    assert list(logs.retire(packed).values()) == ["retired"]
    assert os.listdir(logs.place) == []


def test_an_entry_says_everything_about_its_file(logs: Logs):
    path = logs.write("a.log.1", content=b"12345")
    path.chmod(0o640)
    _, packed = logs.plan()
    (entry,) = loglist.unpack(packed["packed"], packed["sha256"])
    status = path.stat()
    told = {name: entry[name] for name in ("p", "size", "mtime", "mode", "uid", "gid", "acting", "rule", "why")}
    assert told == {
        "p": str(path), "size": 5, "mtime": NOW - 60 * DAY, "mode": 0o640, "uid": 0, "gid": 0,
        "acting": 0, "rule": "app", "why": OLD,
    }  # fmt: skip
    assert entry["key"] == f"{status.st_dev}:3:{status.st_ino}:5:{status.st_mtime_ns}:{status.st_ctime_ns}"


def test_host_and_source_program_know_a_file_by_the_same_key(logs: Logs):
    status = os.lstat(logs.write("a.log.1"))
    assert loglist.key_of(status) == yunwei_source.plan_key(status)


def test_host_and_source_program_protect_the_same_folders():
    assert set(logwalk.PROTECTED) == set(yunwei_source.LogPlace.PROTECTED) == PROTECTED
    assert loglist.ASIDE == yunwei_source.LogPlace.ASIDE


def test_size_takes_the_oldest_first_and_never_what_is_below_the_floor(logs: Logs):
    for number, days in enumerate((40, 30, 20, 6, 5)):
        logs.write(f"a.log.{number}", days=days, content=b"x" * 100)
    logs.rules = [rule(logs.place, after_days=None, max_bytes=300)]
    assert list(logs.planned()) == ["a.log.0", "a.log.1"]
    logs.rules = [rule(logs.place, after_days=None, max_bytes=1)]
    assert list(logs.planned()) == ["a.log.0", "a.log.1", "a.log.2"]


@pytest.mark.parametrize("target", [{"until_free_percent": 20}, {"until_free_bytes": 20 * 4096}])
def test_a_space_target_stops_as_soon_as_it_is_reached(
    logs: Logs, monkeypatch: pytest.MonkeyPatch, target: dict[str, int]
):
    for number in range(5):
        logs.write(f"a.log.{number}", days=50 - number, content=b"x" * 4096)
    real = os.statvfs("/")
    full = os.statvfs_result((4096, 4096, 100, 18, 18, *real[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    logs.rules = [rule(logs.place, after_days=None, **target)]
    assert list(logs.planned()) == ["a.log.0", "a.log.1"]


def test_the_newest_local_backups_stay_however_old_they_are(logs: Logs):
    for number, days in enumerate((400, 300, 200)):
        logs.write(f"a.log.{number}", days=days)
    logs.rules = [rule(logs.place, kind="local_backup", keep_newest=2)]
    assert list(logs.planned()) == ["a.log.0"]


def test_what_two_rules_take_goes_once(logs: Logs):
    logs.write("a.log.1")
    logs.rules.append(rule(logs.place, name="other"))
    assert list(logs.planned()) == ["a.log.1"]


def test_links_hard_links_and_what_is_no_file_stay(logs: Logs):
    outside = logs.base / "outside"
    outside.mkdir()
    (outside / "b.log.1").write_text("x")
    (logs.place / "a.log.1").symlink_to(outside / "b.log.1")
    (logs.place / "folder").symlink_to(outside)
    os.link(logs.write("a.log.2"), logs.place / "a.log.3")
    os.mkfifo(logs.place / "a.log.4")
    assert logs.planned() == {}
    assert logs.skipped() == {"a symbolic link": 1, "has other names (hard links)": 2, "no regular file": 1}


def test_a_link_in_the_place_s_own_path_is_refused(logs: Logs):
    (logs.base / "way").symlink_to(logs.base)
    logs.rules = [rule(logs.base / "way" / "logs")]
    with pytest.raises(FaultError, match=r"rule app: .*/way is not there, or is a link or no folder"):
        logs.plan()


def test_what_comes_from_the_future_stays(logs: Logs):
    logs.write("a.log.1", days=-2)
    assert logs.skipped() == {"its time lies in the future": 1}


def test_data_of_queues_is_never_entered(logs: Logs):
    logs.write("a.log.1", below="SndFiles")
    logs.write("a.log.2", below="pg_wal")
    assert logs.planned() == {}
    assert logs.skipped() == {"holds data, not logs: never entered": 2}


def test_another_file_system_is_not_entered(logs: Logs):
    below = logs.place / "mounted"
    below.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", str(below)], check=True)
    try:
        logs.write("a.log.1", below="mounted")
        assert logs.skipped() == {"on another file system": 1}
    finally:
        subprocess.run(["umount", str(below)], check=True)


def test_an_open_file_stays_and_is_named_with_its_process(logs: Logs):
    with logs.write("a.log.1").open():
        summary, packed = logs.plan()
    assert packed["files"] == 0
    (row,) = summary["items"]
    own_name = Path("/proc/self/comm").read_text(encoding="utf-8").strip()
    assert (row["status"], row["reason"]) == ("left", f"open in process {os.getpid()} ({own_name})")


class TestWhoActs:
    """Root works only where root alone can change things."""

    def test_the_owner_of_the_folder(self, logs: Logs):
        logs.write("a.log.1")
        os.chown(logs.place, 12345, 12345)
        _, packed = logs.plan()
        assert loglist.unpack(packed["packed"], packed["sha256"])[0]["acting"] == 12345

    def test_nobody_where_others_can_change_root_s_folder(self, logs: Logs):
        logs.write("a.log.1")
        logs.place.chmod(0o1775)
        (reason,) = logs.skipped()
        assert "can be changed by others (mode 1775, group root): name in the rule's `account` as whom to act" in reason

    def test_the_account_that_the_rule_names(self, logs: Logs):
        logs.write("a.log.1")
        logs.place.chmod(0o1777)
        logs.rules[0]["account"] = "nobody"
        _, packed = logs.plan()
        assert loglist.unpack(packed["packed"], packed["sha256"])[0]["acting"] == 65534

    @pytest.mark.parametrize("account", ["root", "nosuchaccount"])
    def test_never_root_by_name(self, logs: Logs, account: str):
        logs.rules[0]["account"] = account
        with pytest.raises(FaultError, match=rf"account {account} "):
            logs.plan()

    def test_nobody_where_others_can_change_a_folder_on_the_way(self, logs: Logs):
        logs.write("a.log.1", below="x")
        logs.place.chmod(0o777)
        (reason,) = logs.skipped()
        assert "on the way to it can be changed by others (mode 0777)" in reason

    def test_nobody_where_two_accounts_own_the_way(self, logs: Logs):
        logs.write("a.log.1", below="x")
        os.chown(logs.place, 12345, 0)
        os.chown(logs.place / "x", 12346, 0)
        (reason,) = logs.skipped()
        assert "belongs to another account (12346) than a folder above it (12345)" in reason


@pytest.mark.parametrize("permission", [{}, {"reference": "LAB-1", "expires": "2026-09-20"}, {"reference": "LAB-1"}])
def test_without_a_valid_permission_nothing_is_planned_or_retired(logs: Logs, permission: dict[str, str]):
    logs.write("a.log.1")
    _, packed = logs.plan()
    logs.rules[0]["permission"] = permission
    for act in (logs.plan, lambda: logs.retire(packed)):
        with pytest.raises(RefusedByPolicyError, match="REFUSED: rule app has no valid written permission"):
            act()
    assert (logs.place / "a.log.1").exists()


def test_a_run_takes_the_oldest_and_says_how_many_are_beyond(logs: Logs, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(logplan, "MOST_FILES", 3)
    for number in (3, 1, 4, 0, 2):
        logs.write(f"a.log.{number}", days=90 - number)
    assert list(logs.planned()) == ["a.log.0", "a.log.1", "a.log.2"]
    assert logs.plan()[0]["rules"][0]["beyond"] == 2


def test_a_long_list_is_counted_where_it_does_not_fit_into_the_record(logs: Logs, monkeypatch: pytest.MonkeyPatch):
    for number in range(9):
        logs.write(f"a.log.{number}")
    monkeypatch.setattr(logplan, "_TOLD_BYTES", 600)
    rows = logs.plan()[0]["items"]
    assert (rows[-1]["item"], rows[-1]["bytes"]) == (f"{10 - len(rows)} more files", 5 * (10 - len(rows)))


def test_a_damaged_list_is_refused(logs: Logs):
    logs.write("a.log.1")
    _, packed = logs.plan()
    for wrong in ({**packed, "sha256": "0" * 64}, {**packed, "packed": packed["packed"][:-40]}):
        with pytest.raises(FaultError, match="damaged on its way"):
            logs.retire(wrong)
