"""Going down and the proof afterwards, but for the shutdown itself, which tests/lab does."""

from __future__ import annotations

import fcntl
import http.server
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from yunwei_host import detached, fence, hostlock
from yunwei_host.faults import FaultError, RefusedByPolicyError
from yunwei_restart import act, busy, database, look, prove, record

from tests.restart_host import PlantedHost, systemd_host

PERMIT = {
    "run_id": "r-1", "job": "restart-servers", "systems": ["shop", "till"],
    "locks": {"shop": 3, "till": 4}, "lock_series": {"shop": "a", "till": "b"},
}  # fmt: skip
WORK: dict[str, Any] = {
    "system": "shop", "systems": ["shop", "till"], "databases": [], "drain": [["drain", "x"]], "undrain": [["undrain"]],
    "probes": [], "waivers": [], "max_uptime_days": 90, "boot_free_bytes": 0, "proof_seconds": 0,
}  # fmt: skip
UNITS = "systemctl list-units --type=service --state=running --no-legend --plain --full"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlantedHost:
    host = systemd_host(tmp_path / "root")
    host.plant("/run/systemd/container", "podman")
    host.answers.update({"ip": (0, ""), "drain": (0, ""), "undrain": (0, "")})
    host.answers[UNITS] = (0, "shop.service loaded active running Shop\nby-hand.service loaded active running x\n")
    host.answers["systemctl show shop.service"] = (0, "UnitFileState=enabled\n")
    host.answers["systemctl show by-hand.service"] = (0, "UnitFileState=transient\n")
    host.answers["systemctl is-active --quiet"] = (0, "")
    for module, name in ((record, "record"), (fence, "fence"), (hostlock, "locks")):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(module, "FOLDER", str(tmp_path / name))
    monkeypatch.setattr(prove, "_PAUSE_SECONDS", 0.01)
    return host


