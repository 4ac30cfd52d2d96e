"""What the measurements put aside comes back, wherever they were killed."""

import shutil
import subprocess

import pytest

from bench.ground import PUT_ASIDE, PUT_BACK


class Place:
    """A repository and records that were there, and a cache that was not."""

    def __init__(self, folder):
        self.aside = folder / "aside"
        self.repository, self.records, self.cache = (folder / name for name in ("repo", "records", "cache"))
        self.paths = (self.repository, self.records, self.cache)
        for path in self.paths[:2]:
            self.write(path, "ours")

    def write(self, path, text):
        path.mkdir()
        (path / "file").write_text(text)

    def found(self):
        return [(path / "file").read_text() if path.exists() else None for path in self.paths]

    def run(self, script):
        text = script.format(aside=self.aside, paths=" ".join(map(str, self.paths)))
        subprocess.run(["bash", "-euo", "pipefail", "-s"], input=text.encode(), check=True)

    def measure(self):
        """Go through a whole measurement, which starts with nothing and leaves its own."""
        self.run(PUT_ASIDE)
        assert self.found() == [None, None, None]
        for path in self.paths:
            self.write(path, "measured")
        self.run(PUT_BACK)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_what_was_there_comes_back_and_what_was_not_goes(place):
    place.measure()
    assert place.found() == ["ours", "ours", None]
    assert not list(place.aside.parent.glob("aside*"))
    place.run(PUT_BACK)
    assert place.found() == ["ours", "ours", None]


def test_killed_while_putting_aside(place):
    kept = place.aside.with_name("aside.new").joinpath(str(place.repository).lstrip("/"))
    kept.parent.mkdir(parents=True)
    place.repository.rename(kept)
    place.measure()
    assert place.found() == ["ours", "ours", None]


def test_killed_while_measuring(place):
    place.run(PUT_ASIDE)
    place.write(place.repository, "measured")
    place.run(PUT_ASIDE)
    shutil.rmtree(place.repository)
    place.measure()
    assert place.found() == ["ours", "ours", None]


def test_killed_while_putting_back(place):
    place.run(PUT_ASIDE)
    back = place.aside.rename(place.aside.with_name("aside.back"))
    back.joinpath(str(place.repository).lstrip("/")).rename(place.repository)
    place.measure()
    assert place.found() == ["ours", "ours", None]
