"""What must not be in the repository."""

import re
import subprocess

import pytest

from yunwei.paths import content_root

ROOT = content_root()
DOCUMENTATION = re.compile(r"^(192\.0\.2|198\.51\.100|203\.0\.113)\.")
HARMLESS = re.compile(r"^(127\.|0\.0\.0\.0|255\.255\.255\.)")
ADDRESS = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
SECRET = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|hvs\.[A-Za-z0-9]{20,}|\bs\.[A-Za-z0-9]{24}\b")
HOSTS_OF_REGISTRIES = re.compile(r"https?://[^\s\"']*(pypi|pythonhosted|npmjs|debian\.org|mirror)", re.IGNORECASE)


def _files() -> list[tuple[str, str]]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    texts = []
    for name in filter(None, listed.split("\0")):
        try:
            texts.append((name, (ROOT / name).read_text(encoding="utf-8")))
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
    assert texts
    return texts


@pytest.fixture(scope="module")
def files() -> list[tuple[str, str]]:
    return _files()


def test_addresses_are_documentation_addresses(files):
    wrong = [
        f"{name}: {address}"
        for name, text in files
        if name != "requirements.lock" and not name.startswith("requirements")
        for address in ADDRESS.findall(text)
        if not DOCUMENTATION.match(address)
        and not HARMLESS.match(address)
        and all(int(part) < 256 for part in address.split("."))
    ]
    assert wrong == []


def test_no_secret_is_committed(files):
    assert [name for name, text in files if SECRET.search(text) and not name.startswith("tests/contract/")] == []


def test_no_registry_is_named(files):
    assert [
        name for name, text in files if HOSTS_OF_REGISTRIES.search(text) and not name.startswith("tests/contract/")
    ] == []


def test_sides_are_kept_apart(files):
    """Host code knows nothing of the controller's package; one file owns each outside library."""
    host = [
        name
        for name, text in files
        if name.startswith(("library/", "module_utils/")) and re.search(r"^\s*(from|import) yunwei(\.| )", text, re.M)
    ]
    assert host == []
    for library, owner in (
        ("ansible_runner", "yunwei/runner.py"),
        ("hvac", "yunwei/vault.py"),
        ("fabric", "yunwei/remote.py"),
        ("dateutil", "yunwei/policy/recurrence.py"),
        ("chinese_calendar", "yunwei/calendar/workdays.py"),
        ("icalendar", "yunwei/calendar/exchange.py"),
        ("docx", "yunwei/scan/feedback_files.py"),
        ("lxml", "yunwei/scan/xml.py"),
        ("openpyxl", "yunwei/scan/feedback_files.py"),
        ("ijson", "yunwei/scan/json_stream.py"),
        ("python_calamine", "yunwei/scan/workbook.py"),
    ):
        users = [
            name
            for name, text in files
            if name.startswith("yunwei/") and re.search(rf"^\s*(from|import) {library}\b", text, re.M)
        ]
        assert set(users) <= {owner, f"{owner[:-3]}/__init__.py"}, users


def test_python_2_can_read_what_runs_on_its_hosts(files):
    """Python 2 refuses a file with other characters than ASCII in it, unless its first lines name the coding."""
    host = ("library/", "module_utils/", "yunwei/source/", "roles/alert_watch/files/")
    unread = [
        name
        for name, text in files
        if name.startswith(host) and not text.isascii() and "coding" not in "".join(text.splitlines()[:2])
    ]
    assert unread == []


def test_ansible_keeps_its_safe_settings(files):
    settings = dict(files)["ansible.cfg"]
    for line in ("host_key_checking = True", "pipelining = True", "control_path = "):
        assert line in settings
