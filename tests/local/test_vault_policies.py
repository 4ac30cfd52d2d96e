"""What each identity may read is tried at a real OpenBao server."""

import pytest

from tests.openbao import SYSTEMS, RealVault
from yunwei.errors import UsageError, VaultForbiddenError
from yunwei.vault_policies import JOBS, identity_policies, policy_name, render, secret_names

HOSTS = ("app1", "db1")
SECRETS = (
    "repository-local",
    "repository-miyun",
    "source-app1",
    "source-db1",
    "miyun-append",
    "miyun-read",
    "local-read",
    "login-probe",
)
NEEDED = {
    "back-up": {"repository-local", "source-app1", "source-db1"},
    "clean-logs": {"repository-local", "source-app1", "source-db1"},
    "prepare-hosts": {"local-read", "source-app1", "source-db1"},
    "sync-to-miyun": {"repository-local", "repository-miyun", "miyun-append"},
    "retire-backups": {"repository-local"},
    "release-locks": set(),
    "drill": {"repository-local", "repository-miyun", "miyun-read", "local-read"},
    "verify-backups": {"repository-local", "repository-miyun", "miyun-read", "local-read"},
    "inspect": {"miyun-read", "local-read"},
    "set-timers": set(),
    "inspect-databases": set(),
    "maintain-databases": set(),
    "purge-history": {"repository-local", "source-app1", "source-db1"},
    "harden-servers": {"login-probe"},
    "restart-servers": set(),
    "recover": {"repository-local", "repository-miyun", "miyun-read", "local-read"},
}


@pytest.mark.parametrize("job", JOBS)
def test_an_identity_reads_what_its_job_needs_and_nothing_else(bao: RealVault, job: str):
    bao.approle(policy_name(job, "mediation"), [policy_name(job, "mediation")])
    client = bao.client(policy_name(job, "mediation"))
    readable = set()
    for system in SYSTEMS:
        for name in SECRETS:
            try:
                client.read(f"systems/{system}/{name}")
                readable.add((system, name))
            except VaultForbiddenError:
                pass
    assert readable == {("mediation", name) for name in NEEDED[job]}


def test_an_identity_signs_but_manages_no_key_and_changes_no_secret(bao: RealVault):
    client = bao.client("back-up-mediation")
    assert client.sign(b"x").startswith("vault:v")
    with pytest.raises(VaultForbiddenError):
        client.cas_write("systems/mediation/repository-local", {"password": "mine"}, 1)
    with pytest.raises(VaultForbiddenError):
        client.delete("locks/mediation")
    with pytest.raises(VaultForbiddenError):
        client.cas_read("locks/legalservice")
    root = bao.root
    found = {
        path: root.sys.get_capabilities([path], token=client.token)["data"]["capabilities"]
        for path in ("transit/export/signing-key/ledger", "transit/keys/ledger/rotate", "transit/sign/other",
                     "yunwei/metadata/systems", "yunwei/metadata/locks/mediation", "sys/policies/acl/x")
    }  # fmt: skip
    assert set(map(tuple, found.values())) == {("deny",)}


@pytest.mark.parametrize(
    ("job", "site", "names"),
    [
        ("back-up", "local", ["repository-local", "source-app1", "source-db1"]),
        ("sync-to-miyun", "miyun", ["repository-local", "repository-miyun", "miyun-append"]),
        ("drill", "miyun", ["repository-miyun", "miyun-read"]),
        ("recover", "local", ["repository-local", "local-read"]),
        ("inspect", "miyun", ["miyun-read"]),
        ("inspect-backup-sites", "local", ["local-read"]),
    ],
)
def test_a_run_fetches_no_more_than_its_job_and_site_need(job, site, names):
    assert secret_names(job, HOSTS, site) == names


def test_every_secret_that_a_job_fetches_is_granted_by_its_policy():
    for job in JOBS:
        for site in ("local", "miyun"):
            text = render(job, "mediation")
            for name in secret_names(job, HOSTS, site):
                granted = "source-*" if name.startswith("source-") else name
                assert f'"yunwei/data/systems/mediation/{granted}"' in text


@pytest.mark.parametrize("system", ["*", "+", "a/b", "../x", 'a"', "", "Mediation"])
def test_a_name_that_would_widen_a_policy_is_refused(system: str):
    with pytest.raises(UsageError, match="cannot stand in a Vault path"):
        render("back-up", system)


def test_an_unknown_job_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match=r"known are back-up, clean-logs, drill, .*verify-backups"):
        render("bakc-up", "mediation")


def test_an_identity_for_all_jobs_and_systems_gets_one_policy_each():
    assert len(identity_policies(JOBS, SYSTEMS)) == len(JOBS) * len(SYSTEMS)
