"""Mass encryption, mass deletion: kept, told until a person releases it, and what was good before stays everywhere."""

import os
import time

import pytest
from yunwei_host import catalogue, pull, retire
from yunwei_host.acting import what_went_wrong
from yunwei_host.clock import stamp
from yunwei_host.records import RecordStore

from tests.pull_world import FAR_PASSWORD, TwoSites, World

DAY = 86400
SUSPICIOUS = "accepted, suspicious"


@pytest.fixture
def world(tmp_path, monkeypatch):
    return prepared(World(tmp_path, monkeypatch))


def prepared(made):
    made.only("files")
    for number in range(60):
        (made.tree / f"letter {number:02}").write_bytes(b"content %d" % number)
    return made


def encrypt(tree, suffix=""):
    for path in [path for path in tree.rglob("*") if path.is_file()]:
        path.write_bytes(os.urandom(64))
        path.rename(f"{path}{suffix}")


def back_up(world, **changes):
    """Back up everything and return (the only item's line, the summary)."""
    summary = world.back_up(now=True, **changes)
    (line,) = summary["items"]
    return line, summary


def releasing(world, record):
    """Let policy release a record, and return the entry."""
    entry = {"item": record["item"], "record": record["record_id"][:12], "reason": "looked at"}
    world.work["tripwire"]["releases"].append(entry)
    return entry


@pytest.mark.parametrize("suffix", ["", ".locked"])
def test_mass_encryption_is_kept_and_told_until_it_is_released(world, suffix):
    back_up(world)
    encrypt(world.tree, suffix)
    line, summary = back_up(world)
    good, bad = world.store.load()
    assert (line["status"], line["record"], summary["verdict"]) == (SUSPICIOUS, bad["record_id"], "could not judge")
    assert "60 of 60 (100.0 %; policy allows 30 %) files is gone" in line["suspicious"][0]
    assert "files:app: SUSPICIOUS: record " + bad["record_id"][:12] in what_went_wrong(summary)
    assert bad["tripwire"]["holds"] == [good["record_id"]]
    assert world.lines(bad)[0]["tripwire"] == bad["tripwire"], "the manifest carries it to the second site"
    again = world.back_up()  # nothing is due: whoever missed the run that found it learns it from the next
    assert (again["items"][0]["status"], again["verdict"]) == ("not due", "could not judge")
    assert again["items"][0]["suspicious"] == line["suspicious"]
    assert world.preview()["verdict"] == "could not judge"
    releasing(world, bad)
    assert world.back_up()["verdict"] == "passed"


def test_ordinary_life_does_not_trip(world):
    world.work["items"][0]["full_every_days"] = 0
    back_up(world)
    assert back_up(world)[0]["status"] == "accepted", "everything was read and hashed again"
    (world.tree / "2026").mkdir()
    for path in sorted(world.tree.glob("letter*")):
        path.rename(world.tree / "2026" / path.name)
    for number in range(200):
        (world.tree / f"new {number}").write_bytes(os.urandom(64))
    world.work["items"][0]["full_every_days"] = 30
    assert back_up(world)[0]["status"] == "accepted", "moved and grown"
    for path in sorted(world.tree.glob("new*"))[:60]:
        path.unlink()
    line, summary = back_up(world)
    assert (line["status"], summary["verdict"]) == ("accepted", "passed"), line
    assert [record["tripwire"]["findings"] for record in world.store.load()] == [[]] * 4
    assert [bool(record["tripwire"]["compared_with"]) for record in world.store.load()] == [False, True, True, True]


def test_mass_deletion_in_a_full_reading_is_found_as_well(world):
    world.work["items"][0]["full_every_days"] = 0
    back_up(world)
    for path in sorted(world.tree.iterdir())[:40]:
        path.unlink()
    assert "0 changed, 40 removed" in back_up(world)[0]["suspicious"][0]


def test_what_is_new_in_the_repository_is_held_against_the_whole_item(world):
    world.only("files")
    (world.tree / "scan").write_bytes(os.urandom(2 << 20))
    back_up(world)
    (world.tree / "letter 00").write_bytes(b"changed")
    back_up(world)
    (world.tree / "scan").write_bytes(os.urandom(2 << 20))
    back_up(world)
    first, calm, busy = [record["stored"] for record in world.store.load()]
    assert (first["rewritten_percent"], first["new_bytes"] > 2 << 20) == (None, True)
    assert first["bytes"] == sum(len(b"content %d" % number) for number in range(60)) + (2 << 20)
    assert calm["rewritten_percent"] < 15
    assert busy["rewritten_percent"] > 85


@pytest.fixture
def database(tmp_path, monkeypatch):
    made = World(tmp_path, monkeypatch)
    made.only("database")
    made.misbehave(tables={"cases": 50_000, "people": 9000})
    back_up(made)
    return made


