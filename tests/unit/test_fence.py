"""A host remembers the highest lock number that acted on it, and refuses a run that was overtaken."""

import json
import os

import pytest
from yunwei_host import fence
from yunwei_host.faults import FaultError, RefusedByPolicyError
from yunwei_host.hostlock import HostLock


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(fence, "FOLDER", str(tmp_path / "var" / "locks"))
    return tmp_path


def permit(number, run="r-1", series="aaaa"):
    return {"run_id": run, "job": "back-up", "locks": {"s": number}, "lock_series": {"s": series}}


def act(folder, *given, **more):
    with HostLock("s", permit(*given, **more), str(folder)):
        pass


def remembered(folder):
    return json.loads((folder / "var" / "locks" / "s.json").read_text())


def test_a_lower_number_is_refused_and_both_runs_are_named(folder):
    act(folder, 3, "r-sleeper")
    act(folder, 5, "r-heir")
    with pytest.raises(RefusedByPolicyError, match=r"run r-sleeper \(job back-up\) has lock number 3 .*") as caught:
        act(folder, 3, "r-sleeper")
    assert "but run r-heir (job back-up) has acted on this host with number 5" in str(caught.value)
    assert "slept and was overtaken. Start the job again" in str(caught.value)
    assert caught.value.why == "overtaken"
    act(folder, 5, "r-heir")
    assert (remembered(folder)["number"], remembered(folder)["run_id"]) == (5, "r-heir")


def test_a_refused_run_gives_the_hosts_lock_back(folder):
    act(folder, 5)
    for _ in range(2):
        with pytest.raises(RefusedByPolicyError, match="has lock number 4"):
            act(folder, 4)
    act(folder, 6)


def test_what_is_remembered_is_for_root_alone_and_written_whole(folder):
    act(folder, 1)
    assert [(folder / "var" / name).stat().st_mode & 0o777 for name in ("locks", "locks/s.json")] == [0o700, 0o600]
    assert os.listdir(folder / "var" / "locks") == ["s.json"]


def test_a_series_that_is_new_follows_and_the_old_one_stays_refused(folder):
    act(folder, 40, series="aaaa")
    act(folder, 1, "r-new-vault", series="bbbb")
    with pytest.raises(RefusedByPolicyError, match=r"number 40 .* run r-new-vault .* number 1.*made anew") as caught:
        act(folder, 40, series="aaaa")
    assert caught.value.why == "overtaken"
    with pytest.raises(RefusedByPolicyError):
        act(folder, 41, series="aaaa")
    act(folder, 2, series="bbbb")
    act(folder, 1, series="cccc")
    assert remembered(folder)["series"] == ["aaaa", "bbbb", "cccc"]


@pytest.mark.parametrize(
    "broken",
    [
        {"locks": {}},
        {"lock_series": {}},
        {"locks": {"other": 9}},
        {"locks": {"s": "9"}},
        {"locks": None},
    ],
)
def test_a_permit_without_a_number_is_refused(folder, broken):
    with pytest.raises(RefusedByPolicyError, match="names no number of the lock of system s") as caught:
        HostLock("s", {**permit(9), **broken}, str(folder)).__enter__()
    assert caught.value.why == "permit"
    assert not (folder / "var").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"number": 1}', "\udcff"])
def test_a_damaged_memory_stops_and_is_named(folder, text):
    act(folder, 1)
    (folder / "var" / "locks" / "s.json").write_text(text, errors="surrogateescape")
    with pytest.raises(FaultError, match=r"s\.json is .*move it away"):
        act(folder, 2)
    (folder / "var" / "locks" / "s.json").unlink()
    act(folder, 2)


def test_the_result_names_the_number_that_it_was_acted_with():
    assert fence.told("s", permit(3)) == {"number": 3, "series": "aaaa"}
    assert fence.told("other", permit(3)) is None
    assert fence.FOLDER == "/var/lib/yunwei/locks"
