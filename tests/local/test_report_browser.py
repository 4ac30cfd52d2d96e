"""The reports looked at in a real browser: text is drawn, nothing overflows, they print on A4."""

import os
import re

import pytest

from tests.chromium import Chromium, find_chromium
from tests.drill_samples import SAMPLES, sample
from tests.inspection_samples import samples
from tests.png import dark_share
from yunwei.report.inspection import render_inspection
from yunwei.report.render import render_drill

A4_WIDTH = 673  # CSS pixels between the print margins: 210 mm less 2 x 16 mm
SCREEN = 1280

OVERFLOWING = """(() => {
  const found = [], root = document.documentElement, main = document.querySelector('main').getBoundingClientRect();
  if (root.scrollWidth > root.clientWidth) found.push('page ' + root.scrollWidth + ' > ' + root.clientWidth);
  for (const e of document.querySelectorAll('main *:not(.sr)')) {
    const r = e.getBoundingClientRect(), name = e.tagName + '.' + (e.getAttribute('class') || '');
    if (r.width && (r.right > main.right + 1 || r.left < main.left - 1)) found.push(name + ' leaves the sheet');
    if (!(e instanceof SVGElement) && e.clientWidth && e.scrollWidth > e.clientWidth + 1)
      found.push(name + ' ' + e.scrollWidth + ' > ' + e.clientWidth);
  }
  return [...new Set(found)];
})()"""

OVERLAPPING = """(() => {
  const svg = document.querySelector('svg.timeline');
  if (!svg) return ['no chart'];
  const inside = svg.getBoundingClientRect(), found = [];
  const boxes = [...svg.querySelectorAll('text')].map(t => [t.textContent.trim(), t.getBoundingClientRect()]);
  boxes.forEach(([text, a], i) => {
    if (a.left < inside.left - 2 || a.right > inside.right + 2 || a.bottom > inside.bottom + 2)
      found.push(text + ' leaves the chart');
    for (const [other, b] of boxes.slice(i + 1))
      if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3)
        found.push(text + ' covers ' + other);
  });
  return found;
})()"""

# A missing glyph is drawn as the same box for every character: as many shapes as characters means real glyphs.
SHAPES = """((text) => {
  const canvas = document.createElement('canvas'); canvas.width = canvas.height = 32;
  const pen = canvas.getContext('2d', {willReadFrequently: true});
  pen.font = '24px ' + getComputedStyle(document.body).fontFamily;
  const characters = [...new Set(text)].filter(c => c > '\\u2e80');
  const shapes = new Set(characters.map(c => {
    pen.clearRect(0, 0, 32, 32); pen.fillText(c, 2, 26);
    return pen.getImageData(0, 0, 32, 32).data.join();
  }));
  return [characters.length, shapes.size];
})"""

BOX = """(selector => { const r = document.querySelector(selector).getBoundingClientRect();
  return {x: r.x + scrollX, y: r.y + scrollY, width: r.width, height: r.height}; })"""


@pytest.fixture(scope="module")
def browser():
    program = find_chromium()
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed; ./check installs it with fonts-noto-cjk")
        pytest.skip("chromium is not installed: apt-get install chromium fonts-noto-cjk")
    with Chromium(program) as opened:
        yield opened


@pytest.fixture
def opened(browser, tmp_path):
    def open_sample(name, lang="zh", width=SCREEN, media="screen", change=lambda page: page):
        path = tmp_path / "drill.html"
        path.write_text(change(render_drill(sample(name), lang)), encoding="utf-8")
        browser.open(path, width, media)
        return browser

    return open_sample


@pytest.fixture(scope="module")
def inspections(tmp_path_factory):
    return samples(tmp_path_factory.mktemp("lab"))


