"""What a source answers is believed only when every byte of it holds together."""

from __future__ import annotations

import hashlib
import json
import os
import random
import struct
import threading
import zlib

import pytest
from yunwei_host import frames
from yunwei_host.frames import FrameRefusedError, Limits, SourceFailedError

LINES = b'{"t":"database"}\n{"t":"table"}\n'
SEEDED = random.Random(7)  # noqa: S311 a fixed series, so that a red run can be repeated
DATA = hashlib.shake_128(b"data").digest(300_000)


def frame(kind: str, payload: bytes = b"") -> bytes:
    return struct.pack(">cL", kind.encode(), len(payload)) + payload


def manifest(lines: bytes = LINES) -> bytes:
    return frame("M", zlib.compress(lines))


def trailer(data: bytes = DATA, lines: bytes = LINES, **changes) -> bytes:
    said = {
        "exit": 0,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "manifest_bytes": len(lines),
        "manifest_sha256": hashlib.sha256(lines).hexdigest(),
    }
    return frame("T", json.dumps(dict(said, **changes)).encode())


HEAD = frames.MAGIC + frame("H", b'{"verb": "dump"}')
GOOD = HEAD + manifest() + frame("D", DATA[:200_000]) + frame("K") + frame("D", DATA[200_000:]) + trailer()


def read(answer: bytes, limits: Limits | None = None) -> list:
    """Read `answer` through a real pipe and return every event."""
    reading, writing = os.pipe()

    def feed():
        try:
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(answer)
        except BrokenPipeError:
            pass

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        return list(frames.read_frames(reading, limits))
    finally:
        os.close(reading)
        feeder.join()


def test_a_good_answer_is_yielded_in_order():
    events = read(GOOD)
    assert [kind for kind, _ in events] == ["H", "M", "D", "D", "T"]
    assert events[0][1] == {"verb": "dump"}
    assert b"".join(payload for kind, payload in events if kind == "D") == DATA
    assert frames.parse_lines(events[1][1]) == [{"t": "database"}, {"t": "table"}]


def test_every_cut_is_refused():
    anywhere = SEEDED.sample(range(len(GOOD)), 60)
    for end in [*range(200), *anywhere, *range(len(GOOD) - 200, len(GOOD))]:
        with pytest.raises(FrameRefusedError):
            read(GOOD[:end])


def test_every_flipped_bit_is_refused_or_harmless():
    """A flip inside H changes no accepted byte (it describes); any other flip must be refused."""
    start = len(HEAD)
    for _ in range(150):
        position = SEEDED.randrange(start, len(GOOD))
        damaged = bytearray(GOOD)
        damaged[position] ^= 1 << SEEDED.randrange(8)
        try:
            events = read(bytes(damaged))
        except (FrameRefusedError, SourceFailedError):
            continue
        assert b"".join(payload for kind, payload in events if kind == "D") == DATA
        assert b"".join(payload for kind, payload in events if kind == "M") == LINES


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "ends inside the protocol line"),
        (b"Last login: Monday\n" + GOOD, "does not begin with the protocol line"),
        (frames.MAGIC + frame("D", b"x"), "out of order"),
        (HEAD + HEAD[16:], "out of order"),
        (HEAD + frame("X", b"x"), "unknown frame type"),
        (HEAD + frame("\x1b", b"x"), "unknown frame type"),
        (HEAD + frame("D"), "0 bytes is not allowed"),
        (HEAD + frame("K", b"x"), "not allowed"),
        (HEAD + struct.pack(">cL", b"D", (1 << 20) + 1), "not allowed"),
        (HEAD + struct.pack(">cL", b"D", (1 << 32) - 1), "not allowed"),
        (HEAD + struct.pack(">cL", b"T", 1 << 20), "not allowed"),
        (HEAD + frame("M", b"no zlib"), "not a zlib stream"),
        (HEAD + frame("M", zlib.compress(LINES)[:-1]), "not a zlib stream|cut short"),
        (HEAD + frame("M", zlib.compress(LINES) + b"x"), "followed by other bytes"),
        (HEAD + manifest(b'{"t":"half"'), "cut short"),
        (HEAD + manifest(b"\n" * (9 << 20)), "too large"),
        (frames.MAGIC + frame("H", b"[]"), "not a JSON object"),
        (frames.MAGIC + frame("H", b"[" * 60_000), "not ASCII JSON"),
        (frames.MAGIC + frame("H", b'{"a": NaN}'), "not ASCII JSON"),
        (frames.MAGIC + frame("H", b'{"a": ' + b"9" * 60_000 + b"}"), "not ASCII JSON"),
        (frames.MAGIC + frame("H", '{"a": "é"}'.encode()), "not ASCII JSON"),
        (frames.MAGIC + frame("H", b'{"a": "\\ud800"}'), "half of a character"),
        (HEAD + trailer(), "trailer says bytes"),
        (HEAD + trailer(b"", b"", exit=1), "trailer says exit 1"),
        (HEAD + trailer(b"", b"", exit=False), "trailer says exit"),
        (HEAD + frame("T", b"{}"), "trailer says"),
        (GOOD + b"x", "bytes follow the trailer"),
        (GOOD[: -len(trailer())] + trailer(DATA[:-1] + b"?"), "trailer says sha256"),
        (GOOD[: -len(trailer())] + trailer(lines=LINES + b"\n"), "trailer says manifest_bytes"),
    ],
)
def test_refuses(answer, reason):
    with pytest.raises(FrameRefusedError, match=reason):
        read(answer)


