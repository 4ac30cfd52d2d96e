"""Two sites whose lines to source and second site are real SSH connections to servers of the test."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.forced_ssh import ForcedSsh
from tests.pull_world import FIXTURES, TwoSites
from tests.stages import Stages

PLACE = "127.0.0.1"
MIB = 1 << 20


class RealLines(TwoSites):
    """One file set, reached and copied over real lines, to servers that last as long as the test module."""

    def __init__(self, base: Path, monkeypatch: Any) -> None:
        super().__init__(base, monkeypatch)
        (base / "bin" / "ssh").unlink()
        self.only("files")
        self.sync_work["items"] = ["files:app"]
        (self.tree / "large").write_bytes(os.urandom(9 * MIB))

    def server(self, account: str, part: str) -> ForcedSsh:
        """Return an SSH server whose account `account` is the forced command `fake_<part>.py`."""
        folder = self.base / "lines" / account / ".ssh"
        folder.mkdir(parents=True)
        key = self.secrets["source-db1"]["public_key"].strip()
        (folder / "authorized_keys").write_text(f'restrict,command="GATE" {key}\n')
        return ForcedSsh(self.base / "lines", "GATE", f"{sys.executable} {FIXTURES}/fake_{part}.py {self.base}")

    def reach(self, near: ForcedSsh, far: ForcedSsh) -> None:
        """Reach source and second site over these servers."""
        self.work["known_hosts"] = [near.pin]
        for item in self.work["items"]:
            item.update(source_address=PLACE, source_port=near.port)
        self.sync_work["remote"].update(address=PLACE, port=far.port, host_keys=[far.pin])


class StagesOfLines(Stages[RealLines]):
    """The stages `new` and `backed up`; `near` serves the source, `far` the second site."""

    def __init__(self, made: RealLines) -> None:
        super().__init__(made)
        self.near, self.far = made.server("yunwei-source", "source"), made.server("miyun-append", "site")
        made.reach(self.near, self.far)
        self.keep("new")
        made.back_up()
        self.keep("backed up")


@contextmanager
def staged_lines(folder: Path) -> Iterator[StagesOfLines]:
    """Make a world of real lines, and end its servers after the block."""
    with pytest.MonkeyPatch.context() as patch:
        kept = StagesOfLines(RealLines(folder, patch))
        yield kept
    kept.near.close()
    kept.far.close()


def midway(command: str, after: int = 0) -> Callable[[str, int], bool]:
    """Return the moment at which a connection that asked for `command` has carried so many bytes."""
    return lambda words, passed: words.startswith(command) and passed > after


SYNCING = {
    "at the first word": midway("hello"),
    "at the ledger's head": midway("head"),
    "when the repository is asked": midway("serve"),
    "while packs go": midway("serve", 3 * MIB),
    "at the receipt": midway("receipt"),
    "when the copies are told": midway("copies"),
}
