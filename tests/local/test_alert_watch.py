"""The watch tells a real relay, a real listener and a file when copies grow old: once, to each, and when it is over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.openbao import _make_certificate
from tests.watch_world import Listener, Relay, Watch, free_port

FRESH = ("2026-12-01T00:00:00Z", "2026-12-01T00:10:00Z")
SOON, LATE, HOUR_LATER, DAY_LATER = (
    "2026-12-01T12:00:00Z",
    "2026-12-02T12:00:01Z",
    "2026-12-02T13:00:00Z",
    "2026-12-03T12:00:02Z",
)
AGAIN = ("2026-12-03T11:00:00Z", "2026-12-03T11:10:00Z")


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    made = Watch(tmp_path / "watch")
    made.rules({"file": {"path": str(made.alerts_file)}})
    made.state(database=FRESH, files=FRESH)
    return made


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    server = Relay(tmp_path_factory.mktemp("relay") / "mail")
    yield server
    server.close()


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Relay, Path]]:
    """Yield a relay that demands STARTTLS, and the certificate that it shows."""
    folder = tmp_path_factory.mktemp("certified")
    _make_certificate(folder)
    server = Relay(folder / "mail", (folder / "server.pem", folder / "server.key"))
    yield server, folder / "server.pem"
    server.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    yield server
    server.close()


def mail(port: int, **more: Any) -> dict[str, Any]:
    settings = {"relay": "127.0.0.1", "port": port, "starttls": False, "ca_file": None, "sender": "watch@example.org"}
    return {**settings, "recipients": ["operations@example.org"], **more}


def test_an_alert_is_told_once_repeated_after_its_interval_and_its_end_told_once(watch: Watch) -> None:
    told = []
    for at in (SOON, LATE, HOUR_LATER, DAY_LATER):
        watch.look(at)
        told.append(watch.filed())
    both = [("alert", "database:mediation"), ("alert", "files:app")]
    assert told == [[], both, [], both]
    watch.state(database=AGAIN, files=FRESH)
    watch.look(DAY_LATER)
    assert watch.filed() == [("recovered", "database:mediation")]
    watch.look(DAY_LATER)
    assert watch.filed() == []


def test_a_mail_names_system_age_limit_and_next_step_in_both_languages(watch: Watch, relay: Relay) -> None:
    for language, subject, body in (
        (
            "zh",
            "【备份告警】2 项告警，0 项恢复：mediation",
            ("人民调解", "距今 1 天 12 小时", "限值 1 天 12 小时", "下一步"),
        ),
        ("en", "[backup alert] 2 alerts, 0 recovered: mediation", ("Mediation", "is 1 d 12 h old", "Next: ")),
    ):
        watch.rules({"mail": mail(relay.port)}, language=language)
        (watch.base / "state" / "told.json").unlink(missing_ok=True)
        watch.look(LATE)
        found = relay.mails()[-1]
        assert str(found["Subject"]) == subject
        assert (str(found["To"]), str(found["Auto-Submitted"])) == ("operations@example.org", "auto-generated")
        text = found.get_content()
        assert all(part in text for part in (*body, "database:mediation", "files:app", "yunwei evidence list")), text


def test_starttls_is_spoken_and_a_certificate_that_does_not_hold_is_refused(
    watch: Watch, certified: tuple[Relay, Path]
) -> None:
    server, certificate = certified
    watch.rules({"mail": mail(server.port, starttls=True, ca_file=str(certificate))})
    watch.look(LATE)
    assert len(server.mails()) == 1
    (watch.base / "state" / "told.json").unlink()
    for settings, why in (({"starttls": True}, "CERTIFICATE_VERIFY_FAILED"), ({"starttls": False}, "STARTTLS")):
        watch.rules({"mail": mail(server.port, **settings)})
        assert why in watch.look(LATE, expect=1).stderr
    assert len(server.mails()) == 1


def test_a_channel_that_fails_keeps_nobody_waiting_is_told_to_the_others_and_tried_again(
    watch: Watch, relay: Relay, listener: Listener
) -> None:
    before = len(relay.mails())
    channels = {"mail": mail(free_port("127.0.0.1")), "webhook": {"url": listener.url, "ca_file": None}}
    channels["file"] = {"path": str(watch.alerts_file)}
    watch.rules(channels)
    both = [("alert", "database:mediation"), ("alert", "files:app")]
    assert "mail: ConnectionRefusedError" in watch.look(LATE, expect=1).stderr
    assert watch.filed() == [*both, ("alert", "mail")]
    assert [len(post["events"]) for post in listener.posts] == [2, 1]
    assert listener.posts[0]["events"][0]["age_seconds"] == 129601
    assert "送不出告警" in listener.posts[1]["events"][0]["text"]
    watch.look(HOUR_LATER, expect=1)
    assert watch.filed() == []
    watch.rules({**channels, "mail": mail(relay.port)})
    watch.look(HOUR_LATER)
    assert len(relay.mails()) == before + 1
    assert watch.filed() == [("recovered", "mail")]


@pytest.mark.parametrize("status", [302, 500])
def test_an_answer_of_the_webhook_that_is_not_good_is_a_failure(watch: Watch, listener: Listener, status: int) -> None:
    listener.status = status
    watch.rules({"webhook": {"url": listener.url, "ca_file": None}})
    assert f"HTTP Error {status}" in watch.look(LATE, expect=1).stderr
    listener.status = 200
    watch.look(LATE)
    assert len(listener.posts) == 2


def test_no_copy_at_all_is_an_alert_and_so_is_one_that_cannot_be_judged(watch: Watch) -> None:
    watch.state(files=FRESH)
    watch.look(SOON)
    assert watch.filed() == [("alert", "database:mediation")]
    (watch.base / "copies" / "mediation.json").unlink()
    watch.look(SOON)
    assert watch.filed() == [("alert", "files:app")]
    statement = '{"copies": "{}", "signature": ""}'
    for broken in ("not json", statement, "[]"):
        watch.keep(broken)
        (watch.base / "state" / "told.json").unlink()
        watch.look(SOON, expect=4)
        assert watch.filed() == [("alert", "database:mediation"), ("alert", "files:app")], broken


def test_a_statement_that_another_key_signed_or_that_was_changed_counts_for_nothing(watch: Watch) -> None:
    kept = (watch.base / "copies" / "mediation.json").read_text()
    watch.keep(kept.replace("2026-12-01", "2026-12-02"))
    assert "mediation/files:app: unread" in watch.look(SOON, "--check", expect=4).stdout
    watch.keep(kept)
    other = Watch(watch.base.parent / "other")
    other.state(database=AGAIN, files=AGAIN)
    watch.keep((other.base / "copies" / "mediation.json").read_text())
    watch.look(SOON, expect=4)
    assert len(watch.filed()) == 2


def test_a_copy_is_never_newer_than_its_arrival_nor_than_now(watch: Watch) -> None:
    watch.state(database=("2099-01-01T00:00:00Z", FRESH[1]), files=("2099-01-01T00:00:00Z", "2099-01-01T00:00:00Z"))
    assert "database:mediation: late, age 129601 s" in watch.look("2026-12-02T12:10:01Z", "--check", expect=4).stdout
    watch.look("2026-12-02T12:10:01Z", expect=4)
    assert watch.filed() == [("alert", "database:mediation"), ("alert", "files:app")]


def test_a_check_tells_nobody_and_changes_nothing(watch: Watch, listener: Listener) -> None:
    watch.rules({"webhook": {"url": listener.url, "ca_file": None}, "file": {"path": str(watch.alerts_file)}})
    before = {path: path.stat().st_mtime_ns for path in watch.base.rglob("*")}
    shown = watch.look(LATE, "--check").stdout
    assert "webhook: 【备份告警】2 项告警" in shown
    assert "mediation/database:mediation: late, age 129601 s, limit 129600 s" in shown
    assert {path: path.stat().st_mtime_ns for path in watch.base.rglob("*")} == before
    assert listener.posts == []


def test_a_trial_reaches_every_channel(watch: Watch, relay: Relay, listener: Listener) -> None:
    channels = {"mail": mail(relay.port), "webhook": {"url": listener.url, "ca_file": None}}
    watch.rules({**channels, "file": {"path": str(watch.alerts_file)}})
    watch.look(SOON, "--test")
    assert "试发" in str(relay.mails()[-1]["Subject"])
    assert [post["events"][0]["event"] for post in listener.posts] == ["test"]
    assert watch.filed() == [("test", "")]
    watch.rules({**channels, "file": {"path": str(watch.base / "absent")}})
    watch.look(SOON, "--test", expect=1)
    assert not os.path.exists(watch.base / "absent")


@pytest.mark.parametrize("change", [{"format": 2}, {"systems": []}, {"channels": {}}, {"channels": {"pager": {}}}])
def test_rules_that_are_not_as_policy_makes_them_are_refused(watch: Watch, change: dict[str, Any]) -> None:
    watch.rules({"file": {"path": str(watch.alerts_file)}})
    watch.rules(**{"channels": {"file": {"path": str(watch.alerts_file)}}, **change})
    assert "cannot be used" in watch.look(LATE, expect=2).stderr
