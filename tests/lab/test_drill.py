"""The drill, and the drill itself tested: damage made from outside turns it red with the object's name."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import tarfile
from contextlib import contextmanager

import pytest
import yaml
from yunwei_host import names

from tests.lab.conftest import Lab
from tests.lab.forgery import Forger, altered_dump, inside

pytestmark = pytest.mark.lab

SYSTEM = "legalservice"
DATABASE, FILES = "database:legalservice", "files:portal"
PHASES = ["locate", "fetch", "create_instance", "load", "rebuild", "verify", "ready"]
DAMAGE = """
DROP TABLE service.hits;
UPDATE service.node SET name = 'changed' WHERE id = 7;
SELECT setval('service.question_id_seq', 5);
DROP EXTENSION "uuid-ossp" CASCADE;
CREATE FUNCTION service.fickle(text) RETURNS text IMMUTABLE LANGUAGE sql
  AS $$ SELECT $1 || pg_catalog.current_setting('application_name') $$;
CREATE INDEX node_fickle ON service.node (service.fickle(name));
"""


@pytest.fixture(scope="module", autouse=True)
def copies(lab: Lab) -> None:
    """Both systems have an accepted backup at the second site."""
    for job in ("back-up", "sync-to-miyun"):
        lab.plain(job)


@pytest.fixture
def forger(lab: Lab):
    with Forger(lab, SYSTEM) as forger:
        yield forger


@pytest.fixture
def stranger(lab, tmp_path):
    """Hold a drill as a new controller: its empty ledger cannot tell a forged manifest from an accepted one."""

    def drill(expect: int, *words: str):
        environment = {"YUNWEI_STATE": str(tmp_path / "state")}
        done = lab.run("drill", "--system", SYSTEM, "--json", *words, env=environment)
        assert (done.returncode, bool(done.stdout)) == (expect, True), (
            f"exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )
        document = json.loads(done.stdout)
        assert_empty(lab)
        return document

    return drill


def assert_empty(lab: Lab) -> None:
    look = "ls -A /srv/restore; pgrep -a postgres; ls /dev/shm | grep yunwei-run; true"
    assert lab.podman("scratch1", "sh", "-c", look).stdout == ""


def reasons(document):
    return {reason["object"]: reason["cause"] for reason in document["reasons"]}


def passed(document) -> None:
    assert (document["verdict"], document["reasons"]) == ("passed", [])
    assert [phase["name"] for phase in document["phases"]] == PHASES
    for kind in ("tables", "files", "objects", "sequences", "roles", "indexes"):
        assert document[kind]["equal"] == document[kind]["expected"] > 0, kind
    assert document["destroyed"]["ok"]
    assert not [left for key, left in document["destroyed"]["proof"].items() if key.endswith("_left") and left]


def test_passes_from_miyun_with_the_sources_and_the_backup_server_switched_off(lab):
    hosts = ("app1", "db1", "backup1")  # legacy1 stays: a network without hosts is gone, and others may answer then
    for host in hosts:
        lab.engine("stop", "-t", "3", host)
    try:
        document = lab.json("drill", "--system", "mediation", "--site", "miyun")
    finally:
        lab.start(*hosts)
    passed(document)
    assert document["probe"] == {"url": "http://127.0.0.1:8080/health", "answer": "ok\n", "ok": True}
    assert set(document["snapshot"]) == {"database:mediation", "files:app"}
    assert 0 < document["total_seconds"] < document["target_seconds"]
    assert 0 < document["rpo_seconds"] < document["rpo_target_seconds"]
    assert_empty(lab)


@pytest.mark.long
def test_passes_from_the_local_site_with_files_made_by_python_2(lab):
    passed(lab.json("drill", "--system", SYSTEM, "--site", "local"))
    assert_empty(lab)
    newest = json.loads(lab.podman("scratch1", "cat", f"/var/lib/yunwei/locks/{SYSTEM}.json").stdout)
    assert newest["job"] == "drill-restore"


def test_what_differs_from_the_manifest_is_named(lab, forger, stranger):
    lines = forger.manifest(DATABASE)
    globals_sql = next(line["sql"] for line in lines if line["t"] == "globals")
    forged = altered_dump(lab, forger.payload(DATABASE), globals_sql, SYSTEM, DAMAGE)
    forger.forge(DATABASE, lines, forged)
    victim = next(line for line in forger.manifest(FILES) if line.get("k") == "f" and line["mode"] == 0o644)
    path = names.decode_name(victim["p"]).decode("ascii")
    with _hand_on_scratch(lab, f"chmod 0666 /srv/restore/*/files{path}"):
        document = stranger(1)
    found = reasons(document)
    assert document["verdict"] == "failed"
    assert "found null" in found["service.hits"]
    assert found["service.node"].startswith("tables differ")
    assert found["service.question_id_seq"].startswith("sequences differ")
    assert found["extension uuid-ossp"].startswith("objects differ")
    assert "lacks matching index tuple" in found["index service.node_fickle"]
    assert "0666" in found[victim["p"]]
    assert document["destroyed"]["ok"]


def test_a_missing_role_and_a_copy_older_than_its_objective_are_named(forger, stranger):
    lines = forger.manifest(DATABASE)
    lines[0]["snapshot_at"] = "2026-01-01T00:00:00Z"
    for line in lines:
        if line["t"] == "globals":
            line["sql"] = "\n".join(row for row in line["sql"].splitlines() if "legal_web" not in row)
    forger.forge(DATABASE, lines)
    document = stranger(1)
    found = reasons(document)
    assert document["verdict"] == "failed"
    assert "needs it and the stored role definitions do not have it" in found["role legal_web"]
    assert "the newest verified copy is" in found["recovery point"]


def test_a_dump_that_was_cut_is_named(forger, stranger):
    whole = forger.payload(DATABASE)
    forger.forge(DATABASE, forger.manifest(DATABASE), whole[: len(whole) // 2])
    document = stranger(1)
    ((thing, cause),) = reasons(document).items()
    assert document["verdict"] == "failed"
    assert thing.startswith(DATABASE)
    assert "pg_restore: could not read from input file: end of file" in cause


@pytest.fixture
def new_file(lab: Lab):
    """Return the path of a file that the newest payload holds itself: older files may lie in older payloads."""
    path = "/srv/portal/new-file"
    lab.podman("legacy1", "sh", "-c", f"echo new > {path}")
    try:
        lab.plain("back-up", [SYSTEM], now=True)
        lab.plain("sync-to-miyun", [SYSTEM])
        yield path
    finally:
        lab.podman("legacy1", "rm", path)


def test_a_missing_file_is_named(forger, stranger, new_file):
    lines = forger.manifest(FILES)
    (victim,) = [line["p"] for line in lines if line.get("p") == new_file]
    forger.forge(FILES, lines, _tar_without(forger.payload(FILES), names.decode_name(victim)[1:]))
    document = stranger(1)
    assert document["verdict"] == "failed"
    assert "its content is not in payload" in reasons(document)[victim]


def _tar_without(payload: bytes, victim: bytes) -> bytes:
    made = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(payload), mode="r:", encoding="latin-1") as old,
        tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT, encoding="latin-1") as new,
    ):
        for member in old:
            if member.name.encode("latin-1") != victim:
                new.addfile(member, old.extractfile(member) if member.isreg() else None)
    return made.getvalue()


@contextmanager
def _hand_on_scratch(lab: Lab, command: str):
    """Repeat a command on the drill host while the drill runs: the host itself loops, so no moment is missed."""
    mark = "/run/yunwei-test-hand"
    inside(lab, "scratch1", "touch", mark)
    loop = f"while test -e {mark}; do {command}; sleep 0.02; done > /dev/null 2>&1"
    hand = subprocess.Popen(["podman", "exec", f"yunwei-{lab.slot}-scratch1", "sh", "-c", loop])
    try:
        yield
    finally:
        inside(lab, "scratch1", "rm", mark)
        hand.wait()


def test_a_flipped_byte_at_the_site_is_named(forger, stranger):
    with forger.damaged_pack(DATABASE):
        document = stranger(1)
    ((thing, cause),) = reasons(document).items()
    assert document["verdict"] == "failed"
    assert re.fullmatch(rf"{DATABASE}, snapshot [0-9a-f]{{16}}", thing)
    assert "the repository is damaged" in cause


def test_no_backup_at_all_is_named(forger, stranger):
    with forger.hidden("snapshots/*"):
        document = stranger(1)
    ((thing, cause),) = reasons(document).items()
    assert document["verdict"] == "failed"
    assert thing in {DATABASE, FILES}
    assert cause == "no backup at all at this site"


def test_a_missing_manifest_is_named(forger, stranger):
    manifest = forger.newest(DATABASE, "manifest")["id"]
    with forger.hidden(f"snapshots/{manifest}"):
        document = stranger(1)
    assert document["verdict"] == "failed"
    assert reasons(document)[DATABASE].startswith("manifest missing")


@pytest.mark.long
def test_a_forged_backup_is_no_backup_for_a_controller_with_its_ledger(lab, forger):
    lines = forger.manifest(DATABASE)
    forger.forge(DATABASE, [*lines, {"t": "table", "schema": "service", "name": "never", "rows": 1, "digest": "1"}])
    document = lab.json("drill", "--system", SYSTEM)
    passed(document)
    assert document["snapshot"][DATABASE] not in forger.made


def test_a_second_site_that_is_away_says_nothing_about_the_backup(lab, stranger):
    lab.engine("stop", "-t", "3", "miyun1")
    try:
        document = stranger(4)
    finally:
        lab.engine("start", "miyun1")
    ((thing, cause),) = reasons(document).items()
    assert document["verdict"] == "could not judge"
    assert "miyun" in thing
    assert "cannot be reached" in cause


def test_a_host_that_is_not_empty_is_refused_and_left_alone(lab):
    lab.podman("scratch1", "mkdir", "-p", "/srv/restore/mine")
    try:
        document = lab.json("drill", "--system", SYSTEM, expect=4)
    finally:
        lab.podman("scratch1", "rmdir", "/srv/restore/mine")
    assert document["verdict"] == "could not judge"
    assert "not empty" in reasons(document)["/srv/restore/mine"]


@pytest.mark.long
def test_a_host_with_a_database_server_is_refused(lab):
    lab.podman("scratch1", "pg_createcluster", "15", "other", "-p", "5998")
    try:
        document = lab.json("drill", "--system", SYSTEM, expect=4)
    finally:
        lab.podman("scratch1", "pg_dropcluster", "15", "other")
    assert "/var/lib/postgresql/15/other" in reasons(document)["database cluster"]


@pytest.mark.long
def test_a_host_that_reaches_production_is_refused(lab):
    """The walls of the lab's network fall for a moment: a listener on scratch1 itself answers as db1 would."""
    hosts = (lab.inventory / "hosts.yml").read_text(encoding="utf-8")
    address = yaml.safe_load(hosts)["all"]["children"]["sources"]["hosts"]["db1"]["ansible_host"]
    inside(lab, "scratch1", "ip", "address", "add", f"{address}/32", "dev", "lo")
    try:
        document = lab.json("drill", "--system", SYSTEM, expect=4)
    finally:
        inside(lab, "scratch1", "ip", "address", "del", f"{address}/32", "dev", "lo")
    assert [cause for cause in reasons(document).values() if "reaches production" in cause]


