"""The second site reads everything again in four weeks, the oldest reading first, and catches up what was missed."""

import errno
import hashlib
import importlib.util
import itertools
import json
import os
import sys

import pytest

from yunwei.paths import content_root

FILES = content_root() / "roles/miyun_site/files"
DAY = 86400
NOW = 1_800_000_000


def load(name):
    spec = importlib.util.spec_from_file_location(name, FILES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


for needed in ("repository_gate", "site_limits"):
    load(needed)
receipt = load("miyun_receipt")
reread = load("miyun_reread")


class Site:
    """A store with 56 packs of one size and a snapshot; each run is at a day of its own."""

    def __init__(self, folder):
        self.memory = folder / "hashed" / "mediation.json"
        self.memory.parent.mkdir()
        self.store = folder / "store" / "mediation"
        self.packs = [self.add("data", b"%02d" % number) for number in range(56)]
        self.snapshot = self.add("snapshots", b"xx")
        (self.store / "config").touch()

    def add(self, kind, content):
        name = hashlib.sha256(content).hexdigest()
        path = self.store / kind / name[:2] / name if kind == "data" else self.store / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def run(self, day, **more):
        return receipt.read_again("mediation", NOW + day * DAY, **more)

    def readings(self):
        """Return {name: the day when it was last read}."""
        files = json.loads(self.memory.read_text())["files"]
        return {path.rsplit("/", 1)[1]: (one["read"] - NOW) / DAY for path, one in files.items()}

    def rot(self, path):
        """Let a content change as a disk loses it: nothing that the file system says of the file does."""
        path.write_bytes(b"??")
        memory = json.loads(self.memory.read_text())
        memory["files"][str(path.relative_to(self.store))]["identity"] = receipt.identity(os.lstat(path))
        self.memory.write_text(json.dumps(memory))


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setattr(receipt, "STORE", str(tmp_path / "store"))
    monkeypatch.setattr(receipt, "REMEMBERED", str(tmp_path / "hashed"))
    monkeypatch.setattr(receipt, "forget_memory", lambda stream: None)
    monkeypatch.setattr(receipt.os, "fsync", lambda descriptor: None)
    return Site(tmp_path)


@pytest.mark.parametrize(
    ("days", "most", "oldest", "spread"),
    [
        ([*range(40)], 3, 29, 28),
        ([*range(0, 70, 7)], 16, 35, 4),
        ([*range(10), *range(24, 60)], 31, 38, 14),
        ([day / 3 for day in range(120)], 1, 29, 28),
        ([0, 100, 128], 57, 100, 1),
    ],
    ids=["daily", "weekly", "two weeks missed", "three a day", "one in a hundred days"],
)
def test_everything_is_read_again_in_four_weeks_in_parts(site, days, most, oldest, spread):
    assert site.run(days[0])["hashed"] == 57, "what is new is read at once"
    for before, day in itertools.pairwise(days):
        waited = day - min(site.readings().values())
        assert site.run(day)["hashed"] <= most
        assert waited <= oldest
        assert day - min(site.readings().values()) <= max(28, day - before)
    assert len({round(day) for day in site.readings().values()}) >= spread


def test_a_file_that_rotted_unseen_is_found_when_its_turn_comes_and_named_until_it_is_mended(site):
    site.run(0)
    whole = site.packs[40].read_bytes()
    site.rot(site.packs[40])
    name = f"data/{site.packs[40].parent.name}/{site.packs[40].name}"
    found = [day for day in range(1, 40) if name in site.run(day)["bad"]]
    assert found, "it was never read again"
    assert found == [*range(found[0], 40)]
    assert found[0] <= 28
    site.packs[40].write_bytes(whole)
    assert site.run(40)["bad"] == []


def test_a_file_that_the_disk_cannot_read_any_more_is_damaged_and_a_host_out_of_order_says_nothing(site, monkeypatch):
    def fails(number):
        def digest(path):
            raise OSError(number, os.strerror(number))

        return digest

    monkeypatch.setattr(receipt, "digest", fails(errno.EIO))
    assert len(site.run(0)["bad"]) == 57
    monkeypatch.setattr(receipt, "digest", fails(errno.EMFILE))
    with pytest.raises(OSError, match="Too many open files"):
        site.run(0)


def test_a_snapshot_that_rotted_counts_no_more(site):
    site.run(0)
    assert site.run(1)["snapshots"] == [site.snapshot.name]
    site.rot(site.snapshot)
    assert site.run(40)["snapshots"] == []


def test_a_run_that_is_killed_has_not_read_in_vain(site, monkeypatch):
    monkeypatch.setattr(receipt, "KEPT_EVERY", 20)
    digest, read = receipt.digest, []

    def dies(path):
        if len(read) == 30:
            raise KeyboardInterrupt
        read.append(path)
        return digest(path)

    monkeypatch.setattr(receipt, "digest", dies)
    with pytest.raises(KeyboardInterrupt):
        site.run(0)
    monkeypatch.setattr(receipt, "digest", digest)
    assert site.run(0)["hashed"] == 27


@pytest.mark.parametrize("ahead", [400, 2])
def test_what_a_clock_that_was_wrong_says_of_the_future_makes_nothing_look_fresh(site, ahead):
    site.run(ahead)
    site.rot(site.packs[7])
    assert len(site.run(0)["bad"]) == 1


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"data/00/x": [1, 2, 3, 4]})])
def test_all_is_read_again_where_what_is_remembered_cannot_be_used(site, text):
    site.run(0)
    site.memory.write_text(text)
    assert site.run(0)["hashed"] == 57


def test_runs_beside_each_other_do_not_forget_what_the_other_read(site, monkeypatch):
    site.run(0)
    digest, added = receipt.digest, []

    def meanwhile(path):
        if not added:
            added.append(site.add("snapshots", b"new"))
            monkeypatch.setattr(receipt, "digest", digest)
            assert site.run(1)["hashed"] > 1
        return digest(path)

    monkeypatch.setattr(receipt, "digest", meanwhile)
    site.run(1)
    assert site.readings()[added[0].name] == 1


def test_what_was_pruned_is_forgotten_and_is_no_damage_while_it_goes(site, monkeypatch):
    site.run(0)
    site.packs[0].unlink()
    digest = receipt.digest

    def pruned(path):
        site.packs[1].unlink(missing_ok=True)
        return digest(path)

    monkeypatch.setattr(receipt, "digest", pruned)
    summary = site.run(40)
    assert (summary["bad"], summary["files"]) == ([], 55)
    assert len(site.readings()) == 55


def test_the_site_s_own_run_reads_what_is_known_and_leaves_what_is_new_to_a_receipt(site, monkeypatch, capsys):
    monkeypatch.setattr(reread.repository_gate, "demand_share", lambda: None)
    monkeypatch.setattr(reread.time, "time", lambda: NOW + 40 * DAY)
    (site.store.parent / "lost+found").mkdir()
    site.run(0)
    half = site.add("data", b"half")
    half.write_bytes(b"ha")
    assert reread.main() == 0
    assert capsys.readouterr().out == "mediation: 57 of 57 files read again\n"
    site.rot(site.packs[3])
    monkeypatch.setattr(reread.time, "time", lambda: NOW + 80 * DAY)
    assert reread.main() == 1
    name = str(site.packs[3].relative_to(site.store))
    assert f"mediation: {name} is damaged: its content is not what its name says\n" in capsys.readouterr().out
    assert site.run(80)["bad"] == sorted([name, str(half.relative_to(site.store))])
