"""Servers are hardened, proven and put back; a change that locks everybody out is taken back by its host."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.harden_world import wait_for
from tests.lab.conftest import Lab
from tests.lab.killing import kill_when
from tests.scan_reports import xccdf
from yunwei import policy
from yunwei.vault import VaultClient

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("open_calendar")]

RUN = ("run", "harden-servers", "--system", "mediation")
HOSTS = ("app1", "db1")
PROBE = "yunwei-probe"
DROP_IN = "/etc/ssh/sshd_config.d/99-yunwei-probe.conf"
# The image refuses passwords to everybody; the order on standard input is chpasswd's.
_MAKE_PROBE = f"""
id {PROBE} 2>/dev/null || useradd --create-home {PROBE}
chpasswd
printf 'Match User {PROBE}\\n  PasswordAuthentication yes\\n' > {DROP_IN}
echo '{PROBE} ALL=(root) ALL' > /etc/sudoers.d/{PROBE}; chmod 0440 /etc/sudoers.d/{PROBE}
systemctl reload ssh
"""
CHANGES = "/var/lib/yunwei/hardening"
FILES = (
    "/etc/ssh/sshd_config",
    "/etc/login.defs",
    "/etc/pam.d/common-auth",
    "/etc/pam.d/common-password",
    "/etc/profile.d",
)
SITE_RULE = """rules:
  - id: site-lock-out
    title: {zh: 测试, en: test}
    risk: high
    restart: service
    settings: [{kind: sshd, name: %s, value: "%s"}]
