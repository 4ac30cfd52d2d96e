"""What a host must be to receive a restore."""

import socket
import time

import pytest
from yunwei_host import clock
from yunwei_restore import preflight, workdir
from yunwei_restore.errors import NotJudgedError, RefusedError
from yunwei_restore.report import Report

from tests.mounts import mount_disk, own_mounts


def unit(folder, **changes):
    item = {"item": "files:a", "kind": "files", "source_host": "app1", "target_host": "here", "no_driver": None}
    found = {"system": "s", "restore_id": "r-1", "mode": "drill", "site": "miyun", "items": [item]}
    found |= {"target_groups": {"here": ["drill_hosts"]}, "source_endpoints": [], "reserve_bytes": 0, "replace": []}
    found |= {"work_dir": str(folder / "restore" / "r-1"), "part": {"files": None, "table": None, "into_dir": None}}
    return {**found, **changes}


def causes(unit, host="here", when=None):
    found = preflight.problems(unit, host, clock.stamp(when))
    return {problem.thing: problem.cause for problem in found if not problem.thing.startswith("database")}


@pytest.fixture(autouse=True)
def without_databases(monkeypatch):
    monkeypatch.setattr(preflight, "_databases", list)  # the machine that runs the tests may have some


def test_an_empty_host_is_good(tmp_path):
    assert causes(unit(tmp_path)) == {}


def test_a_host_of_production_is_refused_by_group_and_by_what_it_holds(tmp_path):
    assert "production" in causes(unit(tmp_path, target_groups={"here": ["production"]}))["here"]
    assert "files:a" in causes(unit(tmp_path), "app1")["app1"]


def test_a_host_that_reaches_production_is_refused(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        endpoint = {"host": "db1", "address": "127.0.0.1", "port": port}
        assert list(causes(unit(tmp_path, source_endpoints=[endpoint]))) == [f"db1 (127.0.0.1:{port})"]
    assert causes(unit(tmp_path, source_endpoints=[endpoint])) == {}


def test_a_clock_that_is_off_is_named(tmp_path):
    assert "seconds off" in causes(unit(tmp_path), when=time.time() - 4000)["clock"]


def test_space_for_the_reserve_must_be_there(tmp_path):
    assert "policy keeps" in causes(unit(tmp_path, reserve_bytes=1 << 62))["disk"]


def test_something_strange_beside_the_work_folder_is_named(tmp_path):
    (tmp_path / "restore" / "mine").mkdir(parents=True)
    assert list(causes(unit(tmp_path))) == [str(tmp_path / "restore" / "mine")]


def test_an_engine_without_a_driver_cannot_be_judged(tmp_path):
    item = {**unit(tmp_path)["items"][0], "no_driver": "could not judge: no driver for dameng"}
    assert causes(unit(tmp_path, items=[item])) == {"files:a": "could not judge: no driver for dameng"}


def test_a_dead_run_of_the_system_is_swept_and_a_kept_one_only_when_asked(tmp_path):
    old = workdir.WorkDir(str(tmp_path / "restore" / "r-0")).create({"system": "s"})
    assert preflight.sweep(unit(tmp_path)) == [old.path]
    old = workdir.WorkDir(str(tmp_path / "restore" / "r-0")).create({"system": "s", "kept": True})
    with pytest.raises(NotJudgedError, match="kept on purpose"):
        preflight.sweep(unit(tmp_path))
    assert preflight.sweep(unit(tmp_path), kept=True) == [old.path]


def test_another_systems_run_is_waited_for(tmp_path):
    workdir.WorkDir(str(tmp_path / "restore" / "r-0")).create({"system": "other"})
    with pytest.raises(NotJudgedError, match="not empty: restore of system other"):
        preflight.sweep(unit(tmp_path))


def test_the_clock_of_the_recovery_starts_at_the_hand_over(tmp_path):
    one = unit(tmp_path)
    work, report = workdir.WorkDir(one["work_dir"]), Report(one, "here")
    preflight.begin(one, report, work, "2026-01-01T08:00:00+08:00")
    assert work.load().state["handed_over"] == clock.moment("2026-01-01T00:00:00Z")
    assert report.facts["began"] - time.time() < 1


def test_a_hand_over_in_the_future_is_refused(tmp_path):
    one = unit(tmp_path)
    with pytest.raises(RefusedError, match="future"):
        preflight.begin(one, Report(one, "here"), workdir.WorkDir(one["work_dir"]), "2099-01-01T00:00:00Z")


def test_recovery_overwrites_nothing_that_is_not_named(tmp_path):
    place = tmp_path / "srv" / "app"
    item = {**unit(tmp_path)["items"][0], "paths": [str(place)]}
    one = unit(tmp_path, mode="recover", items=[item])
    assert causes(one) == {}
    place.mkdir(parents=True)
    assert causes(one) == {}
    (place / "file").touch()
    assert "nothing is overwritten" in causes(one)["files:a"]
    assert causes({**one, "replace": ["files:a"]}) == {}
    assert causes({**one, "replace": [str(place)]}) == {}


@pytest.mark.parametrize("below", ["", "data files"])
def test_a_file_system_is_not_set_aside_with_the_folder_that_it_is_mounted_at(tmp_path, below):
    disk = tmp_path / "srv" / "app" / below
    disk.mkdir(parents=True)
    (tmp_path / "link").symlink_to("srv")
    (tmp_path / "own").symlink_to("srv/app")
    one, other = (
        unit(tmp_path, mode="recover", items=[{**unit(tmp_path)["items"][0], "paths": [path]}], replace=["files:a"])
        for path in (f"{tmp_path}/link/app", f"{tmp_path}/own")
    )
    with own_mounts():
        mount_disk(disk, 1)
        (disk / "file").touch()
        assert f"a file system is mounted at {disk}" in causes(one)["files:a"]
        assert causes(other) == {}  # here the link is renamed


def test_files_go_into_an_empty_folder_only(tmp_path):
    one = unit(tmp_path, mode="recover", part={"files": "*", "table": None, "into_dir": str(tmp_path / "into")})
    assert causes(one) == {}
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / "mine").touch()
    assert "not an empty folder" in causes(one)[str(tmp_path / "into")]
