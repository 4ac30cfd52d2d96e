"""The ledger in a real PostgreSQL server, where one and the driver are installed."""

from __future__ import annotations

import multiprocessing
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from yunwei.errors import LedgerError
from yunwei.ledger import Ledger

HAS_DRIVER = subprocess.run([sys.executable, "-c", "import psycopg"], capture_output=True, check=False).returncode == 0
needs_driver = pytest.mark.skipif(not HAS_DRIVER, reason="the optional driver psycopg is not installed")


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def _as_somebody_else() -> list[str]:
    """Return words that give a command to an unprivileged account: PostgreSQL refuses to run as root."""
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Yield the folder of the socket of a server of our own."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed here (/usr/lib/postgresql/*/bin/initdb)")
    folder = Path(tempfile.mkdtemp(prefix="yunwei-test-pg-"))
    if os.geteuid() == 0:
        os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
    data = folder / "data"
    run = [*_as_somebody_else(), str(binaries / "pg_ctl"), "-D", str(data), "-s", "-w"]
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    try:
        subprocess.run([*run, "initdb", "-o", "-A trust -U ledger -N"], check=True, cwd=folder, capture_output=True)
        subprocess.run([*run, "-l", str(folder / "log"), "-o", options, "start"], check=True, cwd=folder)
        yield str(folder)
    finally:
        subprocess.run([*run, "-m", "immediate", "stop"], check=False, cwd=folder, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def url(server: str) -> str:
    return f"postgresql:///postgres?host={server}&user=ledger"


def _write_many(url: str, number: int) -> None:
    book = Ledger.open(url)
    for count in range(25):
        book.append("note", {"count": count, "text": "卷宗 %s ?"}, None, f"{number}-{count}")


@needs_driver
def test_many_writers_keep_one_chain_and_changes_are_named(url: str):
    import psycopg

    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(url, number)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0] * 4
    book = Ledger.open(url)
    assert (book.verify().ok, book.verify().count, len(book.list())) == (True, 100, 100)
    assert book.show("3-24")["text"] == "卷宗 %s ?"
    with pytest.raises(LedgerError, match="used once"):
        book.append("note", {}, None, "3-24")
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM ledger_entry WHERE seq = 40")
    assert book.verify().first_bad == 40


@needs_driver
def test_a_server_that_does_not_answer_is_named_without_its_password():
    with pytest.raises(LedgerError, match=r"postgresql://…@127\.0\.0\.1:1/x cannot be used") as caught:
        Ledger.open("postgresql://ledger:hidden@127.0.0.1:1/x")
    assert "hidden" not in str(caught.value)


@pytest.mark.skipif(HAS_DRIVER, reason="the optional driver psycopg is installed")
def test_without_the_driver_the_error_says_what_to_install():
    with pytest.raises(LedgerError, match="needs the Python package psycopg"):
        Ledger.open("postgresql:///ledger")
