"""The ledger: chained, signed, kept whole by many writers, and every change to it is named."""

import base64
import json
import multiprocessing
import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.openbao import RealVault
from yunwei.errors import LedgerError, VaultSealedError
from yunwei.ledger import Ledger, find_run, load_public_keys, record_verification, to_pem, verify_export
from yunwei.ledger.chain import digest
from yunwei.ledger.process import describe_self, is_alive


class KeySigner:
    """Signs as Vault's transit engine does, with a key of its own."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.away = False

    def sign(self, data: bytes) -> str:
        if self.away:
            raise VaultSealedError("away")
        return "vault:v1:" + base64.b64encode(self._key.sign(data)).decode()

    def public_key(self, version: int | None = None) -> bytes:
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def _run(run_id: str, **more: object) -> dict[str, object]:
    return {"run_id": run_id, "job": "back-up", "check": False, "who": "userpass:x", "process": describe_self(), **more}


def _done(**more: object) -> dict[str, object]:
    return {"status": "done", "exit_code": 0, "hosts": {}, "tasks": [], "artifacts": [], **more}


@pytest.fixture
def signer() -> KeySigner:
    return KeySigner()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path, signer: KeySigner) -> Ledger:
    """A ledger of three runs: 1 and 3, 4 and 5, 6 and 7; entry 2 is the key."""
    book = Ledger.open(path)
    for number in range(3):
        book.begin(_run(f"r-{number}"), signer)
        book.finish(f"r-{number}", _done(), signer)
    return book


def _change(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_a_ledger_that_nobody_touched_is_whole(ledger: Ledger, signer: KeySigner):
    for trusted in (None, [signer.public_key()]):
        result = ledger.verify(trusted)
        assert (result.ok, result.count, result.unsigned, result.keys_trusted) == (True, 7, 0, trusted is not None)
    assert ledger.head().count == 7
    assert ledger.head().hash == result.head


def test_an_empty_ledger_is_whole_and_has_no_records(path: Path):
    book = Ledger.open(path)
    assert book.verify().ok
    assert (book.list(), book.head().count) == ([], 0)


@pytest.mark.parametrize(
    ("statements", "first_bad", "reason"),
    [
        (["UPDATE ledger_entry SET text = replace(text, '\"done\"', '\"fine\"') WHERE seq = 5"], 5, "edited"),
        (["UPDATE ledger_entry SET hash = substr(hash, 2) || '0' WHERE seq = 4"], 4, "edited"),
        (["UPDATE ledger_entry SET id = 'r-9' WHERE seq = 4"], 4, "columns do not agree"),
        (["UPDATE ledger_entry SET time = 'then' WHERE seq = 4"], 4, "columns do not agree"),
        (["UPDATE ledger_entry SET text = 'x' WHERE seq = 4"], 4, "edited"),
        (["DELETE FROM ledger_entry WHERE seq = 4"], 4, "missing"),
        (["DELETE FROM ledger_entry WHERE seq = 1"], 1, "missing"),
        (["DELETE FROM ledger_entry WHERE seq = 7"], 7, "missing"),
        (["DELETE FROM ledger_entry WHERE seq = 7", "DELETE FROM ledger_signature WHERE seq = 7"], 7, "missing"),
        (["DELETE FROM ledger_entry", "DELETE FROM ledger_signature"], 1, "missing"),
        (
            [
                "DELETE FROM ledger_entry WHERE seq = 4",
                "UPDATE ledger_entry SET seq = seq - 1 WHERE seq > 4",
                "DELETE FROM ledger_signature WHERE seq = 7",
                "UPDATE ledger_head SET count = 6",
            ],
            4,
            "replaced, removed or reordered",
        ),
        (
            [
                "UPDATE ledger_entry SET seq = 99 WHERE seq = 4",
                "UPDATE ledger_entry SET seq = 4 WHERE seq = 5",
                "UPDATE ledger_entry SET seq = 5 WHERE seq = 99",
            ],
            4,
            "replaced, removed or reordered",
        ),
        (
            ["INSERT INTO ledger_entry SELECT 8, 'r-8', kind, time, text, hash FROM ledger_entry WHERE seq = 7"],
            8,
            "not",
        ),
        (["DELETE FROM ledger_signature WHERE seq = 4"], 4, "signature was removed"),
        (["DELETE FROM ledger_signature WHERE seq = 7"], 7, "signature was removed"),
        (["DELETE FROM ledger_signature"], 1, "signature was removed"),
        (
            ["UPDATE ledger_signature SET value = (SELECT value FROM ledger_signature WHERE seq = 5) WHERE seq = 4"],
            4,
            "signature is not good",
        ),
        (["UPDATE ledger_signature SET value = 'x' WHERE seq = 4"], 4, "signature is not good"),
        (["UPDATE ledger_signature SET fingerprint = 'x' WHERE seq = 4"], 4, "not trusted"),
        (
            [
                "UPDATE ledger_signature SET seq = 99 WHERE seq = 4",
                "UPDATE ledger_signature SET seq = 4 WHERE seq = 5",
                "UPDATE ledger_signature SET seq = 5 WHERE seq = 99",
            ],
            4,
            "signature is not good",
        ),
        (
            ["INSERT INTO ledger_signature SELECT 9, fingerprint, 1, value, time FROM ledger_signature LIMIT 1"],
            9,
            "left",
        ),
        (["UPDATE ledger_head SET count = 6"], 7, "note of it"),
        (["UPDATE ledger_head SET hash = 'x'"], 7, "note of it"),
    ],
)
def test_the_first_bad_entry_is_named(ledger: Ledger, path: Path, statements, first_bad, reason):
    _change(path, *statements)
    result = ledger.verify()
    assert (result.ok, result.first_bad) == (False, first_bad), result
    assert reason in str(result.reason)


def test_an_entry_rewritten_with_its_hash_is_named_by_its_signature(ledger: Ledger, path: Path):
    entry = ledger.entries()[4]
    text = entry.text.replace('"done"', '"fine"')
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE ledger_entry SET text = ?, hash = ? WHERE seq = 5", (text, digest(text)))
    connection.close()
    assert (ledger.verify().first_bad, ledger.verify().first_bad_id) == (5, "r-1")


def test_a_ledger_written_anew_with_another_key_fails_against_the_true_one(ledger: Ledger, tmp_path, signer):
    forged = Ledger.open(tmp_path / "forged.sqlite")
    for entry in ledger.entries():
        if entry.kind != "key":
            forged.append(entry.kind, entry.body, KeySigner(), entry.id)
    assert forged.verify().ok
    assert not forged.verify().keys_trusted
    result = forged.verify([signer.public_key()])
    assert (result.first_bad, result.ok) == (1, False)
    assert "not trusted" in str(result.reason)


def test_what_is_written_while_vault_is_away_is_signed_at_the_next_start(path: Path, signer: KeySigner):
    book = Ledger.open(path)
    signer.away = True
    assert book.begin(_run("r-1"), signer).envelope["signed"] is False
    assert "away" in str(book.signing_fault)
    book.finish("r-1", _done(status="refused", exit_code=1))
    assert (book.verify().ok, book.verify().unsigned) == (True, 2)
    assert book.list()[0]["signed"] == "no"
    signer.away = False
    book.begin(_run("r-2"), signer)
    assert (book.verify().ok, book.verify().unsigned, book.verify().signed_later) == (True, 0, 2)
    assert book.list()[0]["signed"] == "later"


def test_a_signed_entry_first_signs_what_waits_before_it(path: Path, signer: KeySigner):
    book = Ledger.open(path)
    book.begin(_run("r-1"))
    book.finish("r-1", _done(), signer)
    assert book.verify().unsigned == 0
    _change(path, "DELETE FROM ledger_signature WHERE seq = 1")
    assert (book.verify().first_bad, book.verify().first_bad_id) == (1, "r-1")


def test_a_removed_signature_is_not_replaced_at_the_next_start(ledger: Ledger, path: Path, signer: KeySigner):
    _change(path, "DELETE FROM ledger_signature WHERE seq >= 6")
    ledger.begin(_run("r-next"), signer)
    assert ledger.verify().first_bad == 6


def test_a_new_key_is_kept_beside_the_old_one(ledger: Ledger, signer: KeySigner):
    other = KeySigner()
    ledger.begin(_run("r-new"), other)
    assert ledger.verify().ok
    assert len(ledger.verify().keys) == 2
    assert ledger.verify([signer.public_key()]).first_bad == 8
    assert ledger.verify([signer.public_key(), other.public_key()]).ok


def test_names_that_are_no_unicode_and_chinese_are_recorded(path: Path, signer: KeySigner):
    book = Ledger.open(path)
    book.begin(_run("r-1", reason="卷宗 \udcff \n \x1b[31m"), signer)
    assert book.verify().ok
    assert book.show("r-1")["reason"] == "卷宗 \udcff \n \x1b[31m"


def test_a_run_begins_and_ends_once(ledger: Ledger):
    with pytest.raises(LedgerError, match="used once"):
        ledger.begin(_run("r-1"))
    with pytest.raises(LedgerError, match="used once"):
        ledger.finish("r-1", _done())


def test_a_run_is_shown_with_what_verified_it(ledger: Ledger, monkeypatch, path: Path, tmp_path: Path):
    monkeypatch.setenv("YUNWEI_LEDGER", str(path))
    assert ledger.list()[1]["verification"] == "not verified"
    identifier = record_verification("r-1", tmp_path, {"verdict": "passed", "passed": 3})
    assert ledger.list()[1]["verification"] == "passed"
    assert find_run("r-1")["verifications"][0]["passed"] == 3
    assert ledger.show(identifier)["run_id"] == "r-1"
    assert find_run("r-10") is None
    assert [row["kind"] for row in ledger.list()] == ["run", "run", "run", "verification"]


def test_a_record_is_found_by_number_and_an_unknown_one_says_where_to_look(ledger: Ledger):
    assert ledger.show("1")["id"] == "r-0"
    with pytest.raises(LedgerError, match="yunwei evidence list"):
        ledger.show("r-77")


def test_a_run_whose_process_died_is_closed_as_interrupted(path: Path, signer: KeySigner):
    book = Ledger.open(path)
    script = (
        "import sys; from yunwei.ledger import Ledger; from yunwei.ledger.process import describe_self;"
        "Ledger.open(sys.argv[1]).begin({'run_id': 'r-dead', 'job': 'back-up', 'process': describe_self()})"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)
    book.begin(_run("r-alive"))
    book.begin(_run("r-elsewhere", process={**describe_self(), "host": "another-host", "pid": 1}))
    assert book.close_interrupted(signer) == ("r-dead",)
    assert book.close_interrupted(signer) == ()
    found = {row["id"]: row["status"] for row in book.list()}
    assert found == {"r-dead": "interrupted", "r-alive": "open", "r-elsewhere": "open"}


def test_a_process_is_recognised_by_more_than_its_number():
    own = describe_self()
    assert is_alive(own) is True
    assert is_alive({**own, "start": own["start"] - 1}) is False
    assert is_alive({**own, "boot_id": "another"}) is False
    assert is_alive({**own, "host": socket.gethostname() + "x"}) is None


def test_a_dead_child_that_nobody_collected_is_dead():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert is_alive({**describe_self(), "pid": child}) is False
    os.waitpid(child, 0)


def _write_many(path: Path, number: int) -> None:
    book = Ledger.open(path)
    for count in range(50):
        book.append("note", {"count": count}, None, f"{number}-{count}")


def test_eight_writers_at_once_do_not_break_the_chain(path: Path):
    Ledger.open(path)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(path, number)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(300)
    assert [writer.exitcode for writer in writers] == [0] * 8
    result = Ledger.open(path).verify()
    assert (result.ok, result.count) == (True, 400)


def test_a_failing_write_leaves_nothing_behind(ledger: Ledger, signer: KeySigner):
    with pytest.raises(ValueError, match="not JSON compliant"):
        ledger.append("note", {"value": float("nan")}, signer)
    assert (ledger.verify().ok, ledger.head().count) == (True, 7)


def test_only_its_owner_may_read_the_file(ledger: Ledger, path: Path):
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    Ledger.open(path)
    assert {found.stat().st_mode & 0o777 for found in path.parent.iterdir()} == {0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("damage", ["folder", "link", "garbage"])
def test_a_ledger_that_cannot_be_written_says_what_to_do(tmp_path: Path, damage: str):
    path = tmp_path / "ledger.sqlite"
    if damage == "folder":
        path.mkdir()
    elif damage == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.write_bytes(b"not a database, but long enough to be looked at " * 20)
    with pytest.raises(LedgerError, match="Without it no job starts"):
        Ledger.open(path)


def test_an_unknown_kind_of_place_is_refused():
    with pytest.raises(LedgerError, match="a path or a postgresql:// URL"):
        Ledger.open("mysql://somewhere/ledger")


def test_an_export_is_verified_without_the_ledger(ledger: Ledger, tmp_path: Path, signer: KeySigner):
    out = tmp_path / "export.jsonl"
    head = ledger.export(out)
    trusted = load_public_keys(to_pem(signer.public_key()))
    result = verify_export(out, trusted)
    assert (result.ok, result.count, result.head, result.keys_trusted) == (True, 7, head.hash, True)
    assert verify_export(out).ok
    assert out.stat().st_mode & 0o777 == 0o600
    lines = out.read_text().splitlines()
    out.write_text("\n".join(lines[:4] + lines[5:]))
    assert verify_export(out, trusted).first_bad == 4
    out.write_text("\n".join(lines[:-1]))
    assert verify_export(out, trusted).first_bad == 7
    changed = json.loads(lines[5])
    changed["text"] = changed["text"].replace("done", "fine")
    out.write_text("\n".join([*lines[:5], json.dumps(changed), *lines[6:]]))
    assert verify_export(out, trusted).first_bad == 5
    out.write_text("something else")
    with pytest.raises(LedgerError, match="no export"):
        verify_export(out)


def test_public_keys_are_read_as_pem_or_base64(signer: KeySigner):
    raw = signer.public_key()
    assert load_public_keys(base64.b64encode(raw).decode()) == [raw]
    assert load_public_keys(to_pem(raw) + to_pem(raw)) == [raw, raw]
    for text in ("", "garbage!", "AAAA"):
        with pytest.raises(LedgerError, match="no ed25519 public key"):
            load_public_keys(text)


def test_vaults_own_signatures_are_verified_offline(bao: RealVault, path: Path):
    client = bao.client("back-up-mediation")
    book = Ledger.open(path)
    book.begin(_run("r-1"), client)
    bao.root.secrets.transit.rotate_key("ledger")
    book.finish("r-1", _done(), client)
    keys = [client.public_key(1), client.public_key(2)]
    assert book.verify(keys).ok
    assert len(book.verify(keys).keys) == 2
    assert book.verify(keys[:1]).first_bad == 3


def test_a_sealed_vault_leaves_the_entry_unsigned(bao: RealVault, path: Path):
    client = bao.client()
    bao.seal()
    try:
        book = Ledger.open(path)
        assert book.begin(_run("r-1"), client).envelope["signed"] is False
        assert isinstance(book.signing_fault, VaultSealedError)
    finally:
        bao.unseal()
    book.begin(_run("r-2"), bao.client())
    assert (book.verify().unsigned, book.verify().signed_later) == (0, 1)
