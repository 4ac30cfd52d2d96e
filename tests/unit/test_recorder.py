"""How a run is judged by what its tasks said."""

import pytest

from yunwei.recorder import LARGEST_SUMMARY, Recorder, Verdict

REFUSED = {"refused": "locked by another", "exit_code": 3}


def _recorder(*tasks: tuple[str, object]) -> Recorder:
    recorder = Recorder()
    for status, summary in tasks:
        recorder.add("backup1", "Act", status, summary)
    return recorder


@pytest.mark.parametrize(
    ("tasks", "status", "exit_code"),
    [
        ([("ok", None), ("changed", {"system": "x"}), ("skipped", None), ("ignored", REFUSED)], "done", 0),
        ([("failed", None)], "failed", 1),
        ([("unreachable", None)], "failed", 1),
        ([("failed", REFUSED)], "refused", 3),
        ([("failed", {"refused": "Vault is sealed", "exit_code": 1})], "refused", 1),
        ([("failed", {"refused": "locked"})], "refused", 3),
        ([("failed", REFUSED), ("failed", {"reason": "disk full"})], "failed", 1),
        ([("failed", {"exit_code": 4, "reason": "no manifest"})], "could not judge", 4),
        ([("failed", {"exit_code": 4}), ("failed", None)], "failed", 1),
    ],
)
def test_a_run_is_as_good_as_its_worst_task(tasks, status: str, exit_code: int):
    verdict = _recorder(*tasks).verdict(permitted=True)
    assert (verdict.status, verdict.exit_code) == (status, exit_code)


@pytest.mark.parametrize("tasks", [[], [("ok", None), ("skipped", None)], [("changed", {"system": "x"})]])
def test_a_run_without_a_permit_is_never_done(tasks):
    verdict = _recorder(*tasks).verdict(permitted=False)
    assert (verdict.status, verdict.exit_code) == ("refused", 2)
    assert "no job acted on any host" in str(verdict.reason)


def test_a_refusal_of_the_gate_itself_keeps_its_own_words():
    assert _recorder(("failed", REFUSED)).verdict(permitted=False) == Verdict("refused", 3, "locked by another")


def test_a_loop_is_judged_by_its_turns():
    recorder = _recorder(("failed", REFUSED))
    recorder.add("backup1", "Act", "failed", loop=True)
    assert recorder.verdict(permitted=True) == Verdict("refused", 3, "locked by another")
    recorder.add("backup1", "Act again", "failed", loop=True)
    assert recorder.verdict(permitted=True).status == "failed"


def test_a_host_that_failed_without_a_task_is_a_failure():
    recorder = Recorder(hosts={"backup1": {"ok": 1, "failures": 1}})
    assert recorder.verdict(permitted=True).status == "failed"


def test_the_reason_names_host_task_and_the_modules_words():
    verdict = _recorder(("failed", {"reason": "disk full"}), ("unreachable", None)).verdict(permitted=True)
    assert verdict.reason == "backup1: Act: failed: disk full\nbackup1: Act: unreachable"


@pytest.mark.parametrize(("host", "status"), [("app1", "refused"), ("db1", "failed")])
def test_a_host_that_fell_out_of_a_plan_is_why_it_was_refused_and_no_failure(host: str, status: str):
    recorder = _recorder(("failed", {"refused": "app1: out of reach", "exit_code": 3, "fallen_out": ["app1"]}))
    recorder.add(host, "Look", "unreachable")
    assert recorder.verdict(permitted=True).status == status


def test_artifacts_are_gathered_by_path_and_digest_alone():
    listed = [{"path": "/x", "sha256": "a", "content": "no"}, "nonsense"]
    recorder = _recorder(("ok", {"artifacts": listed}), ("ok", {"artifacts": "nonsense"}))
    assert recorder.body()["artifacts"] == [{"path": "/x", "sha256": "a"}]


@pytest.mark.parametrize("summary", [{"x": "y" * (LARGEST_SUMMARY + 1)}, {"x": float("nan")}, {"x": b"bytes"}])
def test_a_summary_that_is_too_large_or_no_json_is_noted_and_not_kept(summary: object):
    kept = _recorder(("ok", summary)).tasks[0]["yunwei"]
    assert "not_recorded" in kept
    assert len(str(kept)) < 300


PERMIT = {"locks": {"mediation": 7}, "lock_series": {"mediation": "aaaa"}}


@pytest.mark.parametrize(
    ("system", "lock", "permits"),
    [
        ("mediation", {"number": 8, "series": "aaaa"}, [PERMIT]),
        ("mediation", {"number": 7, "series": "bbbb"}, [PERMIT]),
        ("legalservice", {"number": 7, "series": "aaaa"}, [PERMIT]),
        ("mediation", {"number": 7, "series": "aaaa"}, []),
    ],
)
def test_a_lock_number_that_the_gate_did_not_issue_fails_the_run(system, lock, permits):
    recorder = _recorder(("ok", None))
    said = recorder.compare_lock("backup1", "Act", {"system": system, "lock": lock}, permits)
    assert said is not None
    assert said.startswith(f"backup1: Act: acted with lock {lock} of {system}; the gate issued ")
    assert recorder.verdict(permitted=True) == Verdict("failed", 1, said)


@pytest.mark.parametrize("summary", [None, {}, {"lock": None}, {"lock": {"number": 7, "series": "aaaa"}}])
def test_the_number_that_the_gate_issued_is_no_fault(summary):
    recorder = _recorder(("ok", None))
    given = {"system": "mediation", **summary} if summary else summary
    assert recorder.compare_lock("backup1", "Act", given, [PERMIT]) is None
    assert recorder.verdict(permitted=True) == Verdict("done", 0)
