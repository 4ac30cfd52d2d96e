"""What a source key can do over real SSH: fetch what policy names for its own system, exactly, and nothing else."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.unit import source_runner
from yunwei import policy
from yunwei.lab import seeding
from yunwei.vault import VaultClient

pytestmark = pytest.mark.lab

# Everything that a restore must bring back, one entry a line; names end in NUL because they may hold anything else.
FIND = ("find", "{}", "-printf", "%y %m %U %G %T@ %l\\0%p\\0")
Ssh = Callable[..., list[str]]


@pytest.fixture(scope="module")
def keys(lab) -> Iterator[Path]:
    """Fetch the lab's source keys the way a run does; they lie on tmpfs for as long as these tests run."""
    estate = policy.load(lab.inventory)
    client = VaultClient(estate.estate.vault)
    client.login()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        for system, host in (("mediation", "app1"), ("mediation", "db1"), ("legalservice", "db1"),
                             ("legalservice", "legacy1")):  # fmt: skip
            path = Path(folder, f"{system}-{host}")
            path.touch(0o600)
            path.write_text(client.read(f"systems/{system}/source-{host}")["private_key"].rstrip("\n") + "\n")
        client.revoke()
        yield Path(folder)


@pytest.fixture
def ssh(lab, keys) -> Ssh:
    """Return the words of an ssh command with one system's key for one host."""
    inventory = yaml.safe_load((lab.inventory / "hosts.yml").read_text(encoding="utf-8"))
    hosts = inventory["all"]["children"]["sources"]["hosts"]
    known = inventory["all"]["vars"]["yunwei_known_hosts_file"]

    def words(system: str, host: str, *rest: str, options: tuple[str, ...] = ()) -> list[str]:
        fixed = ["-F", "/dev/null", "-i", str(keys / f"{system}-{host}")]
        for option in ("IdentitiesOnly=yes", "BatchMode=yes", f"UserKnownHostsFile={known}", "ControlPath=none",
                       "GlobalKnownHostsFile=/dev/null", "StrictHostKeyChecking=yes"):  # fmt: skip
            fixed += ["-o", option]
        return ["ssh", *fixed, *options, f"yunwei-source@{hosts[host]['ansible_host']}", *rest]

    return words


def ask(words: list[str]) -> source_runner.Heard:
    return source_runner.hear(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE))


REFUSED = ["id", "", "bash -i", "cat /etc/shadow", "dump mediation; id", "manifest mediation", "internal-sftp",
           "files app --system legalservice", "rsync --server . /"]  # fmt: skip


@pytest.mark.parametrize("command", REFUSED)
@pytest.mark.parametrize("host", ["app1", "legacy1"])
def test_a_key_runs_no_other_command(ssh, host, command):
    system = {"app1": "mediation", "legacy1": "legalservice"}[host]
    heard = ask(ssh(system, host, *([command] if command else [])))
    assert heard.code == 2
    assert heard.failure
    assert heard.failure.where == "command"


def test_a_key_gets_no_terminal_no_subsystem_no_forwarding(ssh):
    terminal = subprocess.run(ssh("mediation", "app1", "list", options=("-tt",)), capture_output=True, check=False)
    assert b"PTY allocation request failed" in terminal.stderr
    heard = ask(ssh("mediation", "app1", "sftp", options=("-s",)))
    assert heard.failure
    forwarded = subprocess.run(
        ssh("mediation", "app1", options=("-W", "127.0.0.1:22")), capture_output=True, check=False
    )
    assert forwarded.returncode != 0
    assert b"administratively prohibited" in forwarded.stderr
    assert forwarded.stdout == b""
    listening = ("-N", "-R", "2222:127.0.0.1:22", "-o", "ExitOnForwardFailure=yes")
    backwards = subprocess.run(
        ssh("mediation", "app1", options=listening), capture_output=True, check=False, timeout=20
    )
    assert backwards.returncode != 0


def test_one_systems_key_reaches_nothing_of_another(ssh):
    heard = ask(ssh("mediation", "db1", "dump legalservice"))
    assert heard.code == 2
    assert heard.failure
    assert heard.failure.reason == "is not in the policy; allowed: mediation"
    names = {line["name"] for line in ask(ssh("legalservice", "db1", "list")).lines}
    assert names == {"legalservice"}


SETS = {"legacy1": ("legalservice", "files portal", "/srv/portal", "2.7"),
        "app1": ("mediation", "files app", "/srv/mediation", "3.")}  # fmt: skip


@pytest.mark.parametrize("host", SETS)
def test_a_file_set_comes_back_exactly_with_plain_tar(lab, ssh, tmp_path, host):
    system, command, root, python = SETS[host]
    before = picture(lab, host, root)
    heard = ask(ssh(system, host, command))
    after = picture(lab, host, root)
    assert heard.failure is None
    assert heard.head["python"].startswith(python)
    subprocess.run(["tar", "-xpf", "-", "--numeric-owner", "-C", tmp_path], input=heard.payload, check=True)
    found = read_picture(subprocess.run(at(tmp_path, root), capture_output=True, check=True).stdout)
    restored = {path.removeprefix(os.fsencode(tmp_path)): facts for path, facts in found.items()}
    settled = {path for path in before if before[path] == after.get(path)}  # the application writes while it runs
    assert {path: restored.get(path) for path in settled} == {path: before[path] for path in settled}
    assert len(before) - 20 <= len(settled) <= len(restored)
    assert len(settled) > 10 * seeding.percent()


def at(folder: Path, root: str) -> list[str]:
    return [word.format(f"{folder}{root}") for word in FIND]


def picture(lab, host: str, root: str) -> dict[bytes, bytes]:
    done = subprocess.run(
        ["podman", "exec", f"yunwei-{lab.slot}-{host}", *[word.format(root) for word in FIND]],
        capture_output=True,
        check=True,
    )
    return read_picture(done.stdout)


def read_picture(text: bytes) -> dict[bytes, bytes]:
    """Return {path: type, mode, owner, whole seconds, link} without sockets, which no archive can hold."""
    parts = text.split(b"\0")[:-1]
    facts = {}
    for attributes, path in zip(parts[::2], parts[1::2], strict=True):
        kind, mode, uid, gid, when, *link = attributes.split(b" ", 5)
        if kind != b"s":
            facts[path] = b" ".join([kind, mode, uid, gid, when.split(b".")[0], *link])
    return facts
