"""Everything that controller and backup server hold is turned against the second site: nothing there changes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from yunwei_host.faults import RefusedBySiteError
from yunwei_host.rawrequest import ask
from yunwei_host.restic import Repository

from tests.lab.conftest import Lab
from tests.lab.test_back_up import SYSTEM
from tests.lab.test_sync import STORE, SYNC, far_snapshots
from yunwei import policy
from yunwei.vault import VaultClient

pytestmark = pytest.mark.lab

NAMES = ("repository-local", "repository-miyun", "miyun-append", "miyun-read", "local-read")
STRANGERS = ("root", "miyunadmin", "ops", "miyun-sign", "yunwei-read")
APPEND_KEY = f"{SYSTEM}-miyun-append"
READ_KEY = f"{SYSTEM}-miyun-read"
# sshd ends a connection after six keys.
MOST_KEYS = 5
SHELLS = ("id", "sh", "", "cat >> .ssh/authorized_keys", "rm -rf /srv/miyun", "head 1 x; id")
LIMITS = f"/etc/yunwei/site_limits/{SYSTEM}.json"
FIND = "find {} -type f ! -path '*/locks/*' -printf '%p %s %T@ %m %u\\n' | sort; stat -c '%n %Y %U %a' {}"


@dataclass
class Attacker:
    """Every private key that was found, and every password; ssh to the second site with any of them."""

    lab: Lab
    folder: Path
    passwords: dict[str, str]

    @property
    def keys(self) -> dict[str, Path]:
        return {path.name: path for path in sorted(self.folder.iterdir())}

    def take(self, name: str, text: str) -> None:
        path = self.folder / name
        path.touch(0o600)
        path.write_text(text.rstrip("\n") + "\n")

    def ssh(self, account: str, *names: str) -> list[str]:
        estate = policy.load(self.lab.inventory).estate
        words = ["ssh", "-F", "/dev/null", "-p", str(estate.sites.miyun.port), "-o", "BatchMode=yes"]
        words += ["-o", "IdentitiesOnly=yes", "-o", f"UserKnownHostsFile={estate.known_hosts_file}"]
        words += ["-o", "GlobalKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-T"]
        words += [word for name in names for word in ("-i", str(self.keys[name]))]
        return [*words, f"{account}@{estate.sites.miyun.address}"]

    def restic(self, account: str, name: str) -> Repository:
        program = "rclone.program=" + " ".join(self.ssh(account, name))
        return Repository(
            "rclone:x", self.passwords[f"{SYSTEM}-repository-miyun"], "there", ["--no-cache", "-o", program]
        )


@pytest.fixture(scope="module")
def attacker(lab: Lab) -> Iterator[Attacker]:
    """Collect what can be read: all that Vault gives to the engineer, keys in files here and on the backup server."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm"))
    found = Attacker(lab, folder, {})
    known = policy.load(lab.inventory)
    vault = VaultClient(known.estate.vault)
    vault.login()
    try:
        own = {(system.id, f"source-{item.host}") for system in known.systems.values() for item in system.items()}
        for system, name in sorted(own | {(system, name) for system in known.systems for name in NAMES}):
            secret = vault.read(f"systems/{system}/{name}")
            if "private_key" in secret:
                found.take(f"{system}-{name}", secret["private_key"])
            else:
                found.passwords[f"{system}-{name}"] = secret["password"]
    finally:
        vault.revoke()
    hosts_key = Path(known.estate.known_hosts_file).parent / "ops_key"
    found.take("ops", hosts_key.read_text())
    search = "grep -rlI -e '-BEGIN .*PRIVATE KEY-' /etc /home /root /run /srv /var /dev/shm 2>/dev/null"
    for path in lab.podman("backup1", "sh", "-c", search, check=False).stdout.split():
        found.take("backup1" + path.replace("/", "-"), lab.podman("backup1", "cat", path).stdout)
    try:
        if not far_snapshots(lab):
            lab.plain("back-up", [SYSTEM], now=True)
            lab.plain("sync-to-miyun", [SYSTEM])
        yield found
    finally:
        shutil.rmtree(folder)


def held(lab: Lab) -> str:
    """Return everything that must not change at the second site."""
    places = (
        f"{STORE} /var/lib/miyun-append /var/lib/miyun-read /var/lib/miyun-sign/pins /etc/yunwei /usr/libexec/yunwei"
    )
    return lab.podman("miyun1", "sh", "-c", FIND.format(places, places)).stdout


@pytest.fixture
def untouched(lab: Lab) -> Iterator[None]:
    """Hold what is there against what was there."""
    before = held(lab)
    assert f"{STORE}/snapshots/" in before
    yield
    assert held(lab) == before


