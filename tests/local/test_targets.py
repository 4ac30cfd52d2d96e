"""What every kind of target must do, and what only some can: the same tests over the site's own programs.

The vendor's replication is played by a copy between two folders before each receipt; its appliance cannot be had. The
shares are file systems of their own, really mounted.
"""

import json
from contextlib import contextmanager

import pytest
from yunwei_host import catalogue, target
from yunwei_host.acting import what_went_wrong
from yunwei_host.faults import FaultError, RefusedBySiteError, RepositoryUnreachableError

from tests.mounts import mount_over, own_mounts, unmount
from tests.power import forget
from tests.pull_world import TwoSites, killed, left_untouched
from tests.stages import Stages

KINDS = ("append_over_ssh", "gateway_share", "vendor_replica")
ON_SHARES = KINDS[1:]
SHARE = "box1"


def made_into(world, kind):
    """Let the world's second site be a target of that kind."""
    world.sync_work["target"].update(kind=kind)
    if kind == "append_over_ssh":
        return world
    world.sync_work["target"].update(share_name=SHARE)
    store = world.base / "miyun"
    (world.base / "site_share.json").write_text(json.dumps({"path": str(store), "name": SHARE}))
    (store / target.MARKER).write_text(SHARE + "\n")
    if kind == "vendor_replica":
        share = world.base / "share"
        (share / "mediation").mkdir(parents=True)
        (share / target.MARKER).write_text(SHARE + "\n")
        world.sync_work["target"].update(share_path=str(share))
    return world


@contextmanager
def shares_mounted(world):
    """Mount the world's shares, with what lies in their folders, for the block."""
    shares = (
        [] if world.sync_work["target"]["kind"] == "append_over_ssh" else [world.base / "miyun", world.base / "share"]
    )
    with own_mounts():
        for share in shares:
            if share.is_dir():
                mount_over(share, 64)
        yield


def written_to(world):
    """Return the folder into which copies are written."""
    share = world.base / "share"
    return (share if share.is_dir() else world.base / "miyun") / "mediation"


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    kept = {}
    for kind in KINDS:
        with pytest.MonkeyPatch.context() as patch:
            made = made_into(TwoSites(tmp_path_factory.mktemp(kind), patch), kind)
            made.only("files")
            made.sync_work["items"] = ["files:app"]
            (made.tree / "big").write_bytes(b"0123456789abcdef" * (1 << 16))
            made.back_up()
            kept[kind] = Stages(made)
            kept[kind].keep("backed up")
            with shares_mounted(made):
                made.sync()
                kept[kind].keep("synced")
    return kept


@pytest.fixture
def backed_up(stages, kind, monkeypatch):
    """One backup that was never copied."""
    world = stages[kind].back_to("backed up", monkeypatch)
    with shares_mounted(world):
        yield world


@pytest.fixture
def synced(stages, kind, monkeypatch):
    """One backup, copied and proven."""
    world = stages[kind].back_to("synced", monkeypatch)
    with shares_mounted(world):
        yield world


def proofs(world):
    return [record["sync"]["miyun"] for record in world.store.load() if (record["sync"] or {}).get("miyun")]


