"""A job that its timer starts and that does not end well is told by the channels; what could not be told is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.watch_world import PROGRAMS, Listener, Relay, free_port

# The places are fixed in the program: no argument can move them. Only a test reaches inside.
BOOT = """
import sys
sys.path.insert(0, {programs!r})
import yunwei_tell
yunwei_tell.RULES, yunwei_tell.STATE = {base!r} + "/rules.json", {base!r} + "/state"
sys.exit(yunwei_tell.main(sys.argv[1:]))
"""
GOOD, FAILED, UNJUDGED = (
    {"run_id": "r-good", "reason": None},
    {"run_id": "r-1", "reason": "backup1: site:local: its disk is full in 9 days (alert at 30)"},
    {"run_id": "r-2", "reason": "database:mediation: suspicious: 3000 rows of cases vanished"},
)


class Teller:
    """A controller's files below `base`, and the program."""

    def __init__(self, base: Path) -> None:
        self.base, self.alerts = base, base / "alerts.jsonl"
        (base / "state" / "runs").mkdir(parents=True)
        self.alerts.touch()

    def rules(self, **channels: Any) -> None:
        system = {"id": "mediation", "name": {"zh": "人民调解", "en": "Mediation"}, "items": []}
        rules = {"format": 1, "language": "zh", "repeat_seconds": 86400, "look_minutes": 10, "systems": [system]}
        (self.base / "rules.json").write_text(json.dumps({**rules, "channels": channels}))

    def file(self) -> dict[str, Any]:
        return {"path": str(self.alerts)}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-B", "-c", BOOT.format(programs=str(PROGRAMS), base=str(self.base)), *words]

    def timed(self, document: Any, exit_code: int, job: str = "back-up") -> subprocess.CompletedProcess[str]:
        """Let the program start a job that prints this document and ends so."""
        body = f"import sys; print({json.dumps(document)!r}); sys.exit({exit_code})"
        return self.start(sys.executable, "-c", body, job=job)

    def start(self, *command: str, job: str = "back-up") -> subprocess.CompletedProcess[str]:
        words = self.command("run", job, "mediation", *command)
        return subprocess.run(words, capture_output=True, text=True, check=False)

    def look(self) -> int:
        return subprocess.run(self.command(), capture_output=True, check=False).returncode

    def filed(self) -> list[dict[str, Any]]:
        """Return the lines of the file of alerts, and empty it."""
        lines = [json.loads(line) for line in self.alerts.read_text().splitlines()]
        self.alerts.write_text("")
        return lines

    def told_long_ago(self) -> None:
        """Let what was told of runs have been told so long ago that an alert that goes on would be repeated."""
        path = self.base / "state" / "told.json"
        kept = json.loads(path.read_text())
        for told in kept["told"].values():
            told.update({key: {**one, "at": 0} for key, one in told.items() if key.startswith("run/")})
        path.write_text(json.dumps(kept))

    def marks(self) -> list[Path]:
        return list((self.base / "state" / "runs").iterdir())


@pytest.fixture
def teller(tmp_path: Path) -> Teller:
    made = Teller(tmp_path)
    made.rules(file=made.file())
    return made


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    server = Relay(tmp_path / "mail")
    yield server
    server.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    yield server
    server.close()


def mail(port: int) -> dict[str, Any]:
    settings = {"relay": "127.0.0.1", "port": port, "starttls": False, "ca_file": None, "sender": "ops@example.org"}
    return {**settings, "recipients": ["operations@example.org"]}


def test_a_suspicious_backup_and_a_disk_that_fills_reach_people_at_once(
    teller: Teller, relay: Relay, listener: Listener
) -> None:
    teller.rules(mail=mail(relay.port), webhook={"url": listener.url, "ca_file": None}, file=teller.file())
    for document, exit_code, job in ((UNJUDGED, 4, "back-up"), (FAILED, 1, "retire-backups")):
        done = teller.timed(document, exit_code, job)
        assert done.returncode == exit_code, done.stderr
        assert json.loads(done.stdout) == document
        text = relay.mails()[-1].get_content().replace("\n", "")
        assert all(part in text for part in ("人民调解", job, f"退出码 {exit_code}", *document.values())), text
        event = listener.posts[-1]["events"][0]
        assert (event["job"], event["system"], event["run"]) == (job, "mediation", document["run_id"])
    assert [line["kind"] for line in teller.filed()] == ["unjudged", "failed"]
    assert (len(relay.mails()), len(listener.posts), teller.marks()) == (2, 2, [])
    assert teller.look() == 0
    assert (len(relay.mails()), teller.filed()) == (2, [])


