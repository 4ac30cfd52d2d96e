"""Where a report's bytes come from: a file, what is packed in it, members of an archive. Every amount has a limit."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import io
import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from yunwei.errors import UsageError
from yunwei.scan.errors import ReportRefusedError

GIB = 1 << 30
MIB = 1 << 20
HEAD_BYTES = 65536


@dataclass(frozen=True)
class Limits:
    """The most that is read: bytes of a file, bytes unpacked, times that packing may shrink, members, depth."""

    file_bytes: int = 8 * GIB
    unpacked_bytes: int = 8 * GIB
    ratio: int = 200
    free_of_ratio_bytes: int = 32 * MIB
    members: int = 20_000
    office_bytes: int = 256 * MIB


LIMITS = Limits()
# What Python's unpackers raise for damage, each in its own way.
_PACKING_FAULTS = (
    OSError, EOFError, ValueError, RuntimeError, NotImplementedError, struct.error, zlib.error, lzma.LZMAError,
    zipfile.BadZipFile,
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """Bytes that can be read from the start as often as needed; `name` is shown and never opened."""

    name: str
    open: Callable[[], AbstractContextManager[IO[bytes]]]
    limits: Limits = LIMITS

    def head(self, size: int = HEAD_BYTES) -> bytes:
        """Return the first bytes."""
        with self.open() as stream:
            return stream.read(size)


class _Counted(io.RawIOBase):
    """A stream that ends with an error where it grows beyond what is allowed, or its packing is damaged."""

    def __init__(self, inner: IO[bytes], name: str, packed_bytes: int, limits: Limits) -> None:
        self._inner, self._name, self._limits = inner, name, limits
        self._packed_bytes = max(packed_bytes, 1)
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        try:
            piece = self._inner.read(len(view))
        except _PACKING_FAULTS as error:
            raise ReportRefusedError(f"its packing is damaged: {error}", f"{self._name}, byte {self._read}") from error
        self._read += len(piece)
        self._demand_sane()
        view[: len(piece)] = piece
        return len(piece)

    def _demand_sane(self) -> None:
        if self._read > self._limits.unpacked_bytes:
            raise ReportRefusedError(f"it unpacks to more than {self._limits.unpacked_bytes} bytes", self._name)
        if self._read > self._limits.free_of_ratio_bytes and self._read > self._limits.ratio * self._packed_bytes:
            raise ReportRefusedError(
                f"it unpacks to more than {self._limits.ratio} times its size, as a bomb does", self._name
            )


@dataclass(frozen=True)
class ReportFile:
    """An open report file with the digest of its bytes."""

    source: Source
    sha256: str


@contextlib.contextmanager
def open_report(path: Path, limits: Limits = LIMITS) -> Iterator[ReportFile]:
    """Open a file once for all readings, so that nothing can be put in its place meanwhile.

    Raises UsageError where there is none, ReportRefusedError where it is empty or too large.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}. Name the report's own file.") from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"{path} is no file. Name the report's own file.")
        if found.st_size > limits.file_bytes:
            raise ReportRefusedError(f"{found.st_size} bytes; at most {limits.file_bytes} are read", path.name)
        if not found.st_size:
            raise ReportRefusedError("the file is empty; export the report once more", path.name)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        yield ReportFile(_unpacked(Source(path.name, _again(file), limits), found.st_size), sha256)


def _again(file: IO[bytes]) -> Callable[[], AbstractContextManager[IO[bytes]]]:
    @contextlib.contextmanager
    def opened() -> Iterator[IO[bytes]]:
        file.seek(0)
        yield file

    return opened


def _unpacked(source: Source, packed_bytes: int) -> Source:
    """Return what a gzip or bzip2 file holds, or the source itself."""
    head = source.head(4)
    if head[:2] == b"\x1f\x8b":
        return Source(source.name, _through(source, _gzip, packed_bytes), source.limits)
    if head[:3] == b"BZh":
        return Source(source.name, _through(source, _bzip2, packed_bytes), source.limits)
    return source


