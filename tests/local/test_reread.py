"""A copy that rots at the second site unseen: that site finds it by itself, and the next sync says so."""

import json
import os
import subprocess
import sys
import time

import pytest
from yunwei_host.faults import FaultError

from tests.pull_world import one_copied
from yunwei.paths import content_root

FILES = content_root() / "roles" / "miyun_site" / "files"
BOOT = """
import sys
sys.path.insert(0, {folder!r})
import miyun_receipt, miyun_reread
miyun_receipt.STORE, miyun_receipt.REMEMBERED = {base!r} + "/miyun", {base!r} + "/remembered"
miyun_reread.repository_gate.SHARE = {base!r} + "/site_share.json"
sys.exit(miyun_reread.main())
"""


@pytest.fixture
def world(tmp_path, monkeypatch):
    return one_copied(tmp_path, monkeypatch)


def reread(world):
    boot = BOOT.format(folder=str(FILES), base=str(world.base))
    return subprocess.run([sys.executable, "-B", "-c", boot], capture_output=True, text=True, check=False)


def test_what_rotted_with_nothing_else_changed_is_found_without_a_sync_and_fails_the_next_one(world):
    store, memory = world.base / "miyun" / "mediation", world.base / "remembered" / "mediation.json"
    pack = max((path for path in (store / "data").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    name = str(pack.relative_to(store))
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(content)
    remembered, found = json.loads(memory.read_text()), os.lstat(pack)
    # As on a disk that loses a bit: what the file system says of the file is what it said when it was read.
    remembered["files"][name]["identity"] = [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]
    memory.write_text(json.dumps(remembered))
    assert world.sync()["verdict"] == "passed", "its turn has not come"
    assert reread(world).returncode == 0
    remembered = json.loads(memory.read_text())
    remembered["files"][name]["read"] = time.time() - 28 * 86400
    memory.write_text(json.dumps(remembered))
    done = reread(world)
    assert (done.returncode, done.stderr) == (1, "")
    assert f"mediation: {name} is damaged: its content is not what its name says\n" in done.stdout
    for _ in range(2):
        with pytest.raises(FaultError, match=f"1 of its files are damaged, such as {name}"):
            world.sync()
