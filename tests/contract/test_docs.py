"""The pages tell the truth: their commands parse, their links lead somewhere, both languages show the same commands."""

import re
import shlex
from pathlib import Path

import pytest

from yunwei.cli.parser import build_parser
from yunwei.jobs import all_jobs
from yunwei.paths import content_root

ROOT = content_root()
PAGES = sorted([*ROOT.glob("README*.md"), *ROOT.glob("docs/*.md")])
ENGLISH = [page for page in PAGES if (page.parent / f"{page.stem}.zh.md").exists()]
JOBS_WITH_ARGUMENT = {"plan", "run", "verify"}


def commands(page: Path) -> list[list[str]]:
    """Return the argument vectors of every `yunwei` command that a page shows, in code blocks and in lines."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    shown = re.findall(r"(?m)^\s*\$ (?:\.venv/bin/)?(yunwei .*)$", text) + re.findall(r"`(yunwei [^`\n]*)`", text)
    vectors = [shlex.split(re.sub(r"[\[\]]", " ", line), comments=True) for line in shown]
    return [vector[1:] for vector in vectors if vector[1:]]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as a code forge makes them."""
    headings = re.findall(r"(?m)^#+ (.*)$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_parses(page):
    for vector in commands(page):
        if len(vector) == 1:  # a mention by name
            with pytest.raises(SystemExit, match=r"^0$"):
                build_parser().parse_args([*vector, "--help"])
            continue
        options = build_parser().parse_args(vector)
        if vector[0] in JOBS_WITH_ARGUMENT:
            assert options.job in {*all_jobs(), "JOB"}


def test_the_pages_show_commands():
    assert len([vector for page in PAGES for vector in commands(page)]) > 60


@pytest.mark.parametrize("page", ENGLISH, ids=lambda page: page.name)
def test_both_languages_show_the_same_commands(page):
    other = page.parent / f"{page.stem}.zh.md"
    plain, translated = (
        {tuple(vector) for vector in commands(one) if "--participant" not in vector} for one in (page, other)
    )
    assert plain == translated


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        place = page.parent / name if name else page
        assert place.exists(), target
        assert not anchor or anchor in anchors(place), target
