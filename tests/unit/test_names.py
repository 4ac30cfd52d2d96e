"""Names cross between hosts as ASCII and come back byte for byte."""

from __future__ import annotations

import pytest
from yunwei_host import names

EVERY_BYTE = bytes(range(256))


@pytest.mark.parametrize("raw", [EVERY_BYTE, b"", "人民调解".encode(), b"a b\n'\"%41", b"\xff\xfe", EVERY_BYTE[::-1]])
def test_any_bytes_come_back(raw):
    text = names.encode_name(raw)
    assert text.isascii()
    assert text.isprintable()
    assert " " not in text
    assert names.decode_name(text) == raw


@pytest.mark.parametrize("text", ["%41", "%e4", "a b", "%", "%4", "%GG", "名", "a\n", "a%0A\n", "\\x41"])
def test_refuses_every_spelling_but_its_own(text):
    with pytest.raises(names.NameRefusedError):
        names.decode_name(text)


def test_absolute_path_is_decoded():
    assert names.decode_absolute_path("/srv/%E4%BA%BA/..x/a%0Ab") == b"/srv/\xe4\xba\xba/..x/a\nb"


@pytest.mark.parametrize("text", ["srv/a", "", "/", "/srv//a", "/srv/", "/srv/../etc", "/srv/.", "/srv/a%00b", "/.."])
def test_refuses_paths_that_could_leave_their_tree(text):
    with pytest.raises(names.NameRefusedError):
        names.decode_absolute_path(text)


def test_display_shows_utf8_and_makes_the_rest_visible():
    text = names.encode_name("人民 a".encode() + b"\xff\n\x1b[31m\xe2\x80\xae")
    assert names.display_name(text) == "人民 a\\xff\\n\\x1b[31m\\u202e"