@pytest.fixture
def inspected(browser, inspections, tmp_path):
    def open_inspection(verdict, lang, width, media):
        path = tmp_path / "inspect.html"
        path.write_text(render_inspection(inspections[verdict], lang), encoding="utf-8")
        browser.open(path, width, media)
        return browser

    return open_inspection


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("verdict", ["passed", "findings", "could not judge"])
def test_an_inspection_overflows_neither_screen_nor_paper(inspected, verdict, lang):
    for width, media in ((SCREEN, "screen"), (A4_WIDTH, "print"), (390, "screen")):
        page = inspected(verdict, lang, width, media)
        assert page.run(OVERFLOWING) == [], f"{media} at {width}"
    assert len(page.requests()) == 1, "a self-contained page asks for nothing but itself"
    characters, shapes = page.run(f"{SHAPES}(document.body.innerText)")
    assert shapes == characters


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_an_inspection_in_order_prints_on_one_page_of_a4(inspected, lang):
    printed = inspected("passed", lang, A4_WIDTH, "print").print()
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_overflows_on_screen_or_paper(opened, name, lang):
    for width, media in ((SCREEN, "screen"), (A4_WIDTH, "print"), (390, "screen")):
        page = opened(name, lang, width, media)
        assert page.run(OVERFLOWING) == [], f"{media} at {width}"
        assert page.run(OVERLAPPING) == [], f"{media} at {width}"
    assert len(page.requests()) == 1, "a self-contained page asks for nothing but itself"


@pytest.mark.parametrize("name", SAMPLES)
def test_every_character_is_drawn_as_its_own_glyph(opened, name):
    page = opened(name)
    characters, shapes = page.run(f"{SHAPES}(document.body.innerText)")
    assert characters > 100
    assert shapes == characters


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("selector", ["h1", ".word", ".verdict .mark", ".figure", "svg.timeline", ".checks"])
def test_text_and_chart_leave_ink_where_they_stand(opened, selector, lang):
    page = opened("drill_passed", lang)
    box = page.run(f"{BOX}({selector!r})")
    box["width"] = min(box["width"], 300)
    assert 0.005 < dark_share(page.picture(box)) < 0.6


def test_verdicts_differ_in_ink_and_not_only_in_colour(opened):
    ink = {}
    for name in ("drill_passed", "drill_failed", "drill_could_not_judge"):
        page = opened(name, width=A4_WIDTH, media="print")
        ink[name] = dark_share(page.picture(page.run(f"{BOX}('.verdict .mark')")))
    assert ink["drill_failed"] > 2 * ink["drill_passed"]
    assert ink["drill_could_not_judge"] < 0.85 * ink["drill_passed"]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_passed_drill_prints_on_two_pages_of_a4(opened, lang):
    printed = opened("drill_passed", lang, A4_WIDTH, "print").print()
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 2
    boxes = {
        tuple(round(float(side)) for side in box.split()) for box in re.findall(rb"/MediaBox \[([^]]+)\]", printed)
    }
    assert boxes in ({(0, 0, 595, 842)}, {(0, 0, 596, 842)})


def test_the_measures_see_what_they_are_for(opened):
    wide = opened(
        "drill_passed", change=lambda page: page.replace("<h2>", '<h2 style="white-space:nowrap;width:2000px">', 1)
    )
    assert any("leaves the sheet" in one for one in wide.run(OVERFLOWING))
    crowded = opened("drill_passed", change=lambda page: page.replace('text x="176"', 'text x="60"'))
    assert any("covers" in one for one in crowded.run(OVERLAPPING))
    characters, shapes = crowded.run(f"{SHAPES}('\\ue000\\ue001\\ue002')")
    assert (characters, shapes) == (3, 1)
    bare = opened("drill_passed", change=lambda page: page.replace("</style>", "h1 { visibility: hidden }</style>"))
    assert dark_share(bare.picture(bare.run(f"{BOX}('h1')"))) == 0
    loading = opened(
        "drill_passed",
        change=lambda page: page.replace("default-src 'none'", "img-src *").replace("<h2>", '<img src="x.png"><h2>', 1),
    )
    assert len(loading.requests()) == 2
