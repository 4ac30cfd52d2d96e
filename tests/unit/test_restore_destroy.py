"""What a restore made is taken away, nothing else is touched, and a fresh scan says so."""

import os
import socket
import subprocess
import time

import pytest
from yunwei_restore import destroy, scan, workdir
from yunwei_restore.application import MARK
from yunwei_restore.errors import NotJudgedError


@pytest.fixture
def work(tmp_path):
    return workdir.WorkDir(str(tmp_path / "restore" / "r-1")).create({"system": "s"})


@pytest.fixture
def no_shared_memory(monkeypatch):
    """Look past shared memory: it belongs to the whole machine, where any killed server may have left some."""
    monkeypatch.setattr(scan, "shared_memory", list)


def leave_a_process(work, **environment):
    child = subprocess.Popen(["sleep", "60"], cwd=work.part("files"), env={**os.environ, **environment})
    while not scan.processes(work.path, work.restore_id):
        time.sleep(0.01)
    return child


@pytest.mark.usefixtures("no_shared_memory")
def test_removes_processes_and_files_and_proves_it(work):
    child = leave_a_process(work)
    with open(work.part("files", "a"), "wb") as stream:
        stream.write(b"12345")
    assert scan.scan(work.path, work.restore_id)["processes"] == [f"{child.pid} sleep 60"]
    removed = destroy.destroy(work)
    assert child.wait() == -9
    assert removed[0] == "1 processes"
    assert removed[-1] == work.path
    proof, clean = destroy.prove(work.path, work.restore_id, 7)
    assert clean
    assert proof["files_left"] == []
    assert proof["free_bytes_before"] == 7
    assert destroy.destroy(work) == []


def test_finds_a_process_by_its_mark_alone(work):
    child = subprocess.Popen(["sleep", "60"], cwd="/", env={**os.environ, MARK: work.restore_id})
    try:
        while not scan.processes(work.path, work.restore_id):
            time.sleep(0.01)
    finally:
        child.kill()
        child.wait()
    assert scan.processes(work.path, work.restore_id) == []


def test_never_follows_a_link_out_of_the_folder(work, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    os.symlink(outside, work.part("files", "link"))
    os.mkfifo(work.part("files", "pipe"))
    destroy.destroy(work)
    assert (outside / "precious").exists()


@pytest.mark.parametrize("content", [None, "r-2\n"])
def test_a_folder_without_this_restores_marker_is_left_alone(work, content):
    os.unlink(work.part(workdir.MARKER))
    if content:
        with open(work.part(workdir.MARKER), "w") as stream:
            stream.write(content)
    with pytest.raises(NotJudgedError, match="its marker is not"):
        destroy.destroy(work)
    assert os.path.isdir(work.part("files"))


def test_a_link_in_place_of_the_folder_is_left_alone(work, tmp_path):
    os.symlink(work.path, tmp_path / "r-1")
    with pytest.raises(NotJudgedError, match="its marker is not"):
        destroy.destroy(workdir.WorkDir(str(tmp_path / "r-1")))


@pytest.mark.parametrize("path", ["relative/r-1", "/srv/../etc", "/srv/restore/.", "/srv/restore/a b", "/"])
def test_only_a_plain_path_can_be_a_work_folder(path):
    with pytest.raises(NotJudgedError):
        workdir.WorkDir(path)


def test_a_socket_that_is_still_bound_is_left_over(work):
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(work.part("pg", ".s.PGSQL.55432"))
    assert scan.sockets(work.path) == [work.part("pg", ".s.PGSQL.55432")]
    bound.close()
    assert scan.sockets(work.path) == []


def test_a_port_that_is_still_open_is_left_over(work):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert destroy.prove(work.path, work.restore_id, 0, [port])[0]["ports_left"] == [f"tcp {port}"]
    assert scan.listening([port]) == []


def unit(work, **changes):
    return {"keep_on_failure": False, "work_dir": work.path, "system": "s", "mode": "drill", "services": [], **changes}


class Facts:
    def __init__(self):
        self.facts = {}


@pytest.mark.parametrize(("verdict", "kept"), [("failed", True), (None, False)])
def test_only_a_failed_restore_is_kept(work, verdict, kept):
    work.state["verdict"] = verdict
    work.save()
    report = Facts()
    destroy.run(unit(work, keep_on_failure=True), report, work)
    assert report.facts["kept"] is kept
    assert os.path.exists(work.path) is kept


def test_a_failed_recovery_says_which_services_stay_stopped(work):
    work.state["verdict"] = "failed"
    work.save()
    report = Facts()
    service = {"host": "app1", "unit": "app.service", "order": 1}
    destroy.run(unit(work, mode="recover", services=[service]), report, work)
    assert "app.service on app1" in report.facts["warnings"][0]


def leftovers(work, system):
    found = destroy.leftovers(os.path.dirname(work.path), system, 3600)
    return [(one.restore_id, bool(why)) for one, why in found]


def test_shared_memory_that_is_left_makes_the_proof_fail(work, monkeypatch):
    destroy.destroy(work)
    monkeypatch.setattr(scan, "shared_memory", lambda: ["segment 7"])
    proof, clean = destroy.prove(work.path, work.restore_id, 0)
    assert (proof["shared_memory_left"], clean) == (["segment 7"], False)


def test_the_same_systems_dead_run_may_be_swept_and_another_ones_only_when_old(work):
    assert leftovers(work, "s") == [("r-1", True)]
    assert leftovers(work, "other") == [("r-1", False)]
    os.utime(work.part(workdir.STATE), (1, 1))
    assert leftovers(work, "other") == [("r-1", True)]
    work.state["kept"] = True
    work.save()
    assert leftovers(work, "s") == [("r-1", False)]


def test_a_folder_whose_run_was_killed_while_making_it_is_swept(work):
    os.unlink(work.part(workdir.STATE))
    assert leftovers(work, "s") == [("r-1", False)]
    os.utime(work.path, (1, 1))
    assert leftovers(work, "s") == [("r-1", True)]
    assert destroy.destroy(work)[-1] == work.path


def test_a_state_is_whole_or_old(work):
    work.state["more"] = "中文"
    work.save()
    assert workdir.WorkDir(work.path).load().state["more"] == "中文"
    assert not os.path.exists(work.part("state.json.new"))
