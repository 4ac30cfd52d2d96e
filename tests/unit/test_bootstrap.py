"""How `./demo` and `./check` become root, from whatever folder and by whatever name they are called."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from yunwei.paths import content_root

# Not the real one, which would do what it is told: this one says what that is.
SUDO = '#!/bin/sh\nprintf "%s\\n" "$@"\n'


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A checkout that user `nobody` can read, with a `sudo` beside it."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "yunwei"
        folder.mkdir()
        for name in ("demo", "check"):
            shutil.copy(content_root() / name, folder)
        shutil.copytree(content_root() / "tools", folder / "tools")
        sudo = Path(parent) / "sudo"
        sudo.write_text(SUDO)
        sudo.chmod(0o755)
        Path(parent).chmod(0o755)
        yield folder


@pytest.mark.parametrize(("folder", "called"), [("..", "yunwei/demo"), (".", "./demo"), ("..", "yunwei/check")])
def test_root_starts_the_same_script_with_the_same_words(checkout: Path, folder: str, called: str):
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*nobody, "bash", called, "fast"],
        cwd=checkout / folder,
        env={"PATH": f"{checkout.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    script = str(checkout / Path(called).name)
    assert done.stdout.splitlines() == ["-E", "-H", "bash", script, "fast"], done.stderr