def run(command: list[str], *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command, *words], input=given, capture_output=True, text=True, timeout=60, check=False)


def test_no_key_opens_another_account_than_its_own(attacker: Attacker, untouched: None):
    names = list(attacker.keys)
    assert {"ops", APPEND_KEY, READ_KEY} < set(names)
    assert [name for name in names if name.startswith("backup1-etc-ssh")], "host keys were not found"
    own = {"miyun-append": "miyun-append", "miyun-read": "miyun-read"}
    for account in (*STRANGERS, *own):
        others = [name for name in names if not name.endswith(own.get(account, "/"))]
        for at in range(0, len(others), MOST_KEYS):
            tried = run(attacker.ssh(account, *others[at : at + MOST_KEYS]), "id")
            assert (tried.returncode, tried.stdout) == (255, ""), (account, others[at : at + MOST_KEYS])
            assert "Permission denied" in tried.stderr


@pytest.mark.parametrize(("account", "name"), [("miyun-append", APPEND_KEY), ("miyun-read", READ_KEY)])
def test_no_word_opens_a_shell_or_edits_the_keys(attacker: Attacker, untouched: None, account: str, name: str):
    stranger = (attacker.folder / name).read_text()
    for words in SHELLS:
        tried = run(attacker.ssh(account, name), *([words] if words else []), given=stranger)
        assert (tried.returncode, tried.stdout) == (1, ""), words
        assert "repository_gate" in tried.stderr
    assert run([*attacker.ssh(account, name)[:-1], "-s", attacker.ssh(account, name)[-1]], "sftp").returncode != 0


@pytest.mark.parametrize("words", ["prune", "unlock", "key"])
def test_restic_with_the_appending_key_changes_nothing(attacker: Attacker, untouched: None, words: str):
    there = attacker.restic("miyun-append", APPEND_KEY)
    newest = max(there.snapshots(), key=lambda one: str(one["time"]))["id"]
    trials: dict[str, list[str]] = {
        "prune": ["forget", newest, "--prune"],
        "unlock": ["unlock", "--remove-all"],
        "key": ["key", "add", "--new-password-file", "/dev/null"],
    }
    lock = f"{STORE}/locks/{'a' * 64}"
    attacker.lab.podman("miyun1", "touch", lock)
    try:
        with pytest.raises(RefusedBySiteError):
            there.call(trials[words])
        attacker.lab.podman("miyun1", "test", "-e", lock)
    finally:
        attacker.lab.podman("miyun1", "rm", lock)


def test_no_single_request_changes_anything_with_either_key(attacker: Attacker, untouched: None):
    there = attacker.restic("miyun-append", APPEND_KEY)
    snapshot, pack = (there.names_of(kind)[0] for kind in ("snapshots", "packs"))
    for account, name in (("miyun-append", APPEND_KEY), ("miyun-read", READ_KEY)):
        for method, path, content in (("DELETE", f"/snapshots/{snapshot}", None), ("POST", f"/data/{pack}", b"other")):
            answer = ask([*attacker.ssh(account, name), "serve", "restic"], method, path, content)
            assert answer[0] == "refused" or account == "miyun-read"


def test_the_disk_is_not_filled(attacker: Attacker, lab: Lab):
    limits = lab.podman("miyun1", "cat", LIMITS).stdout
    used = int(lab.podman("miyun1", "du", "-sb", STORE).stdout.split()[0])
    lab.podman("miyun1", "tee", LIMITS, stdin=json.dumps({**json.loads(limits), "quota_bytes": used + (8 << 20)}))
    there = attacker.restic("miyun-append", APPEND_KEY)
    try:
        child = there.start(["backup", "--stdin", "--stdin-filename", "/x"], stdin=-1, stdout=-3, stderr=-1)
        _, said = child.communicate(os.urandom(64 << 20))
        assert child.returncode != 0
        with pytest.raises(RefusedBySiteError, match=f"quota: {SYSTEM} holds"):
            there.judge(child.returncode, said, "backup")
    finally:
        lab.podman("miyun1", "tee", LIMITS, stdin=limits)
    assert int(lab.podman("miyun1", "du", "-sb", STORE).stdout.split()[0]) < used + (8 << 20)


def test_after_all_of_it_the_copy_is_whole_and_the_next_sync_proves_it(attacker: Attacker, lab: Lab):
    done: dict[str, Any] = lab.json(*SYNC)
    (summary,) = [one["yunwei"] for one in done["results"] if "receipt" in one["yunwei"]]
    assert (summary["verdict"], summary["damage"], summary["probe"]["refused"]) == ("passed", [], True)
    assert (summary["receipt"]["keys"]["added"], summary["receipt"]["keys"]["gone"]) == ([], [])
    assert attacker.restic("miyun-append", APPEND_KEY).check() == []
