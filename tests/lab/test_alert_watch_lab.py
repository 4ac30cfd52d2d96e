"""The watch on the second site's real host: it knows what a sync has proven, and tells over the network without us."""

from __future__ import annotations

import json
import re

import pytest

from tests.watch_world import Listener, Relay

pytestmark = pytest.mark.lab

RULES = "/etc/yunwei-watch/rules.json"
TOLD = "/var/lib/yunwei-watch/told.json"
ALERTS = "/var/log/yunwei-alerts.jsonl"


@pytest.fixture(scope="module")
def gateway(lab):
    """Return this machine's address in the second site's network: there the relay and the listener are."""
    return lab.podman("miyun1", "sh", "-c", "ip route show default").stdout.split()[2]


@pytest.fixture
def rules(lab):
    """Yield a function that puts changed rules in force; afterwards the old ones are, and nothing was told."""
    kept = lab.podman("miyun1", "cat", RULES).stdout

    def change(**changes):
        lab.podman("miyun1", "tee", RULES, stdin=json.dumps({**json.loads(kept), **changes}))

    lab.podman("miyun1", "rm", "-f", TOLD)
    yield change
    lab.podman("miyun1", "tee", RULES, stdin=kept)
    lab.podman("miyun1", "rm", "-f", TOLD)


def look(lab, expect=0):
    """Let the timer's own service look, with all that it may not do; return what the file of alerts got."""
    before = lab.podman("miyun1", "cat", ALERTS).stdout
    done = lab.podman("miyun1", "systemctl", "start", "yunwei-watch.service", check=False)
    shown = lab.podman("miyun1", "systemctl", "show", "-p", "ExecMainStatus", "--value", "yunwei-watch.service")
    assert int(shown.stdout) == expect, lab.podman("miyun1", "journalctl", "-u", "yunwei-watch", "-n", "20").stdout
    assert (done.returncode == 0) == (expect == 0)
    return [json.loads(line) for line in lab.podman("miyun1", "cat", ALERTS).stdout[len(before) :].splitlines()]


def limited(lab, seconds):
    """Return the rules' systems: mediation alone, with this limit."""
    systems = json.loads(lab.podman("miyun1", "cat", RULES).stdout)["systems"]
    (chosen,) = [system for system in systems if system["id"] == "mediation"]
    return [{**chosen, "items": [{**item, "limit_seconds": seconds} for item in chosen["items"]]}]


def test_a_dead_first_site_is_told_by_mail_webhook_and_file_and_a_proven_copy_ends_it(lab, gateway, rules, tmp_path):
    lab.plain("back-up", ["mediation"])
    lab.plain("sync-to-miyun", ["mediation"])
    relay, listener = Relay(tmp_path / "mail", host=gateway), Listener(gateway)
    mail = {"relay": gateway, "port": relay.port, "starttls": False, "ca_file": None}
    mail.update(sender="watch@example.org", recipients=["operations@example.org"])
    channels = {"mail": mail, "webhook": {"url": listener.url, "ca_file": None}, "file": {"path": ALERTS}}
    day = limited(lab, 86400)
    try:
        # The copies of just now are older than no second at all: so it looks to a watch whose first site is silent.
        rules(channels=channels, systems=limited(lab, -1))
        told = look(lab)
        assert {(line["event"], line["kind"], line["item"]) for line in told} == {
            ("alert", "late", "database:mediation"),
            ("alert", "late", "files:app"),
        }
        assert look(lab) == []
        rules(channels=channels, systems=day)
        assert {line["event"] for line in look(lab)} == {"recovered"}
    finally:
        relay.close()
        listener.close()
    assert [len(post["events"]) for post in listener.posts] == [2, 2]
    first, second = relay.mails()
    assert "2 项告警" in str(first["Subject"])
    assert re.search(r"mediation.*距今 .*限值 .*下一步", first.get_content())
    assert "2 项恢复" in str(second["Subject"])


def test_the_service_is_kept_from_everything_but_its_files(lab, rules):
    rules(channels={"file": {"path": "/etc/motd"}}, systems=limited(lab, -1))
    assert look(lab, expect=1) == []
