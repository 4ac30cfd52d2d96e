import re
from pathlib import Path
from string import Formatter

import pytest

from yunwei.errors import UsageError
from yunwei.report import words as package
from yunwei.report.words import LANGUAGES, load_words

REPORT = Path(package.__file__).parents[1]


def flat(texts, before=""):
    for key, value in texts.items():
        if isinstance(value, dict):
            yield from flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def places(text):
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name)


def test_both_languages_say_the_same_things():
    zh, en = (dict(flat(load_words(lang, "inspection").texts)) for lang in LANGUAGES)
    assert sorted(zh) == sorted(en)
    assert {key: places(text) for key, text in zh.items()} == {key: places(text) for key, text in en.items()}


def test_every_text_a_template_or_module_names_exists():
    sources = [*REPORT.glob("*.py"), *REPORT.glob("templates/*.j2")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    named = set(re.findall(r"""\b(?:w|words|units\.words)\(["']([a-z_.]+)["']""", text))
    assert len(named) > 60
    known = dict(flat(load_words("zh", "inspection").texts))
    assert sorted(named - set(known)) == []


def test_refuses_another_language_and_names_the_known():
    with pytest.raises(UsageError, match="no report in language 'fr'; allowed are zh and en"):
        load_words("fr")


def test_a_word_that_a_document_chooses_may_be_unknown():
    words = load_words("en")
    assert words.get("site.miyun", "miyun") == "Miyun (second site)"
    assert words.get("site.moon", "moon") == "moon"
    assert words.get("site.miyun.deep", "x") == "x"
