"""A source host hands out exactly what policy names, through one pinned program; its account can do nothing else."""

import base64
import hashlib
import json
import os
import zlib
from pathlib import Path

import pytest

import yunwei
from yunwei import policy
from yunwei.work import source_work

POLICY = policy.load(Path(os.environ["YUNWEI_INVENTORY"]))
PROGRAM = "/usr/libexec/yunwei/source.py"
ACCOUNT = "yunwei-source"
DIGEST = hashlib.sha256((Path(yunwei.__file__).parent / "source" / "yunwei_source.py").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def systems(host):
    """What policy lets this host hand out, by system."""
    return source_work(POLICY, host.backend.get_hostname())["systems"]


@pytest.fixture(scope="module")
def keys(host):
    """The lines of the account's authorized keys, each split into its options and its key."""
    home = host.user(ACCOUNT).home
    lines = host.file(f"{home}/.ssh/authorized_keys").content_string.splitlines()
    return [line.rsplit(" ssh-", 1)[0] for line in lines if line and not line.startswith("#")]


def forced_commands(keys):
    untied = [line for line in keys if not line.startswith('command="exec sudo -n ')]
    assert not untied, f"keys without their forced command: {untied}"
    return [line.split('"')[1] for line in keys]


def ask(host, command, words):
    """Run a key's forced command as sshd does: as the account, through its shell, with the client's words."""
    with host.sudo():
        done = host.run("runuser -u %s -- env SSH_ORIGINAL_COMMAND=%s sh -c %s | base64", ACCOUNT, words, command)
    return base64.b64decode(done.stdout)


def frame(answer, kind):
    """Return the JSON of the first frame of `kind` in an answer, or None."""
    at = len(b"YUNWEI-SOURCE 1\n")
    assert answer[:at] == b"YUNWEI-SOURCE 1\n", answer[:200]
    while at < len(answer):
        size = int.from_bytes(answer[at + 1 : at + 5], "big")
        if answer[at : at + 1] == kind:
            payload = answer[at + 5 : at + 5 + size]
            return zlib.decompress(payload) if kind == b"M" else json.loads(payload)
        at += 5 + size
    return None


def test_the_program_is_the_audited_one(host):
    program = host.file(PROGRAM)
    assert program.sha256sum == DIGEST
    assert (program.user, program.group, program.mode) == ("root", "root", 0o755)


@pytest.mark.parametrize("path", ["/usr/libexec", "/usr/libexec/yunwei", "/etc/yunwei", "/etc/yunwei/source.json"])
def test_only_root_can_change_program_and_configuration(host, path):
    found = host.file(path)
    assert found.user == "root"
    assert not found.is_symlink
    assert not found.mode & 0o022


def test_the_configuration_is_what_policy_says(host, systems):
    assert json.loads(host.file("/etc/yunwei/source.json").content_string) == {"systems": systems}


def test_the_account_cannot_change_its_keys_and_has_no_password(host):
    account = host.user(ACCOUNT)
    for path in (account.home, f"{account.home}/.ssh", f"{account.home}/.ssh/authorized_keys"):
        found = host.file(path)
        assert (found.user, found.mode & 0o022) == ("root", 0)
    with host.sudo():
        assert host.user(ACCOUNT).password == "*"  # noqa: S105 no password fits it
    assert account.groups == [ACCOUNT]


def test_each_system_has_one_key_tied_to_the_program(keys, systems):
    ends = sorted(command.split(PROGRAM)[1] for command in forced_commands(keys))
    assert ends == sorted(f" --system {system}" for system in systems)
    for line in keys:
        options = line.split('"')[2].split(",")[1:]
        assert {"no-pty", "no-port-forwarding", "no-agent-forwarding", "no-X11-forwarding", "no-user-rc"} <= set(
            options
        )


def test_sudo_allows_these_commands_and_no_other(host, keys):
    with host.sudo():
        allowed = host.check_output("sudo -n -l -U %s", ACCOUNT)
        rules = [line.split("NOPASSWD: ")[1] for line in allowed.splitlines() if "NOPASSWD" in line]
        assert sorted(rules) == sorted(command.replace("exec sudo -n ", "") for command in forced_commands(keys))
        assert "(ALL" not in allowed
        for words in ("id", f"{PROGRAM} manifest postgres", "sh -c id"):
            assert host.run(f"runuser -u {ACCOUNT} -- sudo -n {words}").rc != 0


@pytest.mark.parametrize("words", ["", "bash", "dump", "list; id", "files ../../etc", "scp -f /etc/shadow"])
def test_no_other_command_is_obeyed(host, keys, words):
    for command in forced_commands(keys):
        answer = ask(host, command, words)
        assert frame(answer, b"E")["where"] == "command"
        assert frame(answer, b"T") is None


def test_everything_that_policy_names_can_be_fetched_now(host, keys, systems):
    for command in forced_commands(keys):
        answer = ask(host, command, "list")
        assert frame(answer, b"H")["source_sha256"] == DIGEST
        lines = [json.loads(line) for line in frame(answer, b"M").splitlines()]
        system = systems[command.split()[-1]]
        assert {line["name"] for line in lines} == {*system["databases"], *system["file_sets"]}
        assert [line for line in lines if not line["reachable"]] == []
        assert frame(answer, b"T")["exit"] == 0
