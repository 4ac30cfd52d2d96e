"""The append-only probe: what the real key may not do is tried on a snapshot made for it, and told when it is done."""

import pytest
from yunwei_host.acting import what_went_wrong
from yunwei_host.probe import is_probe
from yunwei_host.records import RecordStore
from yunwei_host.siterecords import learn_records

from tests.pull_world import one_copied
from tests.stages import Stages


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        made = one_copied(tmp_path_factory.mktemp("probe"), patch)
        kept = Stages(made)
        kept.keep("synced")
        made.store.keep_probe("miyun", {})
        made.sync()
        kept.keep("probed")
    return kept


@pytest.fixture
def due(stages, monkeypatch):
    """A synced world whose last probe was days ago, and whose snapshot for it is there."""
    world = stages.back_to("probed", monkeypatch)
    state = world.store.probe("miyun")
    world.store.keep_probe("miyun", {**state, "last": {**state["last"], "at": "2026-01-01T00:00:00Z"}})
    return world


def listing(world):
    folder = world.base / "miyun" / "mediation"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_all_is_refused_the_snapshot_is_made_once_and_nothing_there_changes(due):
    before = listing(due)
    found = due.sync()
    assert [one["what"] for one in found["probe"]["tries"]] == [
        "delete", "overwrite", "prune", "unlock", "add a key", "remove a key",
    ]  # fmt: skip
    assert all(one["refused"] and one["said"] for one in found["probe"]["tries"])
    assert (found["probe"]["refused"], found["verdict"], found["damage"]) == (True, "passed", [])
    assert listing(due) == before
    assert len([one for one in due.far.snapshots() if is_probe(one)]) == 1
    again = due.sync()
    assert again["probe"] == found["probe"], "it is not due again today, and its last result is told"


def test_it_is_tried_first_when_a_snapshot_for_it_was_never_made(stages, monkeypatch):
    world = stages.back_to("synced", monkeypatch)
    world.store.keep_probe("miyun", {})
    assert world.preview_sync()["would_probe"] is True
    assert [one for one in world.far.snapshots() if is_probe(one)] == []
    assert world.sync()["probe"]["refused"] is True
    assert world.preview_sync()["would_probe"] is False


def test_it_stops_at_the_first_that_is_not_refused_and_the_sync_fails(due):
    real = {snap["id"] for snap in due.far.snapshots() if not is_probe(snap)}
    due.site_misbehaves(fault="lets all through")
    found = due.sync()
    assert [(one["what"], one["refused"]) for one in found["probe"]["tries"]] == [("delete", False)]
    assert (found["verdict"], found["probe"]["refused"]) == ("failed", False)
    assert "append-only probe: delete was NOT refused there" in what_went_wrong(found)
    assert {snap["id"] for snap in due.far.snapshots()} == real, "what was tried on is gone, nothing else"


def test_a_snapshot_of_it_that_is_gone_is_told_and_made_again(due):
    (tried,) = [snap["id"] for snap in due.far.snapshots() if is_probe(snap)]
    due.far.forget([tried])
    found = due.sync()
    assert (found["verdict"], found["probe"]["refused"]) == ("failed", False)
    assert found["damage"] == [f"the append-only probe: {found['probe']['fault']}"]
    assert tried[:12] in found["probe"]["fault"]
    state = due.store.probe("miyun")
    assert state["snapshot"] in {snap["id"] for snap in due.far.snapshots()}


def test_the_second_site_knows_the_first_one_and_reports_any_other(due, tmp_path):
    def put_aside():
        work, store = {"system": "mediation"}, RecordStore(str(tmp_path / "records"))
        return learn_records(work, due.far, store, due.far.snapshots(), learn=False)[1]

    assert put_aside() == []
    (tried,) = [snap["id"] for snap in due.far.snapshots() if is_probe(snap)]
    writer = due.far.start_backup("mediation", "/probe", ["yunwei", "probe"])
    writer.write(b"hides behind the same tags")
    writer.finish()
    assert [line["why"] for line in put_aside()] == ["no accepted manifest names it"]
    assert put_aside()[0]["snapshot"] != tried
