"""The lab itself: made again over any leftovers, touching nothing of others, with walls where they are promised."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from yunwei import lab
from yunwei.errors import LabError
from yunwei.lab import engine, hosts, images, keys, load, seeding, vaultserver
from yunwei.lab.topology import MIYUN_ADMIN_USER, OPS_USER, Slot

pytestmark = pytest.mark.lab

SLOT = Slot(os.environ.get("YUNWEI_LAB_SLOT", "check"))


@pytest.fixture(scope="module", autouse=True)
def whole_lab():
    """Have the whole lab before the first test, and again after the last."""
    lab.up(SLOT.name, print)
    yield
    lab.up(SLOT.name, print)


def _podman(*words: str, check: bool = True) -> str:
    done = subprocess.run(["podman", *words], capture_output=True, text=True, check=check)
    return done.stdout.strip()


def _containers(*options: str) -> dict[str, str]:
    lines = _podman("ps", "--all", "--no-trunc", "--format", "{{.Names}} {{.ID}}", *options).splitlines()
    return dict(line.split() for line in lines)


def _own() -> dict[str, str]:
    return {name: number for name, number in _containers().items() if name.startswith(SLOT.prefix)}


def _ssh(host: str, command: str, *options: str) -> subprocess.CompletedProcess[str]:
    configuration = str(SLOT.secrets_dir / "ssh" / "config")
    words = ["ssh", "-F", configuration, "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", *options, host, command]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def _reaches(host: str, address: str, port: int) -> bool:
    command = f"timeout 3 bash -c '</dev/tcp/{address}/{port}'"
    return (
        subprocess.run(["podman", "exec", SLOT.host(host).container, "sh", "-c", command], check=False).returncode == 0
    )


def test_a_second_start_changes_nothing():
    before, login = _own(), (SLOT.secrets_dir / "logins" / "engineer.json").read_bytes()
    pinned = keys.known_hosts(SLOT).read_bytes()
    lines: list[str] = []
    lab.up(SLOT.name, lines.append)
    assert sum("unchanged" in line for line in lines) == 2, lines
    assert _own() == before
    assert keys.known_hosts(SLOT).read_bytes() == pinned
    assert (SLOT.secrets_dir / "logins" / "engineer.json").read_bytes() == login
    assert any("hosts: all running" in line for line in lines)
    assert any("data: all there" in line for line in lines)
    assert not any("filled" in line for line in lines)


def test_status_names_every_part():
    found = lab.status(SLOT.name)
    states = {part["name"]: part["state"] for part in found["parts"]}
    assert found["complete"]
    assert states == {**{host.name: "running" for host in SLOT.hosts}, "vault": "open"}


def test_status_tells_what_is_missing_and_a_start_brings_it_back():
    hosts.stop(SLOT, "scratch1")
    found = lab.status(SLOT.name)
    assert not found["complete"]
    assert next(part["state"] for part in found["parts"] if part["name"] == "scratch1") == "exited"
    before = _own()
    lab.up(SLOT.name, print)
    assert _own() == before, "a host that was switched off is switched on, not made anew"
    assert lab.status(SLOT.name)["complete"]


def test_every_host_has_a_host_key_of_its_own():
    shown = {host.name: hosts.read_host_key(host) for host in SLOT.hosts}
    assert len(set(shown.values())) == len(SLOT.hosts)
    for host in SLOT.hosts:
        assert f"{host.address} {shown[host.name]}\n" in keys.known_hosts(SLOT).read_text(encoding="utf-8")


def test_a_reset_host_is_empty_and_has_another_key():
    _podman("exec", SLOT.host("scratch1").container, "touch", "/srv/rubbish")
    before, key = _own(), hosts.read_host_key(SLOT.host("scratch1"))
    lab.reset(SLOT.name, "scratch1")
    after = _own()
    assert {name for name in before if before[name] != after[name]} == {SLOT.host("scratch1").container}
    assert hosts.read_host_key(SLOT.host("scratch1")) != key
    assert _ssh("scratch1", "ls -A /srv").stdout == ""


def test_leftovers_of_a_killed_start_are_cleared_and_nothing_of_others_is_touched(tmp_path):
    stranger, stray, network = "stranger-of-the-lab", f"{SLOT.prefix}stray", f"{SLOT.prefix}stray-net"
    image = _podman("inspect", "--format", "{{.ImageName}}", SLOT.host("scratch1").container)
    _podman("create", "--name", stranger, image)
    try:
        others = {name: number for name, number in _containers().items() if not name.startswith(SLOT.prefix)}
        _podman("create", "--name", stray, image)
        _podman("network", "create", "--subnet", "203.0.113.248/29", network)
        _podman("rm", "--force", "--time", "0", SLOT.host("scratch1").container)
        _kill_a_start_when(lambda: SLOT.host("scratch1").container in _containers(), tmp_path)
        lab.up(SLOT.name, print)
        assert sorted(_own()) == sorted(host.container for host in SLOT.hosts)
        assert network not in _podman("network", "ls", "--format", "{{.Name}}").splitlines()
        assert {name: _containers().get(name) for name in others} == others
    finally:
        _podman("rm", "--force", "--ignore", stranger)
    assert lab.status(SLOT.name)["complete"]


def _kill_a_start_when(reached, folder: Path) -> None:
    """Start the lab in a process of its own and kill it as soon as it has come so far."""
    code = f"from yunwei import lab; lab.up({SLOT.name!r}, print)"
    with (folder / "start.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=log, stderr=log, cwd=Path(lab.__file__).parents[2]
        )
        deadline = time.monotonic() + 60
        while not reached() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL, "it ended before it could be killed: nothing was tried"


def test_an_image_that_could_not_be_made_leaves_nothing(monkeypatch, tmp_path):
    recipe = dataclasses.replace(images.RECIPES["bullseye"], name="never", suite="no-such-release")
    monkeypatch.setattr(images, "RECIPES", {"never": recipe})
    monkeypatch.setenv("YUNWEI_LAB_MIRROR", f"file://{tmp_path}")
    monkeypatch.setenv("YUNWEI_STATE", str(tmp_path / "state"))
    leftover = tmp_path / "state" / "lab" / "images" / "partial-of-a-kill"
    (leftover / "tree").mkdir(parents=True)
    with pytest.raises(LabError, match="'never' could not be made"):
        images.ensure(print)
    assert not engine.image_exists(recipe.reference)
    assert [path.name for path in leftover.parent.iterdir()] == ["lock"]


def test_a_swapped_pinned_key_is_refused(tmp_path):
    lines = keys.known_hosts(SLOT).read_text(encoding="utf-8").splitlines()
    other = next(line for line in lines if line.startswith(SLOT.host("db1").address + " ")).split(" ", 1)[1]
    false_keys = tmp_path / "known_hosts"
    false_keys.write_text(f"{SLOT.host('app1').address} {other}\n", encoding="utf-8")
    true = _ssh("app1", "true", "-o", "ControlPath=none")
    assert true.returncode == 0, true.stderr
    false = _ssh("app1", "true", "-o", "ControlPath=none", "-o", f"UserKnownHostsFile={false_keys}")
    assert false.returncode == 255
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in false.stderr


def test_an_unknown_host_key_is_refused(tmp_path):
    (tmp_path / "known_hosts").touch()
    done = _ssh("app1", "true", "-o", "ControlPath=none", "-o", f"UserKnownHostsFile={tmp_path / 'known_hosts'}")
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr
    assert (tmp_path / "known_hosts").read_text(encoding="utf-8") == ""


def test_the_drill_host_cannot_reach_the_sources_but_the_second_site():
    assert _reaches("app1", SLOT.host("db1").address, 5432), "the database must answer somebody, or this proves nothing"
    for name in ("app1", "db1", "legacy1"):
        assert not _reaches("scratch1", SLOT.host(name).address, 22)
    assert not _reaches("scratch1", SLOT.host("db1").address, 5432)
    assert _reaches("scratch1", SLOT.host("miyun1").address, 22)
    assert _reaches("scratch1", SLOT.host("backup1").address, 22)


def test_the_controllers_account_cannot_enter_the_second_site():
    command = ["-o", "ControlPath=none", "-o", f"IdentityFile={keys.ops_key(SLOT)}"]
    for account in (OPS_USER, MIYUN_ADMIN_USER, "root"):
        # The key of the administrator is named in the configuration for people: here only that of `ops` is offered.
        configuration = ["ssh", "-F", "/dev/null", "-o", f"UserKnownHostsFile={keys.known_hosts(SLOT)}"]
        options = ["-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
        target = f"{account}@{SLOT.host('miyun1').address}"
        done = subprocess.run(
            [*configuration, *options, *command, target, "id"], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 255
        assert "Permission denied (publickey)" in done.stderr
    assert _ssh("miyun1", "sudo -n id -u").stdout == "0\n"


def test_the_old_host_has_python_two_only():
    assert _ssh("legacy1", "ls /usr/bin/python*").stdout == "/usr/bin/python2.7\n"
    assert _ssh("legacy1", "sudo find /srv/portal -type f | wc -l").stdout.strip() > "1000"


def test_the_application_needs_its_database(tmp_path):
    assert _ssh("app1", "curl -s http://127.0.0.1:8080/health").stdout == "ok\n"
    _podman("exec", SLOT.host("db1").container, "systemctl", "stop", "postgresql")
    try:
        assert _ssh("app1", "curl -s http://127.0.0.1:8080/health").stdout.startswith("not healthy: ")
    finally:
        _podman("exec", SLOT.host("db1").container, "systemctl", "start", "postgresql")


SEED_FACTS = """
SELECT to_json(facts) FROM (
SELECT (SELECT sum(pg_table_size(c.oid)) >= {percent} * 3 * 1024 * 1024
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
        WHERE relkind = 'r' AND nspname IN ('mediation', 'grassroots', 'audit', 'Archive 2025')) AS large,
       (SELECT count(*) > 50 FROM pg_largeobject_metadata) AS large_objects,
       (SELECT count(*) > 0 FROM pg_class WHERE relkind = 'p') AS partitioned,
       (SELECT count(*) > 0 FROM pg_class WHERE relpersistence = 'u' AND relkind = 'r') AS unlogged,
       (SELECT count(*) > 0 FROM pg_inherits i JOIN pg_class c ON c.oid = inhparent WHERE relkind = 'r') AS inherited,
       (SELECT count(*) > 0 FROM pg_attribute WHERE attgenerated = 's') AS generated,
       (SELECT count(DISTINCT attidentity) = 3 FROM pg_attribute WHERE attrelid > 16384) AS identity,
       (SELECT count(*) > 5 FROM pg_trigger WHERE tgname = 'log Change' OR tgisinternal) AS triggers
) AS facts
"""


def test_the_data_is_real_work_for_a_restore():
    words = [
        "exec",
        "-w",
        "/",
        SLOT.host("db1").container,
        "runuser",
        "-u",
        "postgres",
        "--",
        "psql",
        "-X",
        "-d",
        "mediation",
    ]
    percent = seeding.percent()
    row = json.loads(_podman(*words, "-Atc", SEED_FACTS.format(percent=percent)))
    assert row == dict.fromkeys(row, True)
    files = int(_ssh("app1", "sudo find /srv/mediation -type f | wc -l").stdout)
    large = int(_ssh("app1", f"sudo find /srv/mediation -type f -size +{percent}M | wc -l").stdout)
    assert (files >= 100 * percent, large) == (True, 1)


def test_the_writing_load_writes_and_ends():
    count = [
        "exec", "-w", "/", SLOT.host("db1").container, "runuser", "-u", "postgres", "--",
        "psql", "-X", "-d", "mediation", "-Atc", "SELECT last_value FROM mediation.heartbeat_id_seq",
    ]  # fmt: skip
    before = int(_podman(*count))
    load.start(SLOT.name)
    load.start(SLOT.name)
    deadline = time.monotonic() + 30
    while int(_podman(*count)) <= before + 5:
        assert time.monotonic() < deadline, "the load writes nothing"
        time.sleep(0.1)
    load.stop(SLOT.name)
    units = ["systemctl", "list-units", "--plain", "--no-legend", "--all", "yunwei-load-*"]
    assert [_podman("exec", SLOT.host(name).container, *units) for name in ("db1", "app1")] == ["", ""]


def test_vault_is_really_sealed_and_opens_with_the_unseal_key():
    vaultserver.seal(SLOT)
    assert vaultserver.status(SLOT) == "sealed"
    assert not lab.status(SLOT.name)["complete"]
    vaultserver.unseal(SLOT)
    assert vaultserver.status(SLOT) == "open"


def test_vault_survives_a_kill_with_all_it_held():
    login = json.loads((SLOT.secrets_dir / "logins" / "engineer.json").read_text(encoding="utf-8"))
    vaultserver.stop(SLOT)
    assert vaultserver.status(SLOT) == "stopped"
    lab.up(SLOT.name, print)
    answer = vaultserver.api(SLOT).call("POST", "auth/userpass/login/engineer", {"password": login["password"]})
    vault = vaultserver.api(SLOT).with_token(answer["auth"]["client_token"])
    assert vault.call("GET", "yunwei/data/systems/mediation/repository-local")["data"]["data"]["password"]
    vault.call("POST", "auth/token/revoke-self")


def test_no_root_token_outlives_the_set_up_and_no_secret_lies_on_a_disk():
    log = vaultserver.audit_log(SLOT).read_text(encoding="utf-8")
    assert '"path":"auth/token/revoke-self"' in log
    unseal = json.loads((SLOT.secrets_dir / "vault" / "unseal.json").read_text(encoding="utf-8"))
    assert list(unseal) == ["key"]
    for path in SLOT.state_dir.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert unseal["key"].encode() not in content, path
            assert b"PRIVATE KEY" not in content, path
