"""An appender's connection to the second site with real restic: what is refused, counted, cleared up, and said."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from yunwei_host.faults import RefusedByPolicyError, RefusedBySiteError
from yunwei_host.rawrequest import ask
from yunwei_host.restic import Repository
from yunwei_host.sitelock import PruningLock

from tests.pull_world import FAR_PASSWORD, FIXTURES, one_copied
from tests.stages import Stages
from yunwei.paths import content_root

MIB = 1 << 20
RECEIPTS = content_root() / "roles" / "miyun_site" / "files"


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        made = one_copied(tmp_path_factory.mktemp("append"), patch)
        kept = Stages(made)
        kept.keep("synced")
    return kept


@pytest.fixture
def world(stages, monkeypatch):
    """One backup, copied and proven."""
    return stages.back_to("synced", monkeypatch)


@pytest.fixture
def appender(world):
    """The repository at the second site as the backup server reaches it."""
    return Repository("rclone:x", FAR_PASSWORD, "of miyun", ["--no-cache", "-o", f"rclone.program={site(world)}"])


def site(world):
    return f"{sys.executable} {FIXTURES}/fake_site.py {world.base} site-miyun"


def files(world):
    folder = world.base / "miyun" / "mediation"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def storing(world, appender):
    """Start a backup and return it when its first pack has arrived; it waits for more to store."""
    known, child = set(files(world)), start_storing(appender)
    child.stdin.write(os.urandom(40 * MIB))
    while not [name for name in set(files(world)) - known if name.startswith("data/")]:
        assert child.poll() is None
    return child


def start_storing(appender):
    words = ["backup", "--stdin", "--stdin-filename", "/files-app.payload", "--host", "mediation"]
    return appender.start(words, stdin=-1, stdout=-3, stderr=-1)


def store(appender, size):
    child = start_storing(appender)
    _, err = child.communicate(os.urandom(size))
    appender.judge(child.returncode, err, "backup")


def start_session(world):
    """Start a connection and return it when the site has it among its own."""
    child = subprocess.Popen([*site(world).split(), "serve", "restic"], stdin=-1, stdout=-3, stderr=-1)
    wait_until(lambda: [one for one in sessions(world) if one.read_bytes()])
    return child


def sessions(world):
    return list((world.base / "sessions").glob("*.session"))


def wait_until(met):
    deadline = time.time() + 60
    while not met():
        assert time.time() < deadline
        time.sleep(0.01)


def end(child):
    child.stdin.close()
    child.wait()
    child.stderr.close()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["forget", "SNAPSHOT"], "snapshots/[0-9a-f]+ is not removed"),
        (["unlock", "--remove-all"], "a lock that this connection did not make"),
        (["key", "add", "--new-password-file", "/dev/null"], "only this site's administrator adds a repository key"),
    ],
)
def test_what_restic_would_change_is_refused_and_nothing_differs(world, appender, words, reason):
    (world.base / "miyun" / "mediation" / "locks" / ("c" * 64)).write_bytes(b"of somebody else")
    before = files(world)
    with pytest.raises(RefusedBySiteError, match=reason):
        appender.call([world.far.snapshots()[0]["id"] if word == "SNAPSHOT" else word for word in words])
    assert files(world) == before


def test_a_prune_removes_nothing(world, appender):
    junk = world.base / "miyun" / "mediation" / "data" / "dd" / ("d" * 64)
    junk.parent.mkdir(exist_ok=True)
    junk.write_bytes(b"what no index knows, which prune removes first")
    before = files(world)
    with contextlib.suppress(RefusedBySiteError):  # restic takes a file that it cannot remove lightly
        appender.call(["prune", "--max-unused=0"])
    assert files(world) == before


@pytest.mark.parametrize("kind", ["snapshots", "data", "keys", "index"])
def test_nothing_is_written_again(world, kind):
    (name, *_) = [name for name in files(world) if name.startswith(kind)]
    before = files(world)
    path = f"/{kind}/{name.rsplit('/', 1)[1]}"
    assert ask([*site(world).split(), "serve", "restic"], "POST", path, b"other")[0] == "refused"
    assert files(world) == before


def test_what_does_not_fit_the_quota_is_refused_while_it_comes_and_leaves_nothing(world, appender):
    store(appender, MIB)
    before = files(world)
    world.limit_site(quota_bytes=sum(map(len, before.values())) + 12 * MIB)
    with pytest.raises(RefusedBySiteError, match=r"quota: mediation holds \d+ bytes of the \d+ that are allowed"):
        store(appender, 40 * MIB)
    assert sum(map(len, files(world).values())) < sum(map(len, before.values())) + 12 * MIB
    assert set(before) <= set(files(world))
    assert world.far.check("all") == []
    assert [one for one in files(world) if one.startswith("locks/")] == []
    packs = [name for name in files(world) if name.startswith("data/")]
    assert [name for name in packs if hashlib.sha256(files(world)[name]).hexdigest() != name.rsplit("/", 1)[1]] == []


def test_a_sync_over_the_quota_fails_clearly_and_goes_on_when_there_is_room(world):
    world.limit_site(quota_bytes=MIB)
    (world.tree / "new").write_bytes(os.urandom(4 * MIB))
    world.back_up(now=True)
    with pytest.raises(RefusedBySiteError, match=r"of miyun.*refused by that site: quota: mediation holds"):
        world.sync()
    world.limit_site()
    assert world.sync()["verdict"] == "passed"
    receipt = json.loads(json.loads(next(iter(receipts(world)))["answer"])["receipt"])
    assert receipt["quota"]["quota_bytes"] == 1 << 30
    assert receipt["quota"]["used_bytes"] > sum(map(len, files(world).values()))


def receipts(world):
    found = sorted((world.base / "mediation" / "records" / "receipts").iterdir(), key=os.path.getmtime, reverse=True)
    return [json.loads(path.read_text()) for path in found]


def test_the_disk_s_last_space_is_refused_too(world, appender):
    world.limit_site(keep_free_bytes=1 << 60)
    with pytest.raises(RefusedBySiteError, match=f"the disk: less than {1 << 60} bytes would stay free"):
        store(appender, 10)


def test_without_a_quota_nothing_is_taken(world, appender):
    (world.base / "limits" / "mediation.json").unlink()
    with pytest.raises(RefusedBySiteError, match="no quota is set for mediation"):
        store(appender, 10)


def test_connections_side_by_side_do_not_spend_the_same_bytes(world, appender):
    used = sum(len(data) + 4096 for data in files(world).values())
    world.limit_site(quota_bytes=used + 8 * MIB)
    other = start_session(world)
    try:
        (path,) = sessions(world)
        path.write_text(json.dumps({"claimed": 8 * MIB, "locks": []}))
        with pytest.raises(RefusedBySiteError, match="quota"):
            store(appender, 2 * MIB)
    finally:
        end(other)
    store(appender, 2 * MIB)


def test_empty_files_need_room_too(world):
    world.limit_site(quota_bytes=1)
    before = files(world)
    answer = ask([*site(world).split(), "serve", "restic"], "POST", f"/data/{'e' * 64}", b"")
    assert (answer[0], answer[1][:6]) == ("refused", "quota:")
    assert files(world) == before


def test_reading_needs_no_room(world, appender):
    world.limit_site(quota_bytes=1)
    assert len(appender.snapshots()) == 2


def test_the_locks_of_a_connection_that_was_killed_go_with_the_next_one(world, appender):
    locks = world.base / "miyun" / "mediation" / "locks"
    child = storing(world, appender)
    (path,) = sessions(world)
    os.kill(int(path.name.split(".")[1].split("-")[0]), signal.SIGKILL)
    child.communicate()
    (foreign := locks / ("c" * 64)).write_bytes(b"of somebody else")
    assert len(list(locks.iterdir())) == 2
    appender.snapshots()
    assert list(locks.iterdir()) == [foreign]
    wait_until(lambda: not sessions(world))


def test_the_locks_of_a_client_that_was_killed_go_with_its_connection(world, appender):
    locks = world.base / "miyun" / "mediation" / "locks"
    child = storing(world, appender)
    child.kill()
    child.communicate()
    wait_until(lambda: not sessions(world))
    assert list(locks.iterdir()) == []


def test_nobody_appends_while_the_site_prunes_and_it_does_not_prune_while_one_appends(world, appender, monkeypatch):
    monkeypatch.setattr("yunwei_host.sitelock.GRACE_SECONDS", 0)
    with (
        PruningLock("mediation"),
        pytest.raises(RefusedByPolicyError, match=r"refused by that site: this site.s administrator is pruning"),
    ):
        store(appender, 10)
    child = start_session(world)
    try:
        with pytest.raises(RefusedByPolicyError, match="being appended"), PruningLock("mediation"):
            pass
    finally:
        end(child)
    with PruningLock("mediation"):
        pass


def test_a_key_that_was_added_at_the_site_fails_every_sync_until_it_is_pinned(world):
    pins = world.base / "pins" / "mediation.json"
    keys = world.base / "miyun" / "mediation" / "keys"
    (first,) = os.listdir(keys)
    assert json.loads(pins.read_text()) == [first]
    text = (keys / first).read_bytes() + b"\n"
    added = hashlib.sha256(text).hexdigest()
    (keys / added).write_bytes(text)
    for _ in range(2):
        summary = world.sync()
        assert (summary["verdict"], summary["receipt"]["keys"]["added"]) == ("failed", [added])
        assert summary["damage"] == [f"repository keys added at that site: {added[:12]}; let its administrator look"]
    pins.unlink()
    assert world.sync()["verdict"] == "passed"
    (keys / first).unlink()
    assert world.sync()["receipt"]["keys"]["gone"] == [first]


def test_a_receipt_reads_what_is_stored_and_not_what_memory_holds_of_it(world):
    [pack] = list((world.base / "miyun/mediation/data").rglob("?" * 64))[:1]
    world.base.joinpath("read.py").write_text(
        f"import sys; sys.path.insert(0, {str(RECEIPTS)!r}); import miyun_receipt\n"
        f"with open({str(pack)!r}, 'rb') as stream: stream.read(); miyun_receipt.forget_memory(stream)\n"
    )
    pack.read_bytes()
    assert in_memory(pack) > 0
    subprocess.run([sys.executable, "-B", str(world.base / "read.py")], check=True)
    assert in_memory(pack) == 0


def in_memory(path):
    """Return how many pages of a file the kernel holds."""
    told = subprocess.run(["fincore", "-n", "-o", "PAGES", str(path)], capture_output=True, text=True, check=True)
    return int(told.stdout)
