"""A run that no host is for did nothing, and says so, whichever way it was started."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.estates import BIN, Estate
from yunwei.paths import content_root

PLAYBOOKS = content_root() / "playbooks"


def _yunwei(estate: Estate, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "yunwei"), *words, "-i", str(estate.inventory.folder)]
    return subprocess.run(command, env=estate.environment(), capture_output=True, text=True, check=False)


def _playbook(estate: Estate, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = estate.command(*words, playbook=PLAYBOOKS / f"{name}.yml")
    return subprocess.run(command, env=estate.environment(), capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", [["--limit", "db1"], ["--tags", "nothing"], ["--check", "--limit", "db1"]])
def test_a_play_without_a_permit_is_refused_under_plain_ansible(estate: Estate, words: list[str]):
    assert "REFUSED: no permit was issued, so no job acted on any host" in estate.play(*words, expect=2)
    record = estate.last_run()
    assert (record["status"], record["exit_code"], record["permits"], record["signed"]) == ("refused", 2, [], "yes")
    assert not estate.marker.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["run", "back-up", "--limit", "db1"],
        ["plan", "back-up", "--limit", "db1"],
        ["backups", "verify", "--all", "--limit", "db1"],
        ["backups", "list", "--limit", "db1"],
    ],
    ids=" ".join,
)
def test_the_command_says_it_too(estate: Estate, words: list[str]):
    done = _yunwei(estate, *words, "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["status"], document["verification"]) == (2, "refused", None), done.stderr
    assert "no job acted on any host" in document["reason"]


def test_one_misspelt_host_of_a_limit_stops_the_run_before_its_first_play(estate: Estate):
    assert "Could not match supplied host pattern, ignoring: bakcup1" in estate.play(
        "--limit", "backup1,bakcup1", expect=1
    )
    assert not estate.marker.exists()


def test_a_misspelt_host_of_a_playbook_stops_it_and_its_record_does_not_say_done(estate: Estate):
    given = json.dumps({"yunwei_systems": ["mediation"], "yunwei_to": ["bd1"]})
    done = _playbook(estate, "recover_system", "-e", given)
    assert done.returncode == 1, done.stdout
    assert "Could not match supplied host pattern, ignoring: bd1" in done.stderr
    record = estate.last_run()
    assert (record["status"], record["exit_code"]) == ("interrupted", 1)
    assert "no job acted on any host yet" in record["reason"]


def test_the_command_tells_what_ansible_said_of_a_group_that_is_missing(estate: Estate):
    estate.inventory.edit("hosts.yml", "    backup_servers:\n      hosts:", "    backup_server:\n      hosts:")
    estate.inventory.edit("hosts.yml", "        backup_servers:\n", "        backup_server:\n")
    done = _yunwei(estate, "run", "back-up")
    assert done.returncode == 1
    assert "Could not match supplied host pattern, ignoring: backup_servers" in done.stderr


@pytest.mark.parametrize(
    ("playbook", "group"), [("harden_servers", "hardening_canaries"), ("list_locks", "drill_hosts")]
)
def test_a_group_that_an_inventory_need_not_have_stops_nothing(estate: Estate, playbook: str, group: str):
    assert group in _playbook(estate, playbook, "--list-hosts").stdout
    estate.inventory.edit("hosts.yml", f"    {group}:\n", "    others:\n")
    listed = _playbook(estate, playbook, "--list-hosts")
    assert (listed.returncode, group in listed.stdout, "db1" in listed.stdout) == (0, False, True), listed.stderr
