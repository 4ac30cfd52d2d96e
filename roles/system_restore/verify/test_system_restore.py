"""After a drill its host is empty again: no server, no port, no process, no file of a restore is left."""

from __future__ import annotations

WORK_FOLDER = "/srv/restore"
DRILL_PORT = 55432


def test_no_work_folder_of_a_restore_is_left(host):
    with host.sudo():
        folder = host.file(WORK_FOLDER)
        assert not folder.exists or folder.listdir() == []


def test_nothing_listens_on_the_port_of_the_drills_server(host):
    assert not host.socket(f"tcp://{DRILL_PORT}").is_listening


def test_no_process_works_below_a_work_folder(host):
    with host.sudo():
        found = host.check_output(
            "find /proc/[0-9]*/cwd /proc/[0-9]*/exe -maxdepth 0 -lname '%s*' 2> /dev/null || :", WORK_FOLDER + "/"
        )
    assert found == ""


def test_no_private_folder_of_a_run_is_left(host):
    with host.sudo():
        found = host.check_output("find /dev/shm -maxdepth 1 -name 'yunwei-run-*'")
    assert found == ""
