"""An import that is killed leaves nothing, and the next one works; two at once do not disturb each other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.scan_reports import Importer, nessus, nessus_host, nessus_item
from yunwei.paths import content_root

EXAMPLE = content_root() / "inventories" / "example"
LARGE = nessus(nessus_host([nessus_item(number, output="x" * 400) for number in range(15_000)]))


# Run as a module is, by a process that the kernel ends as soon as one of its files would grow beyond a size.
ENDS_AT = (
    "import resource, runpy, signal, sys; size = int(sys.argv.pop(1));"
    "signal.signal(signal.SIGXFSZ, signal.SIG_DFL); resource.setrlimit(resource.RLIMIT_CORE, (0, 0));"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)); runpy.run_module('yunwei', run_name='__main__')"
)


def _import(path: Path, state: Path, *, by: Sequence[str] = ("-m", "yunwei")) -> subprocess.Popen[str]:
    words = [sys.executable, *by, "scan", "import", str(path), "-i", str(EXAMPLE), "--json"]
    return subprocess.Popen(
        words, env={**os.environ, "YUNWEI_STATE": str(state)}, cwd=content_root(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("drafted", [1, 400_000, 2_000_000])
def test_a_killed_import_leaves_no_report_and_the_next_is_whole(tmp_path, drafted):
    report, store = Importer(tmp_path).write(LARGE), tmp_path / "state" / "scans"
    killed = _import(report, tmp_path / "state", by=("-c", ENDS_AT, str(drafted)))
    assert (killed.communicate()[1], killed.returncode) == ("", -signal.SIGXFSZ)
    assert [one for one in store.glob("*.new") if one.stat().st_size > drafted // 2] or drafted == 1
    assert list(store.glob("*.sqlite")) == []
    again = _import(report, tmp_path / "state")
    out, err = again.communicate()
    assert again.returncode == 0, err
    assert '"medium": 15000' in out
    assert [one.suffix for one in store.iterdir() if one.name != ".lock"] == [".sqlite"]


def test_two_imports_at_once_store_both(tmp_path):
    importer = Importer(tmp_path)
    running = [
        _import(importer.write(LARGE.replace("A flaw", f"F{one}"), f"{one}"), tmp_path / "state") for one in "ab"
    ]
    for one in running:
        _, err = one.communicate()
        assert one.returncode == 0, err
    assert len(list((tmp_path / "state" / "scans").glob("*.sqlite"))) == 2


def test_a_full_disk_stores_nothing(tmp_path):
    """A limit on the size of files stands for the disk: the write fails in the same way."""
    report = Importer(tmp_path).write(LARGE)
    words = [sys.executable, "-m", "yunwei", "scan", "import", str(report), "-i", str(EXAMPLE)]
    done = subprocess.run(
        ["bash", "-c", 'trap "" XFSZ; ulimit -f 500; exec "$@"', "-", *words], cwd=content_root(), text=True,
        env={**os.environ, "YUNWEI_STATE": str(tmp_path / "state")}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    assert "was not stored" in done.stderr
    assert [one.name for one in (tmp_path / "state" / "scans").iterdir()] == [".lock"]
