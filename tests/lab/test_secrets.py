"""No secret of any system is left on the controller or on a host after whole runs. Runs late: others have worked."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.leaks import forms, read_secrets
from yunwei import policy
from yunwei.paths import state_dir

pytestmark = pytest.mark.lab

HOSTS = ("app1", "db1", "legacy1", "backup1", "scratch1", "miyun1")
PLACES = "/etc /home /root /run /srv/backup /srv/restore /tmp /var/cache /var/crash /var/lib /var/log /var/tmp /dev/shm"
SEARCH = f"""cat > /dev/shm/wanted
journalctl --no-pager 2> /dev/null | grep -cFf /dev/shm/wanted
grep -rlaFf /dev/shm/wanted --exclude=wanted {PLACES} 2> /dev/null
rm /dev/shm/wanted"""
HOME = Path.home()
CONTROLLER = (state_dir(), HOME / ".ansible", HOME / ".cache", *Path(tempfile.gettempdir()).glob("*ansible*"))


@pytest.fixture(scope="module")
def secrets(lab) -> list[str]:
    """Return every form in which a secret may lie somewhere."""
    found = {form for secret in read_secrets(policy.load(lab.inventory)) for form in forms(secret)}
    return sorted(form.decode() for form in found)


def _search(secrets: list[str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input="\n".join(secrets) + "\n", capture_output=True, text=True, check=False)


def test_the_search_finds_a_secret_that_is_there(secrets, tmp_path):
    (tmp_path / "leak").write_text(f"before {secrets[0]} after", encoding="utf-8")
    assert _search(secrets, "grep", "-rlFf", "/dev/stdin", str(tmp_path)).stdout.strip() == str(tmp_path / "leak")


def test_nothing_is_left_on_the_controller(secrets):
    places = [str(place) for place in CONTROLLER if place.exists()]
    assert str(state_dir()) in places
    assert _search(secrets, "grep", "-rlaFf", "/dev/stdin", *places).stdout == ""


@pytest.mark.parametrize("host", HOSTS)
def test_nothing_is_left_on_a_host(lab, secrets, host):
    inside = ("podman", "exec", "-i", f"yunwei-{lab.slot}-{host}", "sh", "-c")
    assert _search(secrets, *inside, SEARCH).stdout.split() == ["0"]
