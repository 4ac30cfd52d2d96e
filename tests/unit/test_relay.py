"""Files go from host to host through the controller's memory, by the inventory's own ssh settings."""

import json

import pytest
from yunwei_host import fence

from yunwei import relay
from yunwei.errors import CouldNotJudgeError, RefusedError


@pytest.fixture
def here(tmp_path):
    """Return a command that runs its last word on this machine, with a sudo that changes nothing."""
    sudo = tmp_path / "bin" / "sudo"
    sudo.parent.mkdir()
    sudo.write_text('#!/bin/sh\nshift\nexec "$@"\n')
    sudo.chmod(0o755)
    return ["env", f"PATH={sudo.parent}:/usr/bin:/bin", "sh", "-c"]


def test_reaches_a_host_as_ansible_does_and_never_without_its_key():
    variables = {
        "ansible_host": "192.0.2.7",
        "ansible_user": "ops",
        "ansible_port": 2222,
        "ansible_ssh_private_key_file": "/keys/a b",
        "ansible_ssh_common_args": "-o UserKnownHostsFile=/k -o StrictHostKeyChecking=no",
    }
    command = relay.ssh_command("old1", variables)
    assert command[-7:] == ["-i", "/keys/a b", "-p", "2222", "-l", "ops", "192.0.2.7"]
    # ssh takes the first value of an option.
    assert command.index("StrictHostKeyChecking=yes") < command.index("StrictHostKeyChecking=no")
    assert relay.ssh_command("old1", {})[-3:] == ["-p", "22", "old1"]


def test_a_file_is_carried_whole_and_private(here, tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "from").write_bytes(content)
    assert relay.read_file(here, str(tmp_path / "from")) == content
    relay.copy_file(here, str(tmp_path / "from"), here, str(tmp_path / "to it"))
    carried = tmp_path / "to it"
    assert carried.read_bytes() == content
    assert carried.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CouldNotJudgeError, match="writing"):
        relay.copy_file(here, str(tmp_path / "from"), here, str(carried))


@pytest.mark.parametrize("path", ["/a/fetch/../x", "/etc/passwd", "/a/fetch/b/c", "/a/fetch/", "a"])
def test_a_host_may_name_only_files_of_its_folder(path):
    assert relay.moved("/a/fetch/x.payload", "/a/fetch", "/b/fetch") == "/b/fetch/x.payload"
    with pytest.raises(CouldNotJudgeError, match="not in /a/fetch"):
        relay.moved(path, "/a/fetch", "/b/fetch")


def test_a_file_that_is_not_there_is_named(here, tmp_path):
    with pytest.raises(CouldNotJudgeError, match=r"reading .*nothing through the controller failed"):
        relay.read_file(here, str(tmp_path / "nothing"))


@pytest.mark.parametrize(("number", "series"), [(8, "aaaa"), (1, "bbbb")])
def test_nothing_is_carried_to_a_target_on_which_a_later_run_acted(here, tmp_path, monkeypatch, number, series):
    assert relay._REMEMBERED == fence.FOLDER
    permit = {"run_id": "r-1", "locks": {"mediation": 7}, "lock_series": {"mediation": "aaaa"}}
    monkeypatch.setattr(relay, "_REMEMBERED", str(tmp_path))
    newest = {"run_id": "r-1", "job": "drill-restore", "time": "now", "number": 7, "series": ["zzzz", "aaaa"]}
    with pytest.raises(CouldNotJudgeError, match="reading"):
        relay.demand_newest(here, "old1", "mediation", permit)
    (tmp_path / "mediation.json").write_text(json.dumps(newest))
    relay.demand_newest(here, "old1", "mediation", permit)
    overtaken = {**newest, "run_id": "r-2", "number": number, "series": [*newest["series"], series]}
    (tmp_path / "mediation.json").write_text(json.dumps(overtaken))
    with pytest.raises(RefusedError, match=f"r-1 has lock number 7 .* run r-2 .* old1 with number {number}"):
        relay.demand_newest(here, "old1", "mediation", permit)
