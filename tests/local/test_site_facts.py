"""The gate and the program behind it, run as they are: what an inspection may learn of a site, and what it may not."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.site_tree import SiteTree
from yunwei.inspection.drift import key_digest
from yunwei.inspection.facts import Facts, read_facts
from yunwei.lab import keys

PROGRAMS = ("repository_gate.py", "site_facts.py", "miyun_receipt.py", "miyun_head.py", "miyun_copies.py")


@pytest.fixture
def site(tmp_path: Path) -> SiteTree:
    return SiteTree(tmp_path / "site", PROGRAMS)


def ask(
    site: SiteTree, words: str, mode: str = "read", system: str = "mediation"
) -> subprocess.CompletedProcess[bytes]:
    command = [*site.gate.split(), mode, system, str(site.folder / "srv" / system)]
    return subprocess.run(command, env={**os.environ, "SSH_ORIGINAL_COMMAND": words}, capture_output=True, check=False)


def facts(site: SiteTree) -> Facts:
    done = ask(site, "inspect")
    assert done.returncode == 0, done.stderr
    return read_facts(done.stdout, "mediation")


def test_a_reader_gets_the_facts_of_host_and_repository(site: SiteTree):
    site.repository("mediation")
    site.write("etc/ssh/ssh_host_ed25519_key.pub", keys.generate("host")[1])
    found = facts(site)
    assert found["unread"] == {}
    assert found["repository"] == {
        "bytes": 4000,
        "used_bytes": 4 * 4096,
        "quota_bytes": None,
        "pinned_keys": None,
        "files": 4,
        "snapshots": 1,
        "newest_snapshot": pytest.approx(os.stat(site.folder / "srv/mediation/snapshots" / ("b" * 64)).st_mtime),
        "locks": [],
        "keys": ["a" * 64],
    }
    assert [disk["holds_store"] for disk in found["disks"] or []].count(True) == 1
    assert found["began"] <= found["ended"]
    assert sorted(found["programs"] or {}) == sorted(PROGRAMS)
    assert [key["type"] for key in found["host_keys"] or []] == ["ssh-ed25519"]


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("append", "inspect"),
        ("read", "receipt"),
        ("read", "inspect --all"),
        ("read", "inspect; id"),
        ("read", "unlock"),
        ("read", ""),
    ],
)
def test_nothing_else_is_answered(site: SiteTree, mode: str, words: str):
    site.repository("mediation")
    done = ask(site, words, mode)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"allowed are the repository protocol" in done.stderr


def test_an_inspection_changes_nothing(site: SiteTree):
    site.repository("mediation")
    before = {path: path.lstat().st_mtime_ns for path in site.folder.rglob("*")}
    facts(site)
    assert {path: path.lstat().st_mtime_ns for path in site.folder.rglob("*")} == before


def test_a_site_without_a_repository_says_so(site: SiteTree):
    (site.folder / "srv/mediation").mkdir()
    found = facts(site)
    assert found["repository"] is None
    assert "repository" not in found["unread"]


def test_what_cannot_be_read_is_named_with_its_reason(site: SiteTree):
    site.repository("mediation")
    site.write("var/lib/miyun-sign/hashed/mediation.json", "{}")
    site.show_rules("mediation", {})
    site.write("etc/yunwei/site_rules/mediation.json", "{ not json")
    found = facts(site)
    assert sorted(found["unread"]) == ["receipt_key", "rules"]
    assert "receipt_key.pub" in found["unread"]["receipt_key"]


def test_keys_are_told_by_account_and_lines_that_the_gate_does_not_tie_are_counted(site: SiteTree):
    folder = site.repository("mediation")
    append, read, other = (keys.generate(name)[1] for name in ("append", "read", "other"))
    site.authorize(
        "miyun-append",
        site.line("append", "mediation", append, folder),
        site.line("append", "legalservice", other, folder.with_name("legalservice")),
        site.line("append", "legalservice", other, folder),  # another system's key to this system's folder
        site.line("read", "mediation", read, folder),  # a reader's line with the appender's account
        other.strip(),
    )
    site.authorize("miyun-read", site.line("read", "mediation", read, folder))
    assert facts(site)["accounts"] == [
        {"account": "miyun-append", "keys": [key_digest(append)], "foreign": 3},
        {"account": "miyun-read", "keys": [key_digest(read)], "foreign": 0},
    ]


def test_a_host_lock_is_told_only_while_it_is_held_and_the_look_does_not_take_it(site: SiteTree):
    site.repository("mediation")
    path = site.write("run/yunwei-locks/yunwei-mediation.lock", json.dumps({"run_id": "r-1"}))
    assert facts(site)["host_lock"] is None
    with path.open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert facts(site)["host_lock"] == pytest.approx(path.stat().st_mtime)
    assert facts(site)["host_lock"] is None


def test_locks_of_the_repository_are_told_with_their_age(site: SiteTree):
    lock = site.repository("mediation") / "locks" / ("d" * 64)
    lock.write_bytes(b"sealed")
    os.utime(lock, (1_700_000_000, 1_700_000_000))
    repository = facts(site)["repository"]
    assert repository is not None
    assert repository["locks"] == [{"name": "d" * 64, "since": 1_700_000_000.0}]
