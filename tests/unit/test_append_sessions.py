"""Connections of appenders beside each other: whose locks go when, and whose bytes are claimed."""

import fcntl
import importlib.util
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from yunwei.paths import content_root

FILES = content_root() / "roles/miyun_site/files"


def load(name):
    spec = importlib.util.spec_from_file_location(name, FILES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


for needed in ("hpack", "append_rules", "site_limits"):
    load(needed)
append_session = load("append_session")


class Site:
    """The folders of a site; no lock of restic ever goes there but under the system's lock held alone."""

    def __init__(self, folder):
        self.sessions, self.repository = folder / "sessions", folder / "mediation"
        self.sessions.mkdir()
        (self.repository / "locks").mkdir(parents=True)

    def session(self):
        return append_session.Session("mediation", str(self.repository))

    def lock(self, session, digit):
        """Let a session's client lock the repository."""
        (self.repository / "locks" / (digit * 64)).touch()
        session.locks.add(digit * 64)
        session.write()

    def locks(self):
        return "".join(sorted(path.name[0] for path in (self.repository / "locks").iterdir()))

    def left(self):
        return len(list(self.sessions.glob("*.session")))

    def is_held_alone(self):
        try:
            os.close(append_session.locked(str(self.sessions / "mediation.lock"), fcntl.LOCK_SH | fcntl.LOCK_NB))
        except BlockingIOError:
            return True
        return False


@pytest.fixture
def site(tmp_path, monkeypatch):
    made, unlink = Site(tmp_path), os.unlink
    monkeypatch.setattr(append_session, "SESSIONS", str(made.sessions))

    def watched(path):
        assert made.is_held_alone(), f"{path} goes while others may append"
        unlink(path)

    monkeypatch.setattr(append_session.os, "unlink", watched)
    return made


def killed(session):
    """End a session as SIGKILL does: the kernel gives back what it held, and nothing else happens."""
    for descriptor in session._held:
        os.close(descriptor)


def test_what_a_client_left_locked_goes_with_its_session(site):
    with site.session() as session:
        site.lock(session, "a")
    assert (site.locks(), site.left()) == ("", 0)


def test_beside_a_living_session_nothing_goes_and_its_end_clears_what_all_left(site):
    (site.repository / "locks" / ("f" * 64)).touch()
    with site.session() as last:
        site.lock(last, "a")
        with site.session() as first:
            site.lock(first, "b")
        site.lock(dead := site.session().__enter__(), "c")
        killed(dead)
        with site.session():
            assert site.locks() == "abcf"
        assert site.locks() == "abcf"
    assert (site.locks(), site.left()) == ("f", 0), "a lock that no session made is not touched"


def test_what_a_session_that_was_killed_left_goes_before_the_next_one(site):
    site.lock(dead := site.session().__enter__(), "a")
    killed(dead)
    assert site.locks() == "a"
    with site.session():
        assert (site.locks(), site.left()) == ("", 1)


def test_while_the_site_prunes_nobody_begins_and_nothing_goes(site):
    site.lock(dead := site.session().__enter__(), "a")
    killed(dead)
    pruning = append_session.locked(str(site.sessions / "mediation.lock"), fcntl.LOCK_EX)
    with pytest.raises(append_session.BusyError, match="is pruning mediation"), site.session():
        pass
    os.close(pruning)
    assert site.locks() == "a"


def test_only_the_living_claim_bytes(site):
    with site.session() as mine, site.session() as living:
        dead = site.session().__enter__()
        for session, claimed in ((mine, 100), (living, 1), (dead, 10)):
            session.claimed = claimed
            session.write()
        killed(dead)
        with mine.alone():
            assert mine.claimed_by_others() == 1


def test_sessions_that_begin_and_end_at_once_are_not_taken_for_pruning(site):
    def come_and_go(_):
        for _ in range(10):
            with site.session():
                pass

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(come_and_go, range(6)))
    assert site.left() == 0