def test_a_mass_delete_in_a_table(database):
    database.misbehave(tables={"cases": 50_200, "people": 900})
    line, _ = back_up(database)
    assert line["status"] == SUSPICIOUS
    assert "8100 of 9000 (90.0 %; policy allows 30 %) rows of table public.people vanished" in line["suspicious"][0]


def test_a_table_that_is_gone(database):
    database.misbehave(tables={"cases": 50_000})
    assert "1 tables are gone (public.people of 9000 rows" in back_up(database)[0]["suspicious"][0]


def test_a_database_that_grows_and_loses_a_little(database):
    database.misbehave(tables={"cases": 90_000, "people": 8500, "more": 10})
    assert back_up(database)[1]["verdict"] == "passed"


def test_limits_of_policy_are_used(database):
    database.work["tripwire"].update(table_rows_percent=95)
    database.misbehave(tables={"cases": 50_000, "people": 900})
    assert back_up(database)[0]["status"] == "accepted"


def test_a_former_manifest_that_is_another_one_is_suspicious(database):
    (record,) = database.store.load()
    database.store.save({**record, "manifest_sha256": "0" * 64})
    line, _ = back_up(database)
    assert line["status"] == SUSPICIOUS
    assert "is not the accepted one" in line["suspicious"][0]


@pytest.fixture
def sites(tmp_path, monkeypatch):
    """At both sites: four good backups, made days ago, then an encrypted one and two of the encrypted tree."""
    made = prepared(TwoSites(tmp_path, monkeypatch))
    for age in (60, 50, 40, 30, 20, 10, 0):
        if age == 20:
            encrypt(made.tree)
        (made.tree / f"made {age} days ago").write_bytes(b"new")
        with monkeypatch.context() as then:
            then.setattr(pull, "stamp", lambda seconds=None, age=age: stamp((seconds or time.time()) - age * DAY))
            back_up(made)
    made.sync()
    return made


def retire_at(sites, site, releases=()):
    """Let a site keep one backup of each item; return the public summary."""
    far = site == "miyun"
    unit = {
        "system": "mediation",
        "site": site,
        "repository": sites.far.location if far else sites.work["repository"],
        "records": str(sites.base / "site-records") if far else sites.work["records"],
        "items": ["files:app"],
        "keep": {"last": 1, "daily": 0, "weekly": 0, "monthly": 0, "yearly": 0},
        "max_removals": 20,
        "rejected_days": 30,
        "alert_days": 30,
        "permission": {"reference": "LAB-1", "expires": "2099-12-31"},
        "legal_holds": [],
        "tripwire_releases": list(releases),
        "needs_site": None if far else "miyun",
        "timezone": "Asia/Shanghai",
    }
    secrets = {"repository-miyun": {"password": FAR_PASSWORD}} if far else sites.secrets
    return retire.retire(unit, "backup1", sites.permit(), secrets)[0]


@pytest.mark.parametrize("site", ["local", "miyun"])
def test_the_last_good_ones_survive_retention_until_a_person_releases_them(sites, site):
    everything = [record["record_id"] for record in sites.store.load()]
    good, bad, newest = everything[1:4], everything[4], everything[-1]
    store = RecordStore(str(sites.base / "site-records")) if site == "miyun" else sites.store

    def left():
        return [record.get("first_id", record["record_id"]) for record in store.load()]

    summary = retire_at(sites, site)
    assert left() == [*good, bad, newest]
    assert [line["status"] for line in summary["items"]] == ["removed", "removed", "suspicious"]
    told = summary["items"][-1]
    assert (told["reason"], "files is gone" in told["suspicious"][0]) == ("3 backups before it are held", True)
    assert [line["status"] for line in retire_at(sites, site)["items"]] == ["suspicious"], "nothing more goes"
    release = {"item": "files:app", "record": bad[:12], "reason": "looked at"}
    assert [line["status"] for line in retire_at(sites, site, [release])["items"]] == ["removed"] * 4
    assert left() == [newest]


def test_the_list_names_what_is_suspicious_and_what_it_holds(sites):
    unit = {name: sites.work[name] for name in ("system", "repository", "records")}
    unit.update(site="local", items=["files:app"], remote=None, tripwire_releases=[])
    bad = sites.store.load()[4]["record_id"]
    lines = catalogue.list_backups(unit, sites.secrets)["items"]
    assert [len(line["suspicious"]) for line in lines] == [0, 0, 0, 0, 1, 0, 0]
    assert [line["held_by"] for line in lines] == [[], [bad], [bad], [bad], [], [], []]
    entry = {"item": "files:app", "record": bad, "reason": "looked at"}
    lines = catalogue.list_backups({**unit, "tripwire_releases": [entry]}, sites.secrets)["items"]
    assert not [line for line in lines if line["suspicious"] or line["held_by"]]
