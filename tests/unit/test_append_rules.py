"""What an appender may ask at the second site: every request is judged before it is passed on."""

import hashlib
import importlib.util
import sys

import pytest
from yunwei_host.rawrequest import PREFACE, frame, request

from yunwei.paths import content_root

FILES = content_root() / "roles/miyun_site/files"
NAME, OTHER = "a" * 64, "b" * 64


def load(name):
    spec = importlib.util.spec_from_file_location(name, FILES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


hpack = load("hpack")
append_rules = load("append_rules")


class TestHeaders:
    def test_reads_the_examples_of_the_standard(self):
        # RFC 7541, C.4: three requests on one connection, Huffman-coded, each leaning on the ones before.
        decoder = hpack.Decoder()
        first = decoder.decode(bytes.fromhex("828684418cf1e3c2e5f23a6ba0ab90f4ff"))
        assert first == [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")]
        second = decoder.decode(bytes.fromhex("828684be5886a8eb10649cbf"))
        assert second == [*first, ("cache-control", "no-cache")]
        third = decoder.decode(bytes.fromhex("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"))
        assert third[-2:] == [(":authority", "www.example.com"), ("custom-key", "custom-value")]

    def test_forgets_what_no_longer_fits_the_table(self):
        decoder = hpack.Decoder()
        decoder.decode(b"\x40\x01a\x01b")
        assert decoder.decode(b"\xbe") == [("a", "b")]
        decoder.decode(b"\x20")  # a table of no bytes
        with pytest.raises(hpack.HeaderError, match="entry 62 of 61"):
            decoder.decode(b"\xbe")

    @pytest.mark.parametrize("data", ["80", "ff", "3fe21f", "0402", "048a" + "ff" * 10, "7fffffffffff7f", "0481fe"])
    def test_refuses_what_is_no_header(self, data):
        with pytest.raises(hpack.HeaderError):
            hpack.Decoder().decode(bytes.fromhex(data))


@pytest.fixture
def ask(tmp_path):
    """Return a function that sends requests on one connection, and returns what was passed on."""
    for kind in ("data", "index", "keys", "snapshots", "locks"):
        (tmp_path / kind).mkdir()
    taken = []
    judged = append_rules.Filter(append_rules.Rules(str(tmp_path)).judge, taken.append)
    judged.feed(PREFACE)

    def send(*frames, by=None):
        data = b"".join(bytes(one) for one in frames)
        size = by or len(data)
        passed = b"".join(judged.feed(data[at : at + size]) for at in range(0, len(data), size))
        assert passed == data
        return judged

    send.taken, send.folder = taken, tmp_path
    return send


@pytest.mark.parametrize("kind", ["data", "index", "snapshots", "locks", "keys"])
def test_what_is_new_is_taken_and_its_bytes_are_counted_before_they_pass(ask, kind):
    ask(request("POST", f"/{kind}/{NAME}", b"x" * 40_000), by=777)
    assert sum(ask.taken) == 40_000


def test_reading_listing_and_making_are_passed_on(ask):
    ask(
        request("POST", "/?create=true", b""), request("GET", "/config", stream=3), request("HEAD", "/config", stream=5)
    )
    ask(request("GET", f"/data/{NAME}", stream=7), request("GET", "/locks/", stream=9))
    ask(request("GET", "/file-5577006791947779410", stream=11))


def test_a_lock_of_this_connection_may_be_removed_and_no_other(ask):
    ask(request("POST", f"/locks/{NAME}", b"lock"), request("DELETE", f"/locks/{NAME}", stream=3))
    with pytest.raises(append_rules.RefusedError, match="a lock that this connection did not make"):
        ask(request("DELETE", f"/locks/{OTHER}", stream=5))


@pytest.mark.parametrize(
    ("stored", "reason"),
    [(None, "the disk: .* could not be stored"), (b"", "could not be stored"), (b"content", "is not removed")],
)
def test_what_could_not_be_stored_is_told_as_that_when_its_sender_takes_it_back(ask, stored, reason):
    name = hashlib.sha256(b"content").hexdigest()
    ask(request("POST", f"/index/{name}", b"content"))
    if stored is not None:
        (ask.folder / "index" / name).write_bytes(stored)
    with pytest.raises(append_rules.RefusedError, match=reason):
        ask(request("DELETE", f"/index/{name}", stream=3))


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [
        ("DELETE", f"/snapshots/{OTHER}", "is not removed"),
        ("DELETE", f"/data/{OTHER}", "is not removed"),
        ("DELETE", f"/keys/{OTHER}", "is not removed"),
        ("DELETE", "/config", "is not removed"),
        ("DELETE", "/", "is not removed"),
        ("POST", f"/snapshots/{OTHER}", "is there and is not written again"),
        ("POST", f"/data/{OTHER}", "is there and is not written again"),
        ("POST", "/config", "is there and is not written again"),
        ("POST", f"/keys/{NAME}", "only this site's administrator adds a repository key"),
        ("POST", f"/data/../keys/{NAME}", "no request of an appender"),
        ("POST", f"/data/ab/{NAME}", "no request of an appender"),
        ("POST", f"/data/{NAME}x", "no request of an appender"),
        ("PUT", f"/data/{NAME}", "no request of an appender"),
        ("GET", "/../../etc/passwd", "no request of an appender"),
        ("MOVE", f"/keys/{OTHER}", "no request of an appender"),
    ],
)
def test_nothing_is_changed_or_reached_beyond(ask, method, path, reason):
    for place in (f"snapshots/{OTHER}", f"keys/{OTHER}", f"data/bb/{OTHER}", "config"):
        (ask.folder / place).parent.mkdir(exist_ok=True)
        (ask.folder / place).write_bytes(b"there")
    with pytest.raises(append_rules.RefusedError, match=reason):
        ask(request(method, path, b"x" if method in ("POST", "PUT") else None))


@pytest.mark.parametrize(
    "frames",
    [
        frame(0, 0, 1, b"content of nothing"),
        frame(9, 4, 1, b"\x82"),
        frame(5, 4, 1, b"\x00\x00\x00\x02\x82"),
        frame(1, 0, 1, b"\x82") + frame(0, 0, 1, b"x"),
        frame(1, 0, 1, b"\x82") + frame(9, 4, 3, b"\x84"),
        frame(1, 5, 1, b"\x82\x83\x84"),
        frame(1, 5, 1, b"\x82"),
        frame(1, 12, 1, b"\xff\x82\x84"),
        frame(1, 5, 1, b"\xff"),
    ],
)
def test_what_is_no_whole_request_ends_the_connection(ask, frames):
    with pytest.raises(append_rules.RefusedError):
        ask(frames)


def test_headers_may_come_padded_with_priority_and_in_pieces(ask):
    whole = bytes(request("GET", "/config"))[9:]
    padded = b"\x02" + b"\x00\x00\x00\x00\x10" + whole[:4] + b"\x00\x00"
    ask(frame(1, 1 | 8 | 32, 1, padded), frame(9, 4, 1, whole[4:]))
    with pytest.raises(append_rules.RefusedError, match="is not removed"):
        ask(frame(1, 1, 3, bytes(request("DELETE", "/"))[9:13]), frame(9, 4, 3, bytes(request("DELETE", "/"))[13:]))


def test_another_protocol_is_refused_at_its_first_bytes(ask):
    other = append_rules.Filter(lambda method, path: None, lambda count: None)
    with pytest.raises(append_rules.RefusedError, match="not the repository protocol"):
        other.feed(b"GET / HTTP/1.1")


def test_what_was_half_written_is_named_when_the_connection_ends(ask):
    judged = ask(request("POST", f"/data/{NAME}", b"whole"))
    assert judged.unfinished() == []
    half = bytes(request("POST", f"/data/{OTHER}", b"half", stream=3))[: -len(frame(0, 1, 3))]
    assert ask(half).unfinished() == [f"/data/{OTHER}"]
