"""Every list of jobs that is kept in two places agrees."""

from pathlib import Path

import pytest

from yunwei.errors import UsageError
from yunwei.jobs import JobClass, all_jobs, find_job
from yunwei.paths import content_root

# What the second site's administrator runs there: not jobs of the wrapper.
SET_UP = {"prepare_miyun.yml", "retire_at_miyun.yml"}


def test_every_job_is_a_playbook_of_the_same_name_and_back():
    playbooks = {path.name for path in (content_root() / "playbooks").glob("*.yml")}
    assert {job.playbook.name for job in all_jobs().values()} == playbooks - SET_UP
    assert playbooks >= SET_UP


def test_every_proof_of_a_job_exists():
    proofs = {proof for job in all_jobs().values() for proof in job.proofs}
    assert proofs
    for proof in proofs:
        assert (content_root() / "roles" / proof.role / "verify" / f"test_{proof.role}.py").is_file(), proof


def test_the_calendar_never_holds_up_a_backup_a_copy_a_drill_or_a_recovery():
    kept = {"back-up", "sync-to-miyun", "drill-restore", "recover-system", "list-backups", "verify-backups"}
    jobs = all_jobs()
    assert kept <= set(jobs)
    assert not any(jobs[name].job_class.asks_calendar for name in kept)
    assert [one for one in JobClass if one.asks_calendar] == [JobClass.DISRUPTIVE]


def test_jobs_that_only_read_say_so():
    reading = {name for name, job in all_jobs().items() if job.job_class is JobClass.READ_ONLY}
    assert reading == {"fetch-logs", "inspect-databases", "list-backups", "list-heads", "list-locks", "verify-backups"}


def test_an_unknown_job_names_the_nearest_one():
    with pytest.raises(UsageError, match="Did you mean back-up"):
        find_job("bakc-up")


def test_every_role_has_its_parts():
    roles = sorted(path for path in (content_root() / "roles").iterdir() if path.is_dir())
    assert roles
    missing = [str(path) for role in roles for path in _parts(role) if not path.is_file()]
    assert missing == []


def _parts(role: Path) -> list[Path]:
    return [
        role / "README.md",
        role / "meta" / "argument_specs.yml",
        role / "tasks" / "main.yml",
        role / "verify" / f"test_{role.name}.py",
        content_root() / "molecule" / role.name / "molecule.yml",
    ]
