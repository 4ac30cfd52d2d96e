"""The inspection's page and lines: no verdict that its own checks deny, every cause told in both languages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.inspection_samples import samples
from yunwei.inspection import check
from yunwei.report.inspection import inspection_words, render_inspection, summary_text
from yunwei.report.schema import ReportError


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return samples(tmp_path_factory.mktemp("lab"))


def test_every_cause_in_the_code_has_its_words():
    code = "\n".join(path.read_text(encoding="utf-8") for path in Path(check.__file__).parent.glob("*.py"))
    told = re.findall(r'\b(?:finding|unknown)\(\s*[\w."]+,\s*"(\w+)"', code)
    good = re.findall(r'\b(?:good|unread)\(\s*[\w."]+,\s*"(\w+)"', code)
    texts = inspection_words("en").texts["inspection"]
    assert len(told) > 25
    assert len(good) > 25
    assert set(told) <= set(texts["advice"])
    assert set(good) | {cause.partition("_")[0] for cause in told} <= set(texts["what"])
    assert set(texts["advice"]) <= set(texts["said"])


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("verdict", ["passed", "findings", "could not judge"])
def test_the_page_says_the_verdict_and_escapes_what_sites_say(documents, verdict: str, lang: str):
    page = render_inspection(documents[verdict], lang)
    words = inspection_words(lang)
    key = {"could not judge": "unknown"}.get(verdict, verdict)
    assert words(f"inspection.verdict.{key}.word") in page
    assert "<script" not in page
    assert documents[verdict]["evidence_id"] in page
    assert documents[verdict]["ledger_head"]["hash"] in page


def test_the_gravest_finding_comes_first_and_has_its_advice(documents):
    page = render_inspection(documents["findings"], "en")
    assert page.index("mounted read-only") < page.index("31.5 over 15 minutes")
    assert "Replace the failed disk at once" in page
    assert "U+202E" in page


def test_the_terminal_gets_the_findings_and_what_to_do(documents):
    text = summary_text(documents["findings"], "en")
    assert text.startswith("Findings · lab")
    assert "high · Local · File system" in text
    assert "\u202e" not in text
    assert "Next: Replace the failed disk" in text


@pytest.mark.parametrize(("verdict", "claimed"), [("findings", "passed"), ("could not judge", "passed"),
                                                  ("findings", "could not judge")])  # fmt: skip
def test_a_verdict_that_its_checks_deny_is_not_shown(documents, verdict: str, claimed: str):
    with pytest.raises(ReportError, match="its checks come to"):
        render_inspection({**documents[verdict], "verdict": claimed})


@pytest.mark.parametrize("change", [{"checks": []}, {"more": 1}, {"started": "yesterday"}, {"format": 2}])
def test_a_document_of_another_shape_is_refused(documents, change: dict[str, Any]):
    with pytest.raises(ReportError, match="format 1"):
        render_inspection({**documents["passed"], **change})