def test_a_run_that_ends_well_is_told_to_nobody_and_leaves_nothing(teller: Teller) -> None:
    assert teller.timed(GOOD, 0).returncode == 0
    assert (teller.filed(), teller.marks()) == ([], [])


def test_what_a_relay_could_not_take_is_sent_later_even_after_a_good_run_and_told_twice_to_nobody(
    teller: Teller, relay: Relay
) -> None:
    teller.rules(mail=mail(free_port("127.0.0.1")), file=teller.file())
    teller.timed(UNJUDGED, 4)
    assert [line.get("run") or line["channel"] for line in teller.filed()] == ["r-2", "mail"]
    assert teller.timed(GOOD, 0).returncode == 0
    teller.told_long_ago()
    assert (teller.look(), teller.filed(), len(teller.marks())) == (1, [], 1)
    teller.rules(mail=mail(relay.port), file=teller.file())
    assert teller.look() == 0
    assert "3000 rows of cases vanished" in relay.mails()[0].get_content().replace("\n", "")
    assert ([line["event"] for line in teller.filed()], teller.marks()) == (["recovered"], [])


@pytest.mark.parametrize(
    ("document", "exit_code", "kind", "reason"),
    [
        ({"error": {"message": "a lock is held by r-9", "exit_code": 3}}, 3, "refused", "a lock is held by r-9"),
        ({"error": {"message": "policy/estate.yml: no sites"}}, 2, "unusable", "policy/estate.yml: no sites"),
        (
            {
                "reason": None,
                "verification": {"not_passed": [{"role": "miyun_sync", "test": "t", "reason": "no copy"}]},
            },
            1,
            "failed",
            "miyun_sync t: no copy",
        ),
        (
            {"evidence_id": "i-1", "checks": [{"status": "finding", "place": "local", "cause": "disk_full"}]},
            1,
            "failed",
            "1 findings; the first: local disk_full",
        ),
        ({"reason": "a\u202eb\n\x1b[2Jc" + "x" * 400}, 1, "failed", "a b [2Jc" + "x" * 291 + "…"),
        ("nothing", 1, "failed", "it gave no reason"),
        ([], -9, "failed", "it was ended by signal 9"),
    ],
)
def test_why_is_said_in_one_clean_line(teller: Teller, document: Any, exit_code: int, kind: str, reason: str) -> None:
    if exit_code < 0:
        teller.start(sys.executable, "-c", f"import os; os.kill(os.getpid(), {-exit_code})")
    else:
        teller.timed(document, exit_code)
    (line,) = teller.filed()
    assert (line["kind"], line["reason"]) == (kind, reason)


def test_a_program_that_is_not_there_is_told(teller: Teller) -> None:
    assert teller.start("/opt/yunwei/bin/yunwei", "run").returncode == 1
    assert "/opt/yunwei/bin/yunwei cannot be started" in teller.filed()[0]["reason"]


def test_a_run_that_is_killed_is_told_by_the_next_look_and_not_while_it_runs(teller: Teller) -> None:
    body = "print('begun', flush=True); import time; time.sleep(600)"
    words = teller.command("run", "sync-to-miyun", "mediation", sys.executable, "-c", body)
    child = subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == b"begun\n"
        assert (teller.look(), teller.filed(), len(teller.marks())) == (0, [], 1)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    assert teller.look() == 0
    (line,) = teller.filed()
    assert (line["kind"], line["job"]) == ("interrupted", "sync-to-miyun")
    assert "中断，没有留下结果" in line["text"]
    assert teller.marks() == []


def test_a_mark_that_cannot_be_read_is_told_and_one_that_cannot_be_made_stops_no_job(teller: Teller) -> None:
    (teller.base / "state" / "runs" / "1-1.json").write_text("not json")
    assert teller.look() == 0
    assert "its mark cannot be read" in teller.filed()[0]["reason"]
    (teller.base / "state" / "runs").rmdir()
    (teller.base / "state" / "runs").write_text("")
    assert teller.timed(GOOD, 0).returncode == 0
    assert "leaves no mark" in teller.timed(FAILED, 1).stderr
    assert [line["run"] for line in teller.filed()] == ["r-1"]


def test_without_rules_the_job_runs_and_a_look_says_what_to_do(teller: Teller) -> None:
    (teller.base / "rules.json").unlink()
    done = teller.timed(FAILED, 1)
    assert (done.returncode, len(teller.marks())) == (1, 1)
    assert "run the job set-timers" in done.stderr
    assert teller.look() == 2
