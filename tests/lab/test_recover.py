"""Real recovery: what was lost comes back proven, what is there is never overwritten."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import Lab
from tests.lab.forgery import inside

pytestmark = pytest.mark.lab

SYSTEM = "legalservice"
# Two services and a probe for that system, whose policy has none; each says in a file when it starts and stops.
SERVED = {
    "services: []": "services: [{host: legacy1, unit: lab-web.service, order: 20}, "
    "{host: db1, unit: lab-store.service, order: 10}]",
    "application: null": "application: {file_set: portal, command: [python3], "
    'probe: {url: "http://127.0.0.1:8098/", expect: Directory listing}}',
}
SAID = "\n".join(
    f"{moment}=/bin/sh -c 'echo {verb} %n >> /run/lab-said'"
    for moment, verb in {"ExecStartPre": "started", "ExecStopPost": "stopped"}.items()
)
UNITS = {
    "lab-store": "Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true",
    "lab-web": "ExecStart=/usr/bin/python3 -m http.server 8098 --bind 127.0.0.1 --directory /srv/portal",
}


@pytest.fixture(scope="module", autouse=True)
def backups(lab: Lab) -> None:
    """Both systems have an accepted backup at the local site."""
    lab.plain("back-up")


def psql(lab: Lab, database: str, *statements: str) -> str:
    command = ["psql", "-X", "-qAt", "-v", "ON_ERROR_STOP=1", "-d", database]
    return inside(lab, "db1", *command, user="postgres", given="\n".join(statements).encode()).decode().strip()


def databases(lab: Lab) -> list[str]:
    return psql(lab, "postgres", "SELECT datname FROM pg_database WHERE datname ~ 'legal|yunwei' ORDER BY 1;").split()


def recover(lab: Lab, *words: str, expect: int = 0, system: str = SYSTEM):
    document = lab.json("recover", "--system", system, "--site", "local", *words, expect=expect)
    assert_nothing_left(lab)
    return document


def assert_nothing_left(lab: Lab) -> None:
    for host in ("db1", "app1", "legacy1"):
        assert lab.podman(host, "sh", "-c", "ls -A /srv/restore 2> /dev/null; true").stdout == ""


def facts(document):
    """Return the summaries of a run's steps as one."""
    whole = {}
    for task in document["results"]:
        whole |= task["yunwei"]
    return whole


def test_a_dropped_database_comes_back_with_its_rows_roles_and_settings(lab):
    rows = psql(lab, SYSTEM, 'SELECT count(*) FROM "Law Firm".firm;')
    psql(lab, "postgres", f"DROP DATABASE {SYSTEM} WITH (FORCE);")
    document = recover(lab, "--to", "db1", "--database", SYSTEM)
    found = facts(document)
    assert psql(lab, SYSTEM, 'SELECT count(*) FROM "Law Firm".firm;') == rows
    assert found["tables"]["equal"] == found["tables"]["expected"] > 0
    assert found["objects"]["different"] == found["sequences"]["different"] == found["indexes"]["different"] == 0
    assert databases(lab) == [SYSTEM]


@pytest.fixture
def new_host(lab: Lab) -> Iterator[None]:
    """An empty host on which somebody installed the units of the system, and started them."""
    for name, text in UNITS.items():
        unit = f"/etc/systemd/system/{name}.service"
        lab.podman("scratch1", "tee", unit, stdin=f"[Service]\n{text}\n{SAID}\n")
    try:
        lab.podman("scratch1", "systemctl", "start", *UNITS)
        lab.podman("scratch1", "rm", "/run/lab-said")
        yield
    finally:
        names = " ".join(UNITS)
        remove = f"systemctl stop {names}; cd /etc/systemd/system && rm -f lab-*.service && systemctl daemon-reload"
        remove += "; pg_dropcluster --stop 15 main; rm -rf /srv/portal /run/lab-said"
        lab.podman("scratch1", "sh", "-c", remove)


def test_a_system_comes_back_on_one_new_host_where_its_services_start_and_answer(lab, new_host, tmp_path: Path):
    """The cluster is made there, the services go down and up in policy's order, the living hosts are left alone."""
    lab.json("run", "sync-to-miyun", "--system", SYSTEM)
    inventory = tmp_path / "served"
    shutil.copytree(lab.inventory, inventory)
    policy = inventory / "policy" / "systems" / f"{SYSTEM}.yml"
    text = policy.read_text(encoding="utf-8")
    for old, new in SERVED.items():
        assert old in text
        text = text.replace(old, new)
    policy.write_text(text, encoding="utf-8")
    words = ("--system", SYSTEM, "--site", "miyun", "--to", "scratch1", "-i", str(inventory))
    found = facts(lab.json("recover", *words))
    for kind in ("tables", "files", "objects", "sequences", "indexes"):
        assert found[kind]["equal"] == found[kind]["expected"] > 0, kind
    assert found["probe"]["ok"]
    said = lab.podman("scratch1", "cat", "/run/lab-said").stdout.splitlines()
    assert said == [f"{verb} {name}.service" for verb, name in (
        ("stopped", "lab-web"), ("stopped", "lab-store"), ("started", "lab-store"), ("started", "lab-web"),
    )]  # fmt: skip
    assert lab.podman("scratch1", "pg_lsclusters", "-h").stdout.split()[:4] == ["15", "main", "5432", "online"]
    assert lab.podman("scratch1", "ls", "-A", "/srv/restore").stdout == ""
    assert databases(lab) == [SYSTEM]