def test_a_disk_that_fills_half_way_says_nothing_about_the_backup(lab, tmp_path):
    inventory = tmp_path / "small"
    shutil.copytree(lab.inventory, inventory)
    estate = inventory / "policy" / "estate.yml"
    text = estate.read_text(encoding="utf-8")
    assert "reserve_bytes: 1073741824" in text
    estate.write_text(text.replace("reserve_bytes: 1073741824", "reserve_bytes: 1"), encoding="utf-8")
    mount = ["podman", "exec", "--privileged", f"yunwei-{lab.slot}-scratch1"]
    small = "mkdir -p /srv/restore && mount -t tmpfs -o size=400m tmpfs /srv/restore"
    subprocess.run([*mount, "sh", "-c", small], check=True)
    write = "dd if=/dev/zero of=/srv/restore/.fill bs=1M oflag=append conv=notrunc"
    fill = f"ls /srv/restore/*/pg/data/PG_VERSION && {write}"
    try:
        with _hand_on_scratch(lab, fill):
            document = lab.json("drill", "--system", SYSTEM, "-i", str(inventory), expect=4)
    finally:
        subprocess.run([*mount, "umount", "/srv/restore"], check=True)
    assert document["verdict"] == "could not judge"
    assert "No space left on device" in " ".join(reasons(document).values())
    assert document["destroyed"]["ok"]


@pytest.mark.long
def test_a_failed_drill_is_kept_when_asked_and_cleared_when_asked(lab, forger, stranger):
    whole = forger.payload(DATABASE)
    forger.forge(DATABASE, forger.manifest(DATABASE), whole[: len(whole) // 2])
    with pytest.raises(AssertionError):
        stranger(1, "--keep-on-failure")
    kept = lab.podman("scratch1", "ls", "/srv/restore").stdout.strip()
    assert kept.startswith("r-")
    assert f"restore of system {SYSTEM}" in " ".join(reasons(lab.json("drill", "--system", SYSTEM, expect=4)).values())
    passed(lab.json("drill", "--system", SYSTEM, "--site", "local", "--sweep-kept"))
    assert_empty(lab)