def test_whole_characters_outside_the_basic_plane_are_accepted():
    assert frames.parse_object(b'{"a": "\\ud840\\udc00"}', "x") == {"a": "\U00020000"}


def test_an_endless_answer_is_refused_at_the_limit():
    endless = HEAD + frame("D", b"x" * 1000) * 2000
    with pytest.raises(FrameRefusedError, match="more than the allowed 10000 bytes of frame D"):
        read(endless, Limits(payload_bytes=10_000))
    with pytest.raises(FrameRefusedError, match="more than the allowed"):
        read(HEAD + manifest() * 2000, Limits(manifest_bytes=10_000))


def silent(answer: bytes, limits: Limits) -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, answer)
        list(frames.read_frames(reading, limits))
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("answer", [b"", HEAD, HEAD + frame("K"), HEAD + b"D\0\0", HEAD + trailer(b"", b"")])
def test_silence_is_refused_also_after_the_trailer(answer):
    with pytest.raises(FrameRefusedError, match="silent"):
        silent(answer, Limits(idle_seconds=0.1))


def test_a_dripping_source_is_refused_after_the_whole_time():
    with pytest.raises(FrameRefusedError, match="not done after"):
        read(HEAD + frame("K") * 1_000_000, Limits(total_seconds=0.05))


def test_the_sources_own_failure_is_told_without_its_escapes():
    said = {
        "where": "table \x1b[2J\x1b]0;owned\x07public.a",
        "reason": "line\nbreak \u202e\x9b31mred",
        "next": "x" * 9999,
    }
    with pytest.raises(SourceFailedError) as caught:
        read(HEAD + frame("E", json.dumps(said).encode()))
    assert caught.value.where == "table public.a"
    assert caught.value.reason == "line break  red"
    assert len(caught.value.next_step) == 2000


def test_a_failure_may_come_before_the_head():
    with pytest.raises(SourceFailedError, match="not said"):
        read(frames.MAGIC + frame("E", b"{}"))


def test_a_garbled_failure_is_refused():
    with pytest.raises(FrameRefusedError, match="frame E is not ASCII JSON"):
        read(frames.MAGIC + frame("E", b"\x1b[2J"))


@pytest.mark.parametrize("chunk", [b"[]\n", b"{}\n", b'{"t":1}\n', b"\n", b'{"t":"a"}\n\n'])
def test_manifest_lines_are_objects_with_a_kind(chunk):
    with pytest.raises(FrameRefusedError):
        frames.parse_lines(chunk)