"""


def picture(lab: Lab, host: str) -> str:
    """Return content, mode and owner of the files that hardening changes, and what sshd makes of them."""
    files = " ".join(FILES)
    words = f"find {files} ! -name '.yunwei-*' -printf '%m %u:%g %p\\n'; cat {' '.join(FILES[:-1])}; sshd -T"
    return lab.podman(host, "sh", "-c", words).stdout


@pytest.fixture(autouse=True)
def _as_before(lab: Lab) -> Iterator[None]:
    """Begin and end with hosts as they were before any change, whatever became of a test."""
    _take_everything_back(lab)
    yield
    _take_everything_back(lab)


def _take_everything_back(lab: Lab) -> None:
    script = (
        f"cd {CHANGES} 2>/dev/null || exit 0; for one in $(ls -r); do [ -e $one/confirmed ] || continue; "
        "mv $one/confirmed $one/armed; python3 $one/revert.py watch 0; done; rm -rf ./r-*"
    )
    for host in HOSTS:
        lab.podman(host, "sh", "-c", script)


@pytest.fixture(scope="module")
def probe(lab: Lab) -> Iterator[str]:
    """Make an account that logs in by password, and becomes root by typing it, on both hosts."""
    vault = VaultClient(policy.load(lab.inventory).estate.vault)
    vault.login()
    try:
        password = vault.read("systems/mediation/login-probe")["password"]
    finally:
        vault.revoke()
    for host in HOSTS:
        lab.podman(host, "sh", "-c", _MAKE_PROBE, stdin=f"{PROBE}:{password}\n")
    yield PROBE
    for host in HOSTS:
        lab.podman(
            host, "sh", "-c", f"userdel -r {PROBE}; rm -f {DROP_IN} /etc/sudoers.d/{PROBE}; systemctl reload ssh"
        )


def _inventory(lab: Lab, folder: Path, hardening: str, rule: tuple[str, str] | None = None) -> Lab:
    """Return the lab under an inventory with a guard of its own, and with a rule of its own that locks somebody out."""
    inventory = folder / "inventory"
    shutil.copytree(lab.inventory, inventory)
    with (inventory / "policy/estate.yml").open("a", encoding="utf-8") as file:
        file.write(f"hardening: {{{hardening}}}\n")
    if rule:
        (inventory / "policy/hardening").mkdir()
        (inventory / "policy/hardening/site.yml").write_text(SITE_RULE % rule, encoding="utf-8")
        mediation = inventory / "policy/systems/mediation.yml"
        text = mediation.read_text(encoding="utf-8")
        assert "hardening:\n  level: 2\n" in text
        mediation.write_text(text.replace("  level: 2\n", "  level: 2\n  add: [site-lock-out]\n"), encoding="utf-8")
    return Lab(lab.slot, inventory)


def test_a_host_where_passwords_no_longer_work_takes_the_change_back_and_the_others_stay(
    lab: Lab, probe: str, tmp_path: Path
):
    before = {host: picture(lab, host) for host in HOSTS}
    settings = f"confirm_seconds: 20, probe_account: {probe}"
    done = _inventory(lab, tmp_path, settings, ("AllowUsers", "ops")).json(*RUN, expect=1)
    assert f"no fresh login and sudo within 20 s of the change: {probe}@" in done["reason"]
    assert "Authentication failed" in done["reason"]
    assert "The host has taken the change back by itself and answers again" in done["reason"]
    assert {item["host"] for item in done["items"]} == {"app1"}
    assert {host: picture(lab, host) for host in HOSTS} == before
    assert done["verification"] is None


def test_with_a_dead_controller_the_host_takes_back_a_change_of_its_port(lab: Lab, tmp_path: Path):
    before = picture(lab, "app1")
    armed = f"ls {CHANGES}/*/armed && ss -Htln | grep -q :2222"
    changed = _inventory(lab, tmp_path, "confirm_seconds: 20", ("Port", "2222"))
    kill_when(changed, RUN, lambda: lab.podman("app1", "sh", "-c", armed, check=False).returncode == 0)
    assert picture(lab, "app1") != before
    reverted = f"ls {CHANGES}/*/reverted && ss -Htln | grep -q :22"
    wait_for(lambda: lab.podman("app1", "sh", "-c", reverted, check=False).returncode == 0)
    assert picture(lab, "app1") == before


def test_servers_are_hardened_proven_left_alone_and_put_back(lab: Lab, probe: str, tmp_path: Path):
    lab = _inventory(lab, tmp_path, f"probe_account: {probe}")
    lab.podman("app1", "sh", "-c", "chmod 0604 /etc/login.defs; chgrp mail /etc/login.defs")
    before = {host: picture(lab, host) for host in HOSTS}
    planned = lab.json("plan", "harden-servers", "--system", "mediation")
    assert {host: picture(lab, host) for host in HOSTS} == before
    would = {(item["host"], item["item"]) for item in planned["items"] if item["status"] == "would change"}
    assert {host for host, _ in would} == set(HOSTS)
    shown = {result["host"]: result["yunwei"].get("differences") for result in planned["results"]}
    assert "+X11Forwarding no" in shown["app1"]["/etc/ssh/sshd_config"]
    done = lab.json(*RUN)
    assert {(item["host"], item["item"]) for item in done["items"] if item["status"] == "changed"} == would
    assert done["verification"]["verdict"] == "passed", done["verification"]
    assert next(result["host"] for result in done["results"]) == "app1"
    kept = [result["yunwei"]["kept"] for result in done["results"] if "kept" in result["yunwei"]]
    assert kept == ["after a new login with a key and by password, and sudo"] * 2
    assert "mail" in picture(lab, "app1")
    again = lab.playbook("harden_servers", "-e", json.dumps({"yunwei_systems": ["mediation"]}), env=dict(os.environ))
    assert again.returncode == 0, again.stdout + again.stderr
    assert "changed=0" in again.stdout
    assert "changed=1" not in again.stdout
    undone = lab.json("run", "undo", "--change", done["run_id"], "--system", "mediation")
    assert {item["status"] for item in undone["items"]} == {"put back"}
    assert {host: picture(lab, host) for host in HOSTS} == before


def test_a_finding_leads_over_an_edited_scan_plan_to_its_change_and_back(lab: Lab, tmp_path: Path):
    report, plan = tmp_path / "report.xml", tmp_path / "plan.yml"
    failed = dict.fromkeys(["sshd_disable_x11_forwarding", "sshd_set_idle_timeout"], "fail")
    report.write_text(xccdf(failed, target="x", addresses=[]), encoding="utf-8")
    (imported,) = lab.json("scan", "import", str(report), "--host", "app1")["reports"]
    (identity,) = [one["id"] for one in lab.json("scan", "list") if one["sha256"] == imported["sha256"]]
    lab.json("scan", "plan", identity, "-o", str(plan))
    content = yaml.safe_load(plan.read_text(encoding="utf-8"))
    (host,) = content["hosts"]
    host["harden"] = [step for step in host["harden"] if step["rule"] == "sshd-x11"]
    plan.write_text(yaml.safe_dump(content), encoding="utf-8")
    before = {name: picture(lab, name) for name in HOSTS}

    done = lab.json("run", "harden-servers", "--plan", str(plan))
    changed = {(item["host"], item["rule"]) for item in done["items"] if item["status"] == "changed"}
    assert changed == {("app1", "sshd-x11")}
    assert done["verification"]["verdict"] == "passed", done["verification"]
    assert picture(lab, "db1") == before["db1"]

    def tested() -> dict[str, tuple[str, str]]:
        found = lab.json("scan", "retest", identity, expect=1)["findings"]
        return {one["rules"][0]: (one["verdict"], one["evidence"]) for one in found}

    assert tested() == {"sshd-x11": ("fixed", done["run_id"]), "sshd-idle": ("open", "")}
    lab.json("run", "undo", "--change", done["run_id"], "--system", "mediation")
    assert {name: picture(lab, name) for name in HOSTS} == before
    assert tested()["sshd-x11"] == ("open", done["run_id"])