def read_there(world, part):
    """Read the place of proof back as `backups verify --site miyun` does."""
    remote = {**world.sync_work["remote"], "user": "miyun-read", "secret": "miyun-read"}
    work = {**world.sync_work, "remote": remote, "site": "miyun", "part": part, "tripwire_releases": []}
    return catalogue.verify_backups(work, world.permit(), world.secrets)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_an_accepted_backup_is_copied_proven_and_readable_there(backed_up):
    found = backed_up.sync()
    assert (found["verdict"], found["snapshots"], found["awaited"]) == ("passed", 2, None)
    [proof] = proofs(backed_up)
    assert {proof["manifest"], proof["payload"]} == {snap["id"] for snap in backed_up.far.snapshots()}
    there = read_there(backed_up, "all")
    assert (there["verdict"], there["damage"], there["missing"]) == ("passed", [], [])


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_sync_changes_nothing_where_copies_are_written(synced):
    with left_untouched(written_to(synced)):
        again = synced.sync()
    assert (again["verdict"], again["snapshots"], again["items"], again["changed"]) == ("passed", 0, [], False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_preview_changes_nothing(backed_up):
    with left_untouched(written_to(backed_up)), left_untouched(backed_up.base / "mediation"):
        found = backed_up.preview_sync()
    assert [item["status"] for item in found["items"]] == ["would copy"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_killed_while_bytes_flow_is_gone_on_with(backed_up):
    locks = written_to(backed_up) / "locks"
    killed(backed_up.sync, when=lambda: bool(list(locks.glob("*"))))
    assert proofs(backed_up) == []
    if (backed_up.base / "share").is_dir():  # elsewhere it is not restic itself that writes
        (locks / ("a" * 64 + "-tmp-109839583")).write_bytes(b"half")
    assert backed_up.sync()["verdict"] == "passed"
    assert len(proofs(backed_up)) == 1
    assert list(locks.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_site_that_does_not_answer_is_named_and_nothing_counts(backed_up):
    backed_up.site_misbehaves(fault="refused")
    with left_untouched(written_to(backed_up)), pytest.raises(RepositoryUnreachableError, match="Connection refused"):
        backed_up.sync()
    assert proofs(backed_up) == []


@pytest.mark.parametrize("kind", KINDS)
def test_damage_where_it_is_proven_is_named_and_nothing_new_counts(synced):
    pack = max((synced.base / "miyun/mediation/data").rglob("?" * 64), key=lambda path: path.stat().st_size)
    pack.chmod(0o600)
    with open(pack, "r+b") as stream:
        stream.write(b"damaged")
    synced.site_misbehaves(replicates="nothing")
    synced.back_up(now=True)
    with pytest.raises(FaultError, match=pack.name):
        synced.sync()
    assert len(proofs(synced)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_receipt_of_another_place_proves_nothing(backed_up):
    store, named = backed_up.base / "miyun", "box2"
    if backed_up.sync_work["target"]["kind"] == "append_over_ssh":
        backed_up.sync_work["target"].update(kind="gateway_share", share_name=SHARE)
        named = None
    else:
        (backed_up.base / "site_share.json").write_text(json.dumps({"path": str(store), "name": named}))
        (store / target.MARKER).write_text(named)
        backed_up.site_misbehaves(replicates="mediation")
    with pytest.raises(FaultError, match=f"the receipt is of share {named}, not of {SHARE}"):
        backed_up.sync()
    assert proofs(backed_up) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_may_not_be_done_there_is_tried_where_it_can_be_refused(synced, kind):
    synced.store.keep_probe("miyun", {})
    assert synced.preview_sync()["would_probe"] is (kind != "vendor_replica")
    found = synced.sync()
    if kind == "vendor_replica":
        assert (found["probe"], found["verdict"]) == (None, "passed")
    else:
        assert (found["probe"]["refused"], len(found["probe"]["tries"])) == (True, 6)


def unmounted(place):
    unmount(place)
    forget(place)


NOT_THE_SHARE = {
    "an empty mount point": (unmounted, "is not mounted"),
    "a folder that is marked as the share": (unmount, "is not mounted"),
    "a mount without a mark": (lambda place: (place / target.MARKER).unlink(), "is not marked as"),
    "another share": (lambda place: (place / target.MARKER).write_text("box2"), "box2, not|another share than"),
}


@pytest.mark.parametrize("kind", ON_SHARES)
@pytest.mark.parametrize("lies_there", NOT_THE_SHARE)
def test_what_is_not_the_mounted_share_takes_no_copies(backed_up, kind, lies_there):
    place = written_to(backed_up).parent
    put_there, reason = NOT_THE_SHARE[lies_there]
    put_there(place)
    faults = {"gateway_share": RefusedBySiteError, "vendor_replica": FaultError}
    with left_untouched(place), pytest.raises(faults[kind], match=reason):
        backed_up.sync()
    assert proofs(backed_up) == []


@pytest.fixture
def replicating(stages, monkeypatch):
    """A backup that is to be copied to a share that its vendor replicates; nothing waits long."""
    monkeypatch.setattr(target, "POLL_SECONDS", 0.01)
    world = stages["vendor_replica"].back_to("synced", monkeypatch)
    with shares_mounted(world):
        yield world


@pytest.mark.parametrize("arrived", ["nothing", "mediation/snapshots"])
def test_what_the_replication_has_not_brought_wholly_waits_and_counts_later(replicating, arrived):
    (replicating.tree / "new").write_bytes(b"new" * 100_000)
    replicating.back_up(now=True)
    replicating.site_misbehaves(replicates=arrived)
    for _ in range(2):  # the second one copies nothing and must not be green for that
        found = replicating.sync()
        assert found["verdict"] == "could not judge"
        assert "copies are not proven yet" in what_went_wrong(found)
        assert len(proofs(replicating)) == 1
        told = json.loads(json.loads((replicating.base / "copies/mediation.json").read_text())["copies"])
        assert told["copies"]["files:app"]["snapshot"] == proofs(replicating)[0]["manifest"]
    replicating.site_misbehaves()
    found = replicating.sync()
    assert found["verdict"] == "passed"
    assert [item["status"] for item in found["items"]] == ["verified"]
    assert len(proofs(replicating)) == 2


def test_a_replication_within_policys_time_is_waited_for(replicating):
    replicating.back_up(now=True)
    replicating.site_misbehaves(replicates="nothing")
    replicating.sync_work["target"].update(replica_wait_seconds=60)
    asked = []
    ask = target.VendorReplica.ask

    def third_time(self, *words):
        asked.extend(word for word in words if word == "receipt")
        if len(asked) == 3:
            replicating.site_misbehaves()
        return ask(self, *words)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(target.VendorReplica, "ask", third_time)
        assert replicating.sync()["verdict"] == "passed"
    assert len(asked) == 3
    assert len(proofs(replicating)) == 2


def test_a_replica_that_lost_what_was_proven_fails(replicating):
    [proof] = proofs(replicating)
    (replicating.base / "miyun/mediation/snapshots" / proof["payload"]).unlink()
    replicating.site_misbehaves(replicates="nothing")
    with pytest.raises(FaultError, match=r"proven at site miyun is whole no more: 1 of 2 snapshots"):
        replicating.sync()
