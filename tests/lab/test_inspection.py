"""The inspection on real hosts: both sites answer by their forced commands, and drift made there is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from yunwei import policy, remote
from yunwei.vault import VaultClient
from yunwei.work.pins import pinned_keys

pytestmark = pytest.mark.lab

AUTHORIZED = "/var/lib/miyun-append/.ssh/authorized_keys"
RULES = "/etc/yunwei/site_rules/mediation.json"
STRANGER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEN0cmFuZ2Vyc0tleVdoaWNoTm9ib2R5SG9sZHNBdEFsbCEh stranger"
# The machine under the lab may be full or busy: that would be a finding, and a right one.
MACHINE = {"disk", "load", "memory", "growth"}


def inspect(lab: Any, folder: Path, *words: str) -> dict[str, Any]:
    """Inspect and return the document, whatever the verdict."""
    done = lab.run("inspect", "backup-sites", "--system", "mediation", "-o", str(folder), "--json", *words)
    assert done.returncode in (0, 1, 4), done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == {"passed": 0, "findings": 1, "could not judge": 4}[document["verdict"]]
    return document


def wrong(document: dict[str, Any]) -> set[tuple[str, str]]:
    """Return place and cause of every line that is not in order, but for those of the machine under the lab."""
    return {
        (line["place"], line["cause"])
        for line in document["checks"]
        if line["status"] in ("finding", "unknown") and line["what"] not in MACHINE
    }


@pytest.fixture(scope="module", autouse=True)
def copied(lab):
    """Have a backup of the mediation system at both sites."""
    lab.plain("back-up", ["mediation"], now=True)
    lab.plain("sync-to-miyun", ["mediation"])


def test_both_sites_are_in_order_and_the_inspection_is_recorded(lab, tmp_path):
    document = inspect(lab, tmp_path)
    assert wrong(document) == set()
    places = {line["place"] for line in document["checks"]}
    assert places == {"local", "miyun", "local/mediation", "miyun/mediation", "mediation", "controller"}
    record = lab.json("evidence", "show", f"{document['evidence_id']}/inspection")
    assert record["verdict"] == document["verdict"]
    assert record["signed"] == "yes"
    assert "密云" in (tmp_path / "inspect.html").read_text(encoding="utf-8")


def test_drift_at_the_second_site_is_found_and_gone_when_it_is_undone(lab, tmp_path):
    keys = lab.podman("miyun1", "cat", AUTHORIZED).stdout
    rules = lab.podman("miyun1", "cat", RULES).stdout
    changed = json.loads(rules)
    changed["keep"]["daily"] = 1
    try:
        lab.podman("miyun1", "tee", "-a", AUTHORIZED, stdin=f"{STRANGER}\n")
        lab.podman("miyun1", "tee", RULES, stdin=json.dumps(changed))
        lab.podman("miyun1", "chmod", "0000", "/usr/libexec/yunwei/miyun_receipt.py")
        found = wrong(inspect(lab, tmp_path, "--site", "miyun"))
    finally:
        lab.podman("miyun1", "tee", AUTHORIZED, stdin=keys)
        lab.podman("miyun1", "tee", RULES, stdin=rules)
        lab.podman("miyun1", "chmod", "0755", "/usr/libexec/yunwei/miyun_receipt.py")
    assert found == {("miyun", "accounts_foreign"), ("miyun/mediation", "rules_differ"), ("miyun", "unread")}
    assert wrong(inspect(lab, tmp_path, "--site", "miyun")) == set()


def test_a_site_that_is_switched_off_could_not_be_judged(lab, tmp_path):
    lab.engine("stop", "miyun1")
    try:
        document = inspect(lab, tmp_path)
    finally:
        lab.start("miyun1")
    assert ("miyun/mediation", "reach_not") in wrong(document)
    assert document["verdict"] != "passed"
    assert "local" in document["measures"]


def test_the_reading_key_opens_nothing_but_the_gate(lab):
    """What the inspection logs in with is refused every other word."""
    estate = policy.load(lab.inventory).estate
    vault = VaultClient(estate.vault)
    vault.login()
    try:
        key = vault.read("systems/mediation/miyun-read")["private_key"]
    finally:
        vault.revoke()
    site = estate.sites.miyun
    pins = pinned_keys(Path(estate.known_hosts_file), [(site.address, site.port)])
    for words in ("id", "inspect; id", "receipt", "cat /etc/passwd", "inspect legalservice"):
        endpoint = remote.Endpoint(site.address, site.read_user, key, pins, site.port)
        with pytest.raises(remote.RemoteError, match="allowed are"), remote.connect(endpoint) as connection:
            remote.ask(connection, words, 10_000, 60)
