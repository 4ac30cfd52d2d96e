import re
from html.parser import HTMLParser

import pytest

from tests.drill_samples import SAMPLES, changed, sample
from yunwei.report.render import render_drill, render_summary_text, write_report
from yunwei.report.schema import ReportError

VOID = {"meta", "br", "img", "link"}


class Page(HTMLParser):
    """Collects elements, attributes and text, and holds that tags are closed in order."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.words, self.open = [], [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("name", SAMPLES)
def test_is_one_well_formed_page_without_outside_parts(name, lang):
    page = Page(render_drill(sample(name), lang))
    assert not {"script", "img", "link", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert not {key for key, _ in page.attributes} & {"src", "href", "srcset", "data", "action"}
    assert not [key for key, _ in page.attributes if key.startswith("on")]
    assert "url(" not in re.sub(r"url\(#hatch\)", "", render_drill(sample(name), lang))
    assert ("lang", {"zh": "zh-CN", "en": "en"}[lang]) in page.attributes


@pytest.mark.parametrize(
    ("name", "zh", "en"),
    [
        ("drill_passed", "通过", "Passed"),
        ("drill_failed", "未通过", "Failed"),
        ("drill_could_not_judge", "无法判定", "Could not judge"),
    ],
)
def test_the_verdict_comes_before_every_other_figure(name, zh, en):
    for lang, word in (("zh", zh), ("en", en)):
        text = Page(render_drill(sample(name), lang)).text
        begin = text.index(word)
        assert begin < text.index({"zh": "演练主机", "en": "Drill host"}[lang])
        assert render_summary_text(sample(name), lang).startswith(word)


@pytest.mark.parametrize(("lang", "entry"), [("zh", "第 128 条"), ("en", "entry 128")])
def test_the_ledger_s_head_is_printed_with_its_count_and_hash(lang, entry):
    text = Page(render_drill(sample(), lang)).text
    assert f"{entry} {sample()['ledger_head']['hash']}" in text


def test_chinese_is_the_default():
    assert render_drill(sample()) == render_drill(sample(), "zh")


def test_the_same_document_gives_the_same_page():
    assert render_drill(sample()) == render_drill(sample())


def test_an_hour_met_at_lab_size_is_not_shown_as_the_contract_met():
    text = Page(render_drill(sample(), "en")).text
    assert "Within the target at the drilled size only" in text
    assert "Times hold for the drilled size (418 MB) only" in text
    assert "not enough sizes measured" in text
    assert "Target met at production size" not in text


def test_an_unknown_production_size_carries_no_claim():
    text = Page(render_drill(changed(["production_bytes"], None), "en")).text
    assert "Production size is not recorded" in text
    assert "Target met" not in text


def test_the_hour_is_met_only_at_production_size():
    text = Page(render_drill(sample("drill_production_size"), "en")).text
    assert "Target met at production size." in text
    assert "about 45 min, from 4 measured sizes (300 MB, 700 MB, 1.5 GB, 40.1 GB)." in text


def test_two_sizes_give_no_forecast():
    forecast = {"sizes": [3, 7, 7], "production_seconds": 10, "breaks_at_bytes": None}
    assert "not enough sizes measured" in render_drill(changed(["forecast"], forecast), "en")


def test_a_time_within_the_target_does_not_count_when_the_drill_failed():
    text = Page(render_drill(changed(["total_seconds"], 50, "drill_failed"), "en")).text
    assert "this does not count as met" in text


def test_differences_name_their_objects_with_file_names_decoded():
    text = Page(render_drill(sample("drill_failed"))).text
    assert "case.mediation_record" in text
    assert 'public."Upper Case"' in text
    assert "/srv/mediation/附件/调解书 0042.pdf" in text
    assert text.count("缺失") >= 2


def test_long_lists_are_cut_and_the_rest_is_counted():
    text = Page(render_drill(sample("drill_hostile"), "en")).text
    assert "31 more are not listed here" in text
    assert "21 more in drill.json" in text


def test_an_unreached_drill_asks_for_no_destruction():
    assert "there was nothing to destroy" in render_drill(sample("drill_could_not_judge"), "en")
    document = changed(["phases", 0, "name"], "fetch", "drill_could_not_judge")
    assert "act at once" in render_drill(document, "en")


def test_hostile_text_stays_text():
    page = render_drill(sample("drill_hostile"), "en")
    for forbidden in ("<script", "<img", "<svg onload", "\u202e", "\u2066", "\x1b", "\x00", "\x07"):
        assert forbidden not in page
    style = page[page.index("<style>") : page.index("</style>")]
    assert "display: none" not in style
    assert "{{ 7*7 }}" in Page(page).text


def test_hostile_text_stays_text_on_the_terminal():
    for lang in ("zh", "en"):
        shown = render_summary_text(sample("drill_hostile"), lang)
        assert not set(shown.replace("\n", "")) & {"\x1b", "\u202e", "\u2066", "\x07", "\u200b"}


def test_writes_the_page_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "drill.html"
    write_report(sample(), path, "en")
    assert path.read_text(encoding="utf-8") == render_drill(sample(), "en")
    with pytest.raises(ReportError):
        write_report({}, path)
    assert path.read_text(encoding="utf-8") == render_drill(sample(), "en")
    assert list(path.parent.iterdir()) == [path]


def test_reasons_name_the_object_and_the_next_step():
    text = Page(render_drill(sample("drill_could_not_judge"), "en")).text
    assert "miyun1 (198.51.100.139:22): did not answer within 30 s" in text
    assert "Next: check the line to the second site" in text
    assert "    Next: check the line" in render_summary_text(sample("drill_could_not_judge"), "en")


def test_counts_every_difference_where_only_the_first_are_listed():
    page = Page(render_drill(changed(["files", "different"], 250, "drill_failed"), "en")).text
    assert (
        "Files (content, owner, mode): 250 not equal: /srv/mediation/附件/调解书 0042.pdf, /srv/mediation/bin/app.py, …"
        in page
    )
    assert "248 more are not listed here" in page


def test_reasons_that_share_a_next_step_tell_it_once_and_long_lists_are_cut():
    def reason(number):
        return {"object": f"/srv/%E4%B8%AD/{number}", "cause": "differs", "next": "look", "verdict": "failed"}

    document = changed(["reasons"], [reason(number) for number in range(15)], "drill_failed")
    page = Page(render_drill(document, "en")).text
    assert "/srv/中/11: differs" in page
    assert "/srv/中/12: differs" not in page
    assert "3 more in drill.json" in page
    assert page.count("Next: look") == 1
    assert render_summary_text(document, "en").count("Next: look") == 1


def test_a_difference_is_named_in_the_verdict_and_not_told_twice():
    told = {"object": "case.mediation_record", "cause": "tables differ: a, b", "next": "x", "verdict": "failed"}
    page = Page(render_drill(changed(["reasons"], [told], "drill_failed"), "en")).text
    assert "Tables (rows, content): 2 not equal: case.mediation_record" in page
    assert "tables differ" not in page
