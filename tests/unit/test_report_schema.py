import copy

import pytest

from tests.drill_samples import SAMPLES, changed, sample
from yunwei.report.schema import ReportError, check_drill, contradictions


def test_there_are_samples():
    assert len(SAMPLES) >= 5


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_true_to_the_schema(name):
    assert check_drill(sample(name))["format"] == 1


@pytest.mark.parametrize("key", sorted(set(sample()) - {"handed_over", "timezone", "forecast"}))
def test_names_the_missing_key(key):
    document = sample()
    del document[key]
    with pytest.raises(ReportError, match=rf"(?m)^  {key}: the key is missing$"):
        check_drill(document)


def test_names_every_unknown_key_with_its_path():
    document = changed(["tables", "equals"], 34)
    document["verdikt"] = "passed"
    with pytest.raises(ReportError) as caught:
        check_drill(document)
    assert "  verdikt: the key is unknown" in str(caught.value)
    assert "  tables.equals: the key is unknown" in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (["verdict"], "ok", "verdict: "),
        (["format"], 2, "format: "),
        (["phases", 0, "name"], "warp", "phases.0.name: "),
        (["phases", 0, "seconds"], -1, "phases.0.seconds: "),
        (["total_seconds"], float("nan"), "total_seconds: "),
        (["total_seconds"], "12", "total_seconds: "),
        (["started"], "2026-03-31T09:00:00", "started: "),
        (["snapshot_at"], "yesterday", "snapshot_at: "),
        (["timezone"], "Mars/Olympus", "timezone: "),
        (["participants", 0], {"name": "A"}, "participants.0.role: the key is missing"),
    ],
)
def test_names_the_wrong_value(path, value, told):
    with pytest.raises(ReportError, match=rf"(?m)^  {told}"):
        check_drill(changed(path, value))


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (["tables"], None, "tables: not compared"),
        (["tables", "equal"], 33, "tables: 33 of 34 are equal"),
        (["files", "differences"], [{"object": "/a", "expected": 1, "found": 2}], "files: "),
        (["probe", "ok"], False, "probe: "),
        (["destroyed"], None, "destroyed: "),
        (["destroyed", "ok"], False, "destroyed: "),
        (["total_seconds"], None, "total_seconds: not measured"),
        (["total_seconds"], 3600.5, "total_seconds: 3600.5 is beyond the target 3600"),
        (["rpo_seconds"], None, "rpo_seconds: not measured"),
        (["rpo_seconds"], 86401, "rpo_seconds: 86401 is beyond the target 86400"),
        (["reasons"], ["a table is missing"], "reasons: a table is missing"),
    ],
)
def test_refuses_a_pass_that_its_figures_deny(path, value, told):
    with pytest.raises(ReportError, match=rf"(?m)^  {told}"):
        check_drill(changed(path, value))


def test_refuses_a_pass_over_an_empty_manifest():
    document = sample()
    for name in ("tables", "files", "objects", "sequences", "roles", "indexes"):
        document[name] = {"expected": 0, "equal": 0, "differences": []}
    with pytest.raises(ReportError, match="the manifest lists nothing"):
        check_drill(document)


def test_a_drill_that_did_not_pass_may_hold_anything():
    assert contradictions(sample("drill_failed")) == []
    assert contradictions(sample("drill_could_not_judge")) == []


def test_leaves_the_document_as_it_was():
    document = sample()
    before = copy.deepcopy(document)
    check_drill(document)
    assert document == before