def test_a_living_database_is_refused_and_then_kept_as_a_safety_copy(lab):
    psql(lab, SYSTEM, "CREATE TABLE public.mine AS SELECT 1;")
    refused = recover(lab, "--to", "db1", "--database", SYSTEM, expect=3)
    assert "nothing is overwritten" in str(refused["reason"])
    assert psql(lab, SYSTEM, "SELECT * FROM public.mine;") == "1"
    try:
        found = facts(recover(lab, "--to", "db1", "--database", SYSTEM, "--replace", f"database:{SYSTEM}"))
        safe = found["safety_copies"][0].removeprefix("database ")
        assert databases(lab) == [SYSTEM, safe]
        assert psql(lab, safe, "SELECT * FROM public.mine;") == "1"
        assert psql(lab, SYSTEM, "SELECT to_regclass('public.mine');") == ""
    finally:
        for name in databases(lab):
            if "_before_" in name:
                psql(lab, "postgres", f'DROP DATABASE "{name}";')


def test_one_table_comes_back_beside_the_living_one(lab):
    psql(lab, SYSTEM, "DROP SCHEMA IF EXISTS rescue CASCADE;")
    before = psql(lab, SYSTEM, "SELECT count(*) FROM service.node;")
    psql(lab, SYSTEM, "DELETE FROM service.node WHERE id > 500;")
    words = ("--to", "db1", "--database", SYSTEM, "--table", "service.node", "--into", "rescue")
    found = facts(recover(lab, *words))
    assert found["tables"] == {"expected": 1, "equal": 1, "different": 0, "differences": [], "rows": int(before)}
    assert psql(lab, SYSTEM, "SELECT count(*) FROM rescue.node;") == before
    put_back = "INSERT INTO service.node SELECT * FROM rescue.node ON CONFLICT DO NOTHING;"
    psql(lab, SYSTEM, "SET session_replication_role = replica;", put_back)
    assert psql(lab, SYSTEM, "SELECT count(*) FROM service.node;") == before
    assert databases(lab) == [SYSTEM]
    assert "already there" in str(recover(lab, *words, expect=3)["reason"])
    psql(lab, SYSTEM, "DROP SCHEMA rescue CASCADE;")


@pytest.mark.long
def test_a_table_that_the_backup_does_not_have_is_refused_with_what_it_has(lab):
    words = ("--to", "db1", "--database", SYSTEM, "--table", "service.nodes", "--into", "rescue")
    assert "service.node," in str(recover(lab, *words, expect=3)["reason"])


def test_one_file_comes_back_into_a_folder(lab):
    lab.podman("app1", "rm", "-rf", "/srv/rescue")
    wanted = {"to": ["app1"], "files": "/srv/mediation/bin/*", "into_dir": "/srv/rescue"}
    found = facts(lab.plain("recover-system", ["mediation"], **wanted))
    assert_nothing_left(lab)
    assert found["files"]["equal"] == found["files"]["expected"] == 1
    lab.podman("app1", "cmp", "/srv/rescue/srv/mediation/bin/app.py", "/srv/mediation/bin/app.py")
    words = ("--to", "app1", "--files", wanted["files"], "--into", wanted["into_dir"])
    assert "nothing is overwritten" in str(recover(lab, *words, system="mediation", expect=3)["reason"])
    lab.podman("app1", "rm", "-r", "/srv/rescue")


@pytest.mark.long
def test_files_come_back_on_a_host_where_restic_does_not_run(lab):
    """Python 2.7 only: a drill host reads the repository, the controller carries, the host restores and proves."""
    lab.podman("legacy1", "rm", "-rf", "/srv/rescue")
    assert lab.podman("legacy1", "sh", "-c", "command -v restic", check=False).returncode != 0
    words = ("--to", "legacy1", "--files", "/srv/portal", "--into", "/srv/rescue")
    found = facts(recover(lab, *words))
    assert found["files"]["equal"] == found["files"]["expected"] > 1000
    assert lab.podman("scratch1", "ls", "-A", "/srv/restore").stdout == ""
    count = "find /srv/rescue/srv/portal | wc -l; find /srv/portal | wc -l"
    assert len(set(lab.podman("legacy1", "sh", "-c", count).stdout.split())) == 1
    lab.podman("legacy1", "rm", "-r", "/srv/rescue")


@pytest.mark.long
def test_a_whole_file_set_comes_back_and_its_service_answers(lab):
    """The service is stopped, the old tree kept beside, the new one proven, the service started and asked."""
    lab.podman("app1", "rm", "-r", "/srv/mediation/bin")
    words = ("--to", "app1", "db1", "--replace", "files:app", "--replace", "database:mediation")
    try:
        document = recover(lab, *words, system="mediation")
        found = facts(document)
        assert found["probe"]["ok"]
        assert found["files"]["different"] == 0
        lab.podman("app1", "systemctl", "is-active", "--quiet", "mediation-app.service")
        assert any(task["yunwei"].get("unit") == "mediation-app.service" for task in document["results"])
        assert lab.podman("app1", "sh", "-c", "ls -d /srv/mediation.before-*").stdout.count("\n") == 1
    finally:
        lab.podman("app1", "sh", "-c", "rm -rf /srv/mediation.before-*")
        listed = psql(lab, "postgres", "SELECT datname FROM pg_database WHERE datname ~ '^mediation_before_';")
        for name in listed.split():
            psql(lab, "postgres", f'DROP DATABASE "{name}" WITH (FORCE);')


def test_a_host_that_holds_the_files_already_is_refused(lab):
    refused = recover(lab, "--to", "app1", "db1", system="mediation", expect=3)
    assert "/srv/mediation is already there" in str(refused["results"])
    assert "the database is already there" in str(refused["results"])


def test_recovery_leaves_evidence(lab):
    rows = lab.json("evidence", "list")
    runs = [row for row in (rows if isinstance(rows, list) else rows["records"]) if row["job"] == "recover-system"]
    assert {"done", "refused"} <= {row["status"] for row in runs}