def _gzip(packed: IO[bytes]) -> IO[bytes]:
    return cast(IO[bytes], gzip.GzipFile(fileobj=packed))


def _bzip2(packed: IO[bytes]) -> IO[bytes]:
    return cast(IO[bytes], bz2.BZ2File(packed))


def _through(
    source: Source, unpacker: Callable[[IO[bytes]], IO[bytes]], packed_bytes: int
) -> Callable[[], AbstractContextManager[IO[bytes]]]:
    @contextlib.contextmanager
    def opened() -> Iterator[IO[bytes]]:
        with source.open() as packed, unpacker(packed) as inner:
            yield _buffered(inner, source.name, packed_bytes, source.limits)

    return opened


def _buffered(inner: IO[bytes], name: str, packed_bytes: int, limits: Limits) -> IO[bytes]:
    return io.BufferedReader(_Counted(inner, name, packed_bytes, limits), 1 << 16)


def members(source: Source) -> list[Source]:
    """Return the files of a zip archive, none of them unpacked to disk.

    Raises ReportRefusedError for damage, names that lead out of the archive, links, and more than the limits allow.
    """
    limits = source.limits
    with source.open() as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                entries = archive.infolist()
        except _PACKING_FAULTS as error:
            raise ReportRefusedError(f"the archive is damaged: {error}", source.name) from error
    if len(entries) > limits.members:
        raise ReportRefusedError(f"{len(entries)} members; at most {limits.members} are read", source.name)
    names = [_shown_name(entry) for entry in entries]
    for entry, name in zip(entries, names, strict=True):
        _demand_harmless(entry, name, source)
    if sum(entry.file_size for entry in entries) > limits.unpacked_bytes:
        raise ReportRefusedError(f"it unpacks to more than {limits.unpacked_bytes} bytes", source.name)
    if len(set(names)) != len(names):
        raise ReportRefusedError("two members have one name", source.name)
    return [
        Source(f"{source.name}!{name}", _member(source, entry.filename, entry.compress_size), limits)
        for entry, name in zip(entries, names, strict=True)
        if not entry.is_dir()
    ]


def _shown_name(entry: zipfile.ZipInfo) -> str:
    """Return a member's name; without the flag for UTF-8 Chinese archivers write GBK, which zipfile reads as CP437."""
    if entry.flag_bits & 0x800:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("gb18030")
    except UnicodeError:
        return entry.filename


def _demand_harmless(entry: zipfile.ZipInfo, name: str, source: Source) -> None:
    limits = source.limits
    # ZipInfo cuts a name at a NUL byte; what stood behind it is in orig_filename.
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if name.startswith(("/", "\\")) or ".." in parts or ":" in name[:2] or "\0" in entry.orig_filename:
        raise ReportRefusedError(f"the member {name!r} leads out of the archive", source.name)
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise ReportRefusedError(f"the member {name!r} is a link", source.name)
    if entry.flag_bits & 0x1:
        raise ReportRefusedError(f"the member {name!r} is encrypted; export the report without a password", source.name)
    if entry.file_size > limits.free_of_ratio_bytes and entry.file_size > limits.ratio * max(entry.compress_size, 1):
        raise ReportRefusedError(
            f"the member {name!r} unpacks to more than {limits.ratio} times its size, as a bomb does", source.name
        )


def _member(source: Source, name: str, packed_bytes: int) -> Callable[[], AbstractContextManager[IO[bytes]]]:
    @contextlib.contextmanager
    def opened() -> Iterator[IO[bytes]]:
        with source.open() as stream, contextlib.ExitStack() as closing:
            try:
                archive = closing.enter_context(zipfile.ZipFile(stream))
                inner = closing.enter_context(archive.open(name))
            except _PACKING_FAULTS as error:
                raise ReportRefusedError(f"the member {name!r} is damaged: {error}", source.name) from error
            yield _buffered(inner, f"{source.name}!{name}", packed_bytes, source.limits)

    return opened
