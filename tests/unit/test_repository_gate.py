"""The forced command at the second site: a caller's words choose between few commands, and the key's mode rules."""

import importlib.util
import json
import os

import pytest

from tests.mounts import mount_disk, own_mounts, unmount
from yunwei.paths import content_root

_SPEC = importlib.util.spec_from_file_location(
    "repository_gate", content_root() / "roles/miyun_site/files/repository_gate.py"
)
gate = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(gate)
HASH = "ab" * 32
SIGN = ["/usr/bin/sudo", "-n", "-u", "miyun-sign"]


@pytest.fixture
def answer(tmp_path, monkeypatch, capsys):
    """Return what the gate becomes for a mode and words, or what it says when it refuses."""
    monkeypatch.setattr(gate, "HEADS", str(tmp_path / "heads"))
    monkeypatch.setattr(os, "umask", lambda mode: 0)
    monkeypatch.setattr(os, "chdir", lambda folder: None)

    class BecameError(Exception):
        pass

    def become(_program, command, _environment):
        raise BecameError(command)

    monkeypatch.setattr(os, "execve", become)

    def ask(mode, words):
        monkeypatch.setenv("SSH_ORIGINAL_COMMAND", words)
        try:
            gate.main([mode, "mediation", str(tmp_path)])
        except BecameError as became:
            return became.args[0]
        except SystemExit:
            return capsys.readouterr().err
        return None

    return ask


def test_an_appender_has_a_receipt_and_a_head_signed(answer):
    assert answer("append", "receipt") == [*SIGN, "/usr/libexec/yunwei/miyun_receipt.py", "mediation"]
    signed = [*SIGN, "/usr/libexec/yunwei/miyun_head.py", "mediation", "12", HASH]
    assert answer("append", f"head 12 {HASH}") == signed


def test_an_appender_has_its_copies_signed(answer):
    claim = f"database:mediation 2026-12-01T00:00:00Z {HASH},{HASH}"
    signed = [*SIGN, "/usr/libexec/yunwei/miyun_copies.py", "mediation"]
    assert answer("append", f"copies {claim} {claim}") == [*signed, *claim.split(), *claim.split()]
    assert answer("append", "copies") == signed


def test_a_reader_reads_the_heads_of_its_own_system(answer, tmp_path):
    assert answer("read", "heads") == ["/bin/true"]
    (tmp_path / "heads").mkdir()
    (tmp_path / "heads" / "mediation.jsonl").touch()
    assert answer("read", "heads") == ["/bin/cat", str(tmp_path / "heads" / "mediation.jsonl")]


def test_both_speak_the_repository_protocol_in_their_mode(answer, tmp_path):
    judged = ["/usr/libexec/yunwei/append_session.py", "mediation", str(tmp_path)]
    assert answer("append", "serve restic --stdio x") == judged
    assert answer("read", "serve restic")[:3] == ["/usr/bin/rclone", "serve", "restic"]


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("read", "receipt"),
        ("read", f"head 12 {HASH}"),
        ("append", "heads"),
        ("append", "head 12"),
        ("append", f"head 12 {HASH} legalservice"),
        ("read", "heads legalservice"),
        ("read", "copies"),
        ("append", "copies legalservice"),
        ("append", "sh -c id"),
        ("append", ""),
    ],
)
def test_everything_else_is_refused(answer, mode, words):
    assert "allowed are the repository protocol" in answer(mode, words)


class TestShare:
    @pytest.fixture
    def on_share(self, tmp_path, monkeypatch):
        (tmp_path / "share.json").write_text(json.dumps({"path": str(tmp_path / "share"), "name": "box1"}))
        monkeypatch.setattr(gate, "SHARE", str(tmp_path / "share.json"))
        (tmp_path / "share").mkdir()
        with own_mounts():
            mount_disk(tmp_path / "share", 1)
            yield tmp_path / "share" / ".yunwei-share"

    @pytest.mark.parametrize("marked", [False, True])
    @pytest.mark.parametrize(
        ("mode", "words"),
        [("append", "serve restic"), ("append", "receipt"), ("read", "serve restic"), ("read", "inspect")],
    )
    def test_nothing_is_answered_while_it_is_not_mounted(self, answer, on_share, mode, words, marked):
        unmount(on_share.parent)
        if marked:
            on_share.write_text("box1\n")
        refused = answer(mode, words)
        assert refused.startswith("repository_gate: refused: share box1 is not mounted here: ")
        assert "is no mount point" in refused

    def test_another_one_is_not_taken_for_it(self, answer, on_share):
        assert "is not marked as share box1: there is no " in answer("append", "receipt")
        on_share.write_text("box10")
        assert "belongs to another share than box1" in answer("append", "receipt")

    def test_one_that_cannot_be_read_is_named(self, answer, on_share):
        on_share.mkdir()
        refused = answer("append", "receipt")
        assert refused.startswith("repository_gate: refused: share box1 cannot be read here: ")
        assert "Is a directory" in refused

    def test_all_is_as_ever_while_it_is_there(self, answer, on_share):
        on_share.write_text("box1\n")
        assert answer("append", "receipt")[-2:] == ["/usr/libexec/yunwei/miyun_receipt.py", "mediation"]
        assert gate.demand_share() == "box1"