@pytest.fixture
def downs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Instead of the shutdown of this machine: note that it came to that, and whether the locks were still held."""
    found: list[str] = []

    def note(_host: Any, permit: dict[str, Any]) -> None:
        held = {system for system in WORK["systems"] if _is_locked(system)}
        found.append(f"{permit['run_id']} with the locks of {sorted(held)}")

    monkeypatch.setattr(act, "_go_down", note)
    return found


def _is_locked(system: str) -> bool:
    with (Path(hostlock.FOLDER) / f"yunwei-{system}.lock").open() as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def commands(host: PlantedHost) -> list[str]:
    return [argv[0] for argv in host.asked if argv[0] in ("drain", "undrain")]


class TestGoingDown:
    def test_it_drains_remembers_and_goes_down_under_the_locks_of_all_its_systems(self, host, downs):
        summary, changed = act.restart(host, WORK, PERMIT)
        assert (downs, commands(host), changed) == (["r-1 with the locks of ['shop', 'till']"], ["drain"], True)
        assert summary["items"][0]["status"] == "restarting"
        assert record.pending()["units"] == ["shop.service"], "what no start brings back is not waited for"
        assert look.pending_state(host) == "not yet"
        assert not _is_locked("shop")

    def test_whoever_is_at_work_is_not_disturbed(self, host, downs):
        host.process(60, "pg_dump")
        with pytest.raises(RefusedByPolicyError, match=r"busy:backup:pg_dump.*wait for its end.*waive it"):
            act.restart(host, WORK, PERMIT)
        assert (downs, commands(host), record.pending()) == ([], [], None)

    def test_another_runs_module_on_the_host_is_not_disturbed(self, host, downs):
        with (
            hostlock.HostLock("till", {**PERMIT, "run_id": "r-2", "job": "back-up"}),
            pytest.raises(RefusedByPolicyError, match="run r-2"),
        ):
            act.restart(host, WORK, PERMIT)
        assert downs == []
        assert not _is_locked("shop"), "the lock that was taken is given back"

    def test_a_waived_finding_does_not_hold_it_up(self, host, downs):
        host.process(60, "pg_dump")
        waiver = {"finding": "busy:backup:pg_dump", "reason": "a test's"}
        act.restart(host, {**WORK, "waivers": [waiver]}, PERMIT)
        assert len(downs) == 1

    def test_who_comes_while_it_drains_stops_it_and_it_is_drained_no_more(self, host, downs, monkeypatch):
        looks = iter([[], [{"item": "busy:session:pts/1", "reason": "ops works"}]])
        monkeypatch.setattr(busy, "at_work", lambda *_: next(looks))
        with pytest.raises(RefusedByPolicyError, match="ops works"):
            act.restart(host, WORK, PERMIT)
        assert (downs, commands(host), record.pending()) == ([], ["drain", "undrain"], None)

    def test_a_drain_that_fails_stops_it(self, host, downs):
        host.answers["drain"] = (7, "no such pool")
        with pytest.raises(FaultError, match="the drain command drain ended with 7: no such pool"):
            act.restart(host, WORK, PERMIT)
        assert (downs, commands(host), record.pending()) == ([], ["drain", "undrain"], None)

    def test_a_checkpoint_that_fails_stops_it(self, host, downs, monkeypatch):
        def fail(_databases: Any) -> None:
            raise act.commands.CommandError("psql", 1, "ERROR: disk full")

        monkeypatch.setattr(database, "checkpoint", fail)
        with pytest.raises(FaultError, match="CHECKPOINT: psql ended with code 1: ERROR: disk full"):
            act.restart(host, WORK, PERMIT)
        assert (downs, record.pending()) == ([], None)

    def test_a_host_that_a_dead_run_drained_and_that_may_not_go_now_is_drained_no_more(self, host, downs):
        act.restart(host, WORK, PERMIT)
        host.process(60, "pg_dump")
        with pytest.raises(RefusedByPolicyError, match="busy:backup:pg_dump"):
            act.restart(host, WORK, PERMIT)
        assert (len(downs), commands(host), record.pending()) == (1, ["drain", "undrain"], None)

    def test_a_drain_can_be_taken_back_without_a_restart(self, host, downs):
        act.restart(host, WORK, PERMIT)
        summary, changed = act.take_back(host, WORK, PERMIT)
        assert (summary["items"][0]["status"], changed) == ("taken back", True)
        assert (commands(host), record.pending(), len(downs)) == (["drain", "undrain"], None, 1)
        assert act.take_back(host, WORK, PERMIT) == ({"items": []}, False)

    def test_a_restart_that_is_not_proven_is_neither_forgotten_nor_undrained(self, host, downs):
        act.restart(host, WORK, PERMIT)
        host.plant("/proc/1/stat", "1 (systemd) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0\n")
        with pytest.raises(RefusedByPolicyError, match="not proven yet"):
            act.restart(host, WORK, {**PERMIT, "run_id": "r-2"})
        assert act.take_back(host, WORK, PERMIT) == ({"items": []}, False)
        assert (commands(host), record.pending()["run_id"]) == (["drain"], "r-1")

    def test_a_drained_host_that_did_not_go_down_needs_its_restart_still(self, host, downs):
        act.restart(host, WORK, PERMIT)
        found = look.look(host, WORK)
        assert [one["source"] for one in found["needs"]] == ["pending"]


class TestProof:
    @pytest.fixture
    def restarted(self, host: PlantedHost, downs: list[str]) -> PlantedHost:
        host.plant("/proc/net/tcp", "head\n 0: 00000000:1F90 00000000:0000 0A 0:0 0:0 0 0 0 4711 1\n")
        host.process(50, "java", unit="/system.slice/shop.service", sockets=[4711])
        act.restart(host, WORK, PERMIT)
        host.plant("/proc/1/stat", "1 (systemd) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0\n")
        return host

    def statuses(self, summary: dict[str, Any]) -> dict[str, str]:
        return {item["item"]: item["status"] for item in summary["items"]}

    def test_everything_is_there_again(self, restarted):
        summary, changed = prove.prove(restarted, WORK)
        assert (summary["verdict"], self.statuses(summary), changed) == ("passed", {"restart": "passed"}, True)
        assert commands(restarted) == ["drain", "undrain"]
        assert (record.pending(), record.last()["run_id"]) == (None, "r-1")
        assert isinstance(summary["items"][0]["seconds"], int)

    def test_the_same_start_is_no_restart(self, host, downs):
        act.restart(host, WORK, PERMIT)
        summary, _ = prove.prove(host, WORK)
        assert summary["verdict"] == "failed"
        assert "the host did not restart" in summary["items"][0]["reason"]

    def test_a_service_and_a_port_that_stay_away_fail_it_with_the_journal_s_last_lines(self, restarted):
        restarted.answers["systemctl is-active --quiet"] = (3, "")
        restarted.plant("/proc/net/tcp", "head\n")
        restarted.answers["journalctl"] = (0, "2026-12-01 java: no disk\x1b[31m\n")
        summary, _ = prove.prove(restarted, WORK)
        assert self.statuses(summary) == {
            "service:shop.service": "failed", "listener:tcp/0.0.0.0:8080": "failed", "journal": "shown",
        }  # fmt: skip
        assert summary["items"][-1]["reason"] == "2026-12-01 java: no disk"
        assert restarted.asked[-1][-2:] == ["-u", "shop.service"]
        assert commands(restarted) == ["drain"], "it stays drained"
        assert record.pending() is not None, "the next run must prove it"

    def test_what_policy_waives_may_stay_away(self, restarted):
        restarted.plant("/proc/net/tcp", "head\n")
        waiver = {"finding": "listener:tcp/0.0.0.0:8080", "reason": "given up"}
        assert prove.prove(restarted, {**WORK, "waivers": [waiver]})[0]["verdict"] == "passed"

    def test_an_undrain_that_fails_leaves_the_restart_unproven(self, restarted):
        restarted.answers["undrain"] = (1, "no")
        with pytest.raises(FaultError, match="the undrain command undrain ended with 1"):
            prove.prove(restarted, WORK)
        assert record.pending() is not None

    def test_a_health_probe_must_answer_as_policy_says(self, restarted, web):
        probe = {"system": "shop", "url": f"http://127.0.0.1:{web}/health", "timeout_seconds": 1}
        good, bad = ({**WORK, "probes": [{**probe, "expect": text}]} for text in ("status: ok", "status: gone"))
        summary, _ = prove.prove(restarted, bad)
        assert self.statuses(summary)["probe:shop"] == "failed"
        assert "does not answer 'status: gone': status: ok" in summary["items"][0]["reason"]
        assert prove.prove(restarted, good)[0]["verdict"] == "passed"
        assert self.statuses(prove.prove(restarted, good)[0]) == {"probe": "passed"}, "without a restart, probes alone"

    def test_nothing_pending_and_no_probe_is_nothing_to_say(self, host):
        assert prove.prove(host, WORK) == ({"items": [], "verdict": "passed"}, False)


@pytest.fixture
def web() -> Iterator[int]:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"status: ok")

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_damaged_record_is_told_and_not_taken_for_none(host):
    (Path(record.FOLDER) / "pending.json").write_text(json.dumps([1]))
    with pytest.raises(FaultError, match="not the JSON that was written"):
        look.pending_state(host)


def test_what_goes_on_alone_keeps_the_lock_until_it_ends(host):
    """It is let go by a pipe that it keeps open, as it keeps the lock."""
    waiting, go = os.pipe()
    ended, ends = os.pipe()
    with hostlock.HostLock("shop", PERMIT):
        detached.run_detached(lambda: os.read(waiting, 1))
        os.close(ends)
    assert _is_locked("shop")
    os.write(go, b"x")
    assert os.read(ended, 1) == b"", "it has ended"
    assert not _is_locked("shop")
    for descriptor in (waiting, go, ended):
        os.close(descriptor)
