"""A proof that fails, one that cannot connect and one that is missing are told apart."""

import os
from pathlib import Path

import pytest

from yunwei import proofs
from yunwei.jobs import Job, JobClass, Proof
from yunwei.work import Chosen

INVENTORY = """
all:
  hosts:
    here: {ansible_connection: local}
    away: {ansible_host: 127.0.0.1, ansible_port: 1, ansible_user: nobody}
  children:
    many:
      vars: {ansible_connection: local}
      hosts: {one: {}, two: {}, three: {}, four: {}, five: {}}
"""
LAB = Path(__file__).resolve().parents[2] / "inventories" / "lab"


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    (tmp_path / "hosts.yml").write_text(INVENTORY, encoding="utf-8")
    return tmp_path


@pytest.fixture
def prove(tmp_path: Path, inventory: Path, monkeypatch: pytest.MonkeyPatch):
    def run(body: str, group: str = "here", chosen: Chosen | None = None) -> proofs.ProofResult:
        folder = tmp_path / "roles" / "sample" / "verify"
        folder.mkdir(parents=True)
        (folder / "test_sample.py").write_text(body, encoding="utf-8")
        monkeypatch.setattr(proofs, "content_root", lambda: tmp_path)
        job = Job("sample", JobClass.READ_ONLY, "", (Proof("sample", group),))
        return proofs.prove(job, inventory, ["mediation"], chosen=chosen)

    return run


def test_a_true_proof_passes_and_sees_systems_and_inventory(prove, inventory):
    body = f"""
import os
def test_it(host):
    assert host.file("/etc/passwd").exists
    assert os.environ["YUNWEI_SYSTEMS"] == "mediation"
    assert os.environ["YUNWEI_INVENTORY"] == {str(inventory)!r}
"""
    result = prove(body)
    assert result.verdict == "passed", result.findings


def test_standard_input_that_does_not_block_is_no_hindrance(prove):
    """As ssh leaves it behind."""
    kept, (reading, writing) = os.dup(0), os.pipe()
    os.set_blocking(reading, False)
    os.dup2(reading, 0)
    try:
        assert prove("def test_it(host):\n    assert host.file('/etc/passwd').exists\n").verdict == "passed"
    finally:
        os.dup2(kept, 0)
        for descriptor in (kept, reading, writing):
            os.close(descriptor)


def test_a_false_proof_fails_and_says_what(prove):
    result = prove("def test_it(host):\n    assert host.file('/etc/passwd').size == 0, 'passwd is not empty'\n")
    assert result.verdict == "failed"
    assert "passwd is not empty" in result.findings[0].reason


def test_no_connection_could_not_be_judged(prove):
    result = prove("def test_it(host):\n    assert host.file('/etc/passwd').exists\n", group="away")
    assert result.verdict == "could not judge"


def test_every_host_of_a_group_is_proven_once(prove):
    found = prove("def test_it(host):\n    assert host.backend.get_hostname() != 'three'\n", group="many").findings
    verdicts = {finding.test: finding.verdict for finding in found}
    names = ("one", "two", "three", "four", "five")
    assert len(found) == 5
    assert verdicts == {f"test_it[ansible://{name}]": "failed" if name == "three" else "passed" for name in names}


def test_of_a_run_for_chosen_rules_only_its_hosts_are_proven_by_these(prove):
    body = """
import json, os
from pathlib import Path
def test_it(host):
    chosen = json.loads(Path(os.environ["YUNWEI_CHOSEN"]).read_text())
    assert chosen == {"two": {"sshd-x11": None}, "four": {"sshd-idle": "accepted"}}
"""
    found = prove(body, "many", {"two": {"sshd-x11": None}, "four": {"sshd-idle": "accepted"}})
    assert found.verdict == "passed", found.findings
    assert {one.test for one in found.findings} == {"test_it[ansible://two]", "test_it[ansible://four]"}


@pytest.mark.parametrize(
    ("systems", "hosts"), [(["legalservice"], {"db1", "legacy1"}), (["mediation"], {"app1", "db1"}), ([], set())]
)
def test_of_the_sources_only_those_of_the_systems_are_asked(systems, hosts):
    shares = proofs.shares(Proof("backup_source", "sources", sources_only=True), LAB, systems)
    assert {name.removeprefix("ansible://") for share in shares for name in share.split(",")} == hosts


def test_a_group_without_hosts_could_not_be_judged(prove):
    result = prove("def test_it(host):\n    pass\n", group="nobody")
    assert result.verdict == "could not judge"
    assert "no host in group nobody" in result.findings[0].reason


def test_no_proof_at_all_could_not_be_judged(prove):
    assert prove("").verdict == "could not judge"


def test_a_process_that_dies_could_not_be_judged(prove):
    result = prove("import os\ndef test_it(host):\n    os._exit(7)\n")
    assert result.verdict == "could not judge"
    assert "died: exit code 7" in result.findings[0].reason


def test_an_inventory_that_ansible_cannot_read_could_not_be_judged(prove, inventory):
    (inventory / "group_vars").mkdir()
    (inventory / "group_vars" / "all.yml").write_text("half: [", encoding="utf-8")
    result = prove("def test_it(host):\n    pass\n")
    assert result.verdict == "could not judge"
    assert "ansible-inventory could not read" in result.findings[0].reason


def test_a_missing_file_could_not_be_judged(inventory):
    result = proofs.prove(Job("none", JobClass.READ_ONLY, "", (Proof("no_such_role", "here"),)), inventory, [])
    assert result.verdict == "could not judge"
    assert "missing" in result.findings[0].reason
