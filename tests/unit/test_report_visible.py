import pytest

from yunwei.report.visible import decode_path, plain, shown


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("人民调解 ordinary", "人民调解 ordinary"),
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("a\x1b[31m", "a⟨U+001B⟩[31m"),
        ("a\u200bb\ufeff", "a⟨U+200B⟩b⟨U+FEFF⟩"),
        ("line\nnext\u2028", "line⟨U+000A⟩next⟨U+2028⟩"),
        ("no\u00a0break", "no⟨U+00A0⟩break"),
        ("a\u0301\u0301\u0301", "a\u0301\u0301⟨U+0301⟩"),
        ("全角\u3000空格", "全角\u3000空格"),
        ("\ue000\udcff", "⟨U+E000⟩⟨\\xFF⟩"),
    ],
)
def test_writes_out_what_the_eye_cannot_see(text, told):
    assert plain(text) == told


def test_escapes_and_isolates_for_the_page():
    assert shown("<b>&") == "<bdi>&lt;b&gt;&amp;</bdi>"
    assert shown("\u202e") == '<bdi><span class="hidden">U+202E</span></bdi>'


def test_marks_outer_spaces_on_the_page():
    assert str(shown(" a ")).count("U+0020") == 2
    assert str(shown("  ")).count("U+0020") == 2
    assert "U+0020" not in shown("a b")


def test_decodes_file_names_byte_for_byte():
    assert decode_path("/srv/%E4%B8%AD%FF%25") == "/srv/中\udcff%"
    assert plain(decode_path("/srv/%FF%0A")) == "/srv/⟨\\xFF⟩⟨U+000A⟩"
