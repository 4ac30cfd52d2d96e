"""The reports that were read: a file each in the state folder, whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yunwei.errors import UsageError, YunweiError
from yunwei.paths import state_dir
from yunwei.scan.draft import Draft

Document = dict[str, Any]
_ID = re.compile(r"^s-[0-9a-f]{12}$")
_NEW = ".new"


class ScanStoreError(YunweiError):
    """The store cannot be used."""


@dataclass(frozen=True)
class Store:
    """A folder of mode 0700: findings tell how to break in."""

    folder: Path

    @classmethod
    def default(cls) -> Store:
        """Return the store of the state folder."""
        return cls(state_dir() / "scans")

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the store's lock; what killed imports left is removed, and no other import is at work then."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.chmod(self.folder, 0o700)
            lock = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ScanStoreError(f"the store of reports {self.folder} cannot be written: {error}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for left in self.folder.glob(f"*{_NEW}"):
                left.unlink()
            yield
        finally:
            os.close(lock)

    def known(self, identity: str) -> Document | None:
        """Return the document of a report that is stored and sound."""
        if not self._path(identity).is_file():
            return None
        try:
            return self.document(identity)
        except ScanStoreError:
            return None

    @contextlib.contextmanager
    def drafting(self, identity: str) -> Iterator[Draft]:
        """Yield a draft, which is removed where it is not kept by the end."""
        path = self._path(identity).with_suffix(_NEW)
        path.unlink(missing_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        draft = Draft(path)
        try:
            yield draft
        except (sqlite3.Error, OSError) as error:
            raise ScanStoreError(f"the report was not stored: {error}. Make room in {self.folder}") from error
        finally:
            draft.close()
            path.unlink(missing_ok=True)

    def keep(self, identity: str) -> None:
        """Make the finished draft a stored report."""
        path = self._path(identity)
        draft = path.with_suffix(_NEW)
        to_disk(draft)
        os.replace(draft, path)
        to_disk(self.folder)

    def documents(self) -> list[Document]:
        """Return the documents of all reports, the oldest import first."""
        found = [self.document(path.stem) for path in sorted(self.folder.glob("s-*.sqlite"))]
        return sorted(found, key=lambda one: (one["imported"], one["id"]))

    def document(self, identity: str) -> Document:
        """Return what an import said of a report."""
        with self.reading(identity) as db:
            return dict(json.loads(db.execute("SELECT document FROM report").fetchone()[0]))

    def resolve(self, word: str) -> str:
        """Return the id that a word means: an id, or the beginning of exactly one.

        Raises UsageError where there is none or more than one.
        """
        ids = [path.stem for path in sorted(self.folder.glob("s-*.sqlite"))]
        found = [one for one in ids if one == word] or [one for one in ids if len(word) > 2 and one.startswith(word)]
        if len(found) != 1:
            what = f"several reports begin with {word!r}" if found else f"there is no report {word!r}"
            raise UsageError(f"{what}; see `yunwei scan list`")
        return found[0]

    @contextlib.contextmanager
    def reading(self, identity: str) -> Iterator[sqlite3.Connection]:
        """Yield a connection to a stored report that cannot change it."""
        path = self._path(identity)
        try:
            db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        except sqlite3.Error as error:
            raise ScanStoreError(f"the stored report {path} cannot be read: {error}") from error
        try:
            yield db
        except sqlite3.DatabaseError as error:
            raise ScanStoreError(f"the stored report {path} is damaged: {error}; import it once more") from error
        finally:
            db.close()

    def _path(self, identity: str) -> Path:
        if not _ID.match(identity):
            raise UsageError(f"{identity!r} is no id of a report; see `yunwei scan list`")
        return self.folder / f"{identity}.sqlite"


def to_disk(path: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
