"""No secret of any system is left on the controller or on a host after whole runs. Runs late: others have worked."""

from __future__ import annotations

import subprocess

import pytest

from yunwei import policy
from yunwei.paths import state_dir
from yunwei.vault import VaultClient

pytestmark = pytest.mark.lab

HOSTS = ("app1", "db1", "legacy1", "backup1", "scratch1", "miyun1")
PLACES = "/etc /home /root /run /srv/backup /srv/restore /tmp /var/lib/yunwei-source /var/log /var/tmp /dev/shm"
SEARCH = f"""cat > /dev/shm/wanted
journalctl --no-pager 2> /dev/null | grep -cFf /dev/shm/wanted
grep -rlaFf /dev/shm/wanted --exclude=wanted {PLACES} 2> /dev/null
rm /dev/shm/wanted"""
NAMES = ("repository-local", "repository-miyun", "miyun-append", "miyun-read", "local-read")


@pytest.fixture(scope="module")
def secrets(lab) -> list[str]:
    """Return every password, and of every private key a line of its middle."""
    known = policy.load(lab.inventory)
    vault = VaultClient(known.estate.vault)
    vault.login()
    try:
        found = [vault.read(path) for path in _paths(known)]
    finally:
        vault.revoke()
    values = [value for one in found for name, value in one.items() if name != "public_key"]
    return [value.splitlines()[len(value.splitlines()) // 2] for value in values]


def _paths(known: policy.Policy) -> list[str]:
    own = [(system.id, f"source-{item.host}") for system in known.systems.values() for item in system.items()]
    return sorted({f"systems/{system}/{name}" for system, name in own + [(s, n) for s in known.systems for n in NAMES]})


def _search(secrets: list[str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input="\n".join(secrets) + "\n", capture_output=True, text=True, check=False)


def test_the_search_finds_a_secret_that_is_there(secrets, tmp_path):
    (tmp_path / "leak").write_text(f"before {secrets[0]} after", encoding="utf-8")
    assert _search(secrets, "grep", "-rlFf", "/dev/stdin", str(tmp_path)).stdout.strip() == str(tmp_path / "leak")


def test_nothing_is_left_on_the_controller(secrets):
    assert _search(secrets, "grep", "-rlaFf", "/dev/stdin", str(state_dir())).stdout == ""


@pytest.mark.parametrize("host", HOSTS)
def test_nothing_is_left_on_a_host(lab, secrets, host):
    inside = ("podman", "exec", "-i", f"yunwei-{lab.slot}-{host}", "sh", "-c")
    assert _search(secrets, *inside, SEARCH).stdout.split() == ["0"]
