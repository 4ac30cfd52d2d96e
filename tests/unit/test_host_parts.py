"""The small parts below backups: times, locks, records, configuration of ssh, the run's folder."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from yunwei_host import hostlock, process, readback, receipt, resticlock, rundir, signed, sshagent
from yunwei_host.acting import what_went_wrong
from yunwei_host.clock import moment, stamp
from yunwei_host.copyplan import ids_at_site
from yunwei_host.faults import FaultError, NotAcceptedError, RefusedByPolicyError
from yunwei_host.hostlock import HostLock
from yunwei_host.records import RecordStore
from yunwei_host.resticstream import full_id

PERMIT = {"run_id": "r-1", "job": "back-up"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-03-01T08:00:00+08:00", 1772323200),
        ("2026-03-01T00:00:00.123456789Z", 1772323200),
        ("2026-02-28T19:00:00-0500", 1772323200),
    ],
)
def test_reads_iso_times(text, seconds):
    assert moment(text) == seconds


@pytest.mark.parametrize("text", ["2026-03-01", "2026-03-01T00:00:00", "yesterday", None, ""])
def test_refuses_other_times(text):
    with pytest.raises(ValueError, match="not an ISO 8601 time"):
        moment(text)


def test_a_stamp_reads_back():
    assert moment(stamp(1772323200)) == 1772323200


def _holder_of_a_lock(folder):
    """Return a process that holds the lock of system s, and has said so."""
    code = (
        "import sys; sys.path.insert(0, 'module_utils')\n"
        "from yunwei_host.hostlock import HostLock\n"
        f"lock = HostLock('s', {{'run_id': 'r-9', 'job': 'j'}}, {str(folder)!r}, numbered=False)\n"
        "lock.__enter__(); print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1)
    assert holder.stdout.readline() == b"held\n"
    return holder


def test_a_host_lock_is_free_again_after_its_holder_was_killed(tmp_path):
    holder = _holder_of_a_lock(tmp_path)
    with (
        pytest.raises(RefusedByPolicyError, match=r"run r-9 \(job j") as caught,
        HostLock("s", PERMIT, str(tmp_path), numbered=False),
    ):
        pass
    assert caught.value.why == "locked"
    holder.kill()
    holder.communicate()
    with HostLock("s", PERMIT, str(tmp_path), numbered=False):
        pass


def test_a_host_lock_follows_no_link(tmp_path):
    (tmp_path / "yunwei-s.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"), HostLock("s", PERMIT, str(tmp_path), numbered=False):
        pass
    assert Path(hostlock.FOLDER).parent == Path("/run"), "there only root makes folders; in /run/lock everybody does"


def test_a_host_lock_is_in_root_s_own_folder_and_root_s_alone(tmp_path):
    folder = tmp_path / "locks"
    with HostLock("s", PERMIT, str(folder), numbered=False):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o711
        assert stat.S_IMODE((folder / "yunwei-s.lock").stat().st_mode) == 0o600


@pytest.mark.parametrize("spoil", ["open folder", "readable file", "pipe", "stranger's folder", "stranger's file"])
def test_a_host_lock_that_others_could_hold_is_refused_and_left_as_it_is(tmp_path, spoil):
    folder, file = tmp_path / "locks", tmp_path / "locks" / "yunwei-s.lock"
    folder.mkdir(mode=0o711)
    os.mkfifo(file, 0o600) if spoil == "pipe" else file.touch(0o600)
    spoiled = folder if "folder" in spoil else file
    if "stranger" in spoil:
        if os.geteuid() != 0:
            pytest.skip("only root can give files away")
        os.chown(spoiled, 65534, 65534)
    elif spoil != "pipe":
        spoiled.chmod(0o777 if spoil == "open folder" else 0o644)
    before = spoiled.stat()
    with (
        pytest.raises(FaultError, match=f"{spoiled} belongs to account .* others could hold"),
        HostLock("s", PERMIT, str(folder), numbered=False),
    ):
        pass
    assert spoiled.stat()[:6] == before[:6]


def test_who_holds_a_host_lock_is_read_without_taking_it(tmp_path, monkeypatch):
    monkeypatch.setattr(hostlock, "FOLDER", str(tmp_path))
    assert hostlock.held_here(["s"]) == []
    holder = _holder_of_a_lock(tmp_path)
    (found,) = hostlock.held_here(["other", "s"])
    assert (found["system"], found["run_id"], found["job"], found["pid"]) == ("s", "r-9", "j", str(holder.pid))
    assert stamp(moment(found["since"])) == found["since"]
    path = tmp_path / "yunwei-s.lock"
    left = path.read_text()
    holder.kill()
    holder.communicate()
    assert (path.read_text(), hostlock.held_here(["s"])) == (left, []), "what a killed run wrote is no holder"
    with HostLock("s", PERMIT, numbered=False):
        assert [one["run_id"] for one in hostlock.held_here(["s"])] == ["r-1"]


def test_a_pipe_or_a_link_in_the_place_of_a_host_lock_holds_nobody_up(tmp_path, monkeypatch):
    monkeypatch.setattr(hostlock, "FOLDER", str(tmp_path))
    os.mkfifo(tmp_path / "yunwei-s.lock")
    assert hostlock.held_here(["s"]) == []
    (tmp_path / "yunwei-t.lock").symlink_to("/etc/hostname")
    with pytest.raises(OSError, match="symbolic"):
        hostlock.held_here(["t"])


def test_a_run_folder_is_swept_only_when_its_owner_is_gone(tmp_path):
    mine = rundir.make_run_folder("s", str(tmp_path))
    assert rundir.sweep_run_folders("s", str(tmp_path)) == []
    (tmp_path / "yunwei-run-s-1-dead").mkdir()
    assert rundir.sweep_run_folders("s", str(tmp_path)) == ["yunwei-run-s-1-dead"]
    rundir.remove_run_folder(mine)
    assert os.listdir(tmp_path) == []


def test_locks_of_other_hosts_and_of_live_processes_are_not_dead():
    locks = [
        {"id": "a", "hostname": "me", "pid": 1},
        {"id": "b", "hostname": "me", "pid": 2},
        {"id": "c", "hostname": "other", "pid": 1},
    ]
    dead, others = resticlock.judge_locks(locks, "me", lambda number: number == 2)
    assert ([one["id"] for one in dead], [one["id"] for one in others]) == (["a"], ["b", "c"])
    assert resticlock.restic_is_alive(os.getpid()) is False
    assert resticlock.restic_is_alive(None) is False


def test_a_damaged_record_is_named_not_skipped(tmp_path):
    (tmp_path / "ab.json").write_text('{"record_id": "cd"}')
    with pytest.raises(FaultError, match=r"ab\.json is damaged"):
        RecordStore(str(tmp_path)).load()
    (tmp_path / "ab.json").write_text("{")
    with pytest.raises(FaultError, match="not the JSON that was written"):
        RecordStore(str(tmp_path)).load()


def test_records_are_for_root_alone(tmp_path):
    store = RecordStore(str(tmp_path / "system" / "records"))
    store.note("n", {"kind": "sync"})
    store.save({"record_id": "x"})
    assert (tmp_path / "system" / "records").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "system" / "records" / "x.json").stat().st_mode & 0o777 == 0o600


def test_only_full_ids_can_be_forgotten():
    assert full_id("a" * 64) == "a" * 64
    for name in ("a" * 8, "latest", "--prune", "a" * 63 + "g"):
        with pytest.raises(ValueError, match="not a full snapshot id"):
            full_id(name)


def test_no_option_of_a_host_undoes_what_holds_for_all():
    for option in ("ProxyCommand=nc x", "Host *\n", "StrictHostKeyChecking no", "-o"):
        with pytest.raises(FaultError, match="ssh option"):
            sshagent._check(("a", "b", "c"), [option])
    for word in ("-oProxyCommand=x", "a b", ""):
        with pytest.raises(FaultError, match="cannot stand"):
            sshagent._check((word, "b", "c"), [])


def test_settings_for_all_come_first_in_the_ssh_configuration(tmp_path):
    folder = rundir.make_run_folder("s")
    try:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "k"], check=True)
        key = {"private_key": (tmp_path / "k").read_text(), "public_key": (tmp_path / "k.pub").read_text()}
        access = sshagent.SshAccess(folder, ["h ssh-ed25519 AAAA"])
        access.add_host("h", "192.0.2.1", 22, "u", key, ["StrictHostKeyChecking=no", "HostKeyAlgorithms=+ssh-rsa"])
        shown = subprocess.run([*access.command("h")[:3], "-G", "h"], capture_output=True, text=True, check=True).stdout
        access.close()
    finally:
        rundir.remove_run_folder(folder)
    assert "stricthostkeychecking true" in shown
    assert "ssh-rsa" in shown.split("hostkeyalgorithms ")[1].split("\n")[0]
    assert "forwardagent no" in shown


def test_a_secret_reaches_a_child_by_pipe_only():
    code, out, _ = process.run(
        ["sh", "-c", "cat $0; tr '\\0' ' ' </proc/$$/cmdline", process.SECRET], ["s'e\"c$ret 密"]
    )
    assert code == 0
    assert out.decode().startswith("s'e\"c$ret 密")
    assert out.decode().count("ret 密") == 1


def test_a_child_that_will_not_end_is_stopped():
    code, _, _ = process.run(["sleep", "60"], timeout=0.3)
    assert code != 0


def test_memory_stays_small_whatever_a_child_prints():
    _, out, _ = process.run(["head", "-c", "5000000", "/dev/zero"])
    assert len(out) == process.KEPT_OUTPUT


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"site": "elsewhere"}, "another site"),
        ({"system": "other"}, "another system"),
        ({"format": 2}, "another format"),
        ({"time": "2026-01-01T00:00:00Z"}, "seconds old"),
        ({"time": "soon"}, "no time"),
    ],
)
def test_a_receipt_must_be_about_this_and_now(change, reason):
    good = {"format": 1, "site": "miyun", "system": "s", "time": stamp()}
    signed.demand_about("receipt", good, "miyun", "s", moment(stamp()))
    with pytest.raises(FaultError, match=reason):
        signed.demand_about("receipt", {**good, **change}, "miyun", "s", moment(stamp()))


def test_damage_that_backups_need_is_told_from_junk():
    known, junk = "a" * 64, "b" * 64
    bad = [f"data/aa/{known}", f"data/bb/{junk}", f"index/{junk}", "data/../x"]
    assert receipt.harmful({"bad": bad}, lambda: {known}) == (
        ["data/../x", f"data/aa/{known}", f"index/{junk}"],
        [f"data/bb/{junk}"],
    )
    assert receipt.harmful({"bad": []}, lambda: pytest.fail("not asked for")) == ([], [])


def test_an_unreadable_receipt_is_refused(tmp_path):
    for answer in (
        b"",
        b"hello \x1b[31m",
        b"[]",
        b'{"receipt": "x"}',
        json.dumps({"receipt": 1, "signature": ""}).encode(),
    ):
        with pytest.raises(FaultError, match="receipt is not readable"):
            signed.read_signed("receipt", answer, "ssh-ed25519 AAAA", str(tmp_path))


def test_a_failed_summary_names_everything_that_spoiled_it():
    summary = {
        "system": "s",
        "verdict": "failed",
        "items": [
            {"item": "database:a", "status": "failed", "reason": "no"},
            {"item": "files:b", "status": "accepted"},
        ],
        "missing": ["files:c"],
        "lost": ["r1"],
        "head": {"refused": "the head goes backwards"},
    }
    assert what_went_wrong(summary) == (
        "system s: database:a: no; parts are missing of record r1; no backup of files:c; the head goes backwards"
    )


def test_ids_and_readers():
    assert ids_at_site([]) == {}
    assert readback.has_reader("postgresql")
    assert not readback.has_reader("dameng")
    assert issubclass(NotAcceptedError, FaultError)
