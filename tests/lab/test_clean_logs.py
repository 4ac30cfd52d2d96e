"""Logs of real hosts, one of them with Python 2.7 only: planned, archived, read back, and only then gone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.lab.conftest import Lab

pytestmark = pytest.mark.lab

PLACES = {"app1": "/var/log/mediation", "legacy1": "/opt/tomcat/logs"}
ODD = "localhost.2020-01-01.log.1$'\\n\\xff'"
# Old and young ones, one that somebody has open, a link to a secret, a hard link, a file in a folder that others write.
PLANT = r"""
set -eu; cd PLACE
for days in 3 50 70; do
    name=localhost.2026-01-$days.log.$days
    seq 1000 > $name; touch -d "$days days ago" $name
done
printf 'odd' > ODD; touch -d '90 days ago' ODD
seq 10 > localhost.2026-01-02.log.9; touch -d '60 days ago' localhost.2026-01-02.log.9
ln -sf /etc/shadow localhost.2026-01-03.log.1
seq 10 > localhost.2026-01-04.log.1; ln -f localhost.2026-01-04.log.1 localhost.2026-01-05.log.1
touch -d '60 days ago' localhost.2026-01-04.log.1
chown -R --reference=. .
"""
PLAIN = {"localhost.2026-01-50.log.50", "localhost.2026-01-70.log.70"}


@pytest.fixture(scope="module")
def planted(lab: Lab) -> Any:
    """Plant files on both hosts; one of them stays open there."""
    for host, place in PLACES.items():
        script = PLANT.replace("PLACE", place).replace("ODD", ODD)
        lab.podman(host, "bash", "-c", script)
        held = f"exec 3< {place}/localhost.2026-01-02.log.9; exec sleep 1000"
        lab.podman(host, "systemd-run", "--quiet", "--unit=hold-log", "bash", "-c", held)
    yield
    for host in PLACES:
        lab.podman(host, "systemctl", "stop", "hold-log.service", check=False)


def listing(lab: Lab, host: str) -> list[str]:
    return lab.podman(host, "ls", "-1", "--quoting-style=escape", PLACES[host]).stdout.splitlines()


def rows(document: dict[str, Any], host: str, status: str) -> set[str]:
    found = [item for item in document["items"] if item["host"] == host and item["status"] == status]
    return {item["item"].rsplit("/", 1)[1] for item in found}


def test_a_plan_names_the_files_and_the_run_archives_and_removes_exactly_these(lab: Lab, planted: None):
    before = {host: listing(lab, host) for host in PLACES}
    planned = lab.json("plan", "clean-logs")
    assert {host: listing(lab, host) for host in PLACES} == before
    kept = {task["host"]: task["yunwei"]["artifacts"] for task in planned["results"] if "artifacts" in task["yunwei"]}
    for host in PLACES:
        whole = Path(kept[host][0]["path"]).read_text().splitlines()
        assert {json.loads(line)["rule"] for line in whole} <= {"app", "portal", "saved"}
        assert len(whole) == len(rows(planned, host, "would archive and retire"))
    done = lab.json("run", "clean-logs")
    assert done["verification"]["verdict"] == "passed"
    for host in PLACES:
        gone = rows(planned, host, "would archive and retire")
        assert rows(done, host, "retired") == gone >= PLAIN
        assert "localhost.2026-01-02.log.9" in rows(done, host, "left") | rows(planned, host, "left")
        left = set(listing(lab, host))
        assert not left & PLAIN
        stay = {"localhost.2026-01-3.log.3", "localhost.2026-01-02.log.9", "localhost.2026-01-03.log.1"}
        assert left >= stay | {"localhost.2026-01-04.log.1", "localhost.2026-01-05.log.1"}
        (archived,) = [item for item in done["items"] if item["item"] == f"logs:{host}"]
        assert archived["status"] == "accepted"
        assert archived["files"] == len(gone)
    assert any("\\xff" in name for name in rows(done, "legacy1", "retired"))
    assert {item["status"] for item in lab.json("plan", "clean-logs")["items"]} == {"left"}


def test_the_playbook_alone_does_the_same(lab: Lab, planted: None):
    place = PLACES["app1"]
    lab.podman(
        "app1",
        "bash",
        "-c",
        f"cd {place}; echo x > z.log.1; touch -d '80 days ago' z.log.1; chown --reference=. z.log.1",
    )
    done = lab.playbook("clean_logs", "--limit", "app1", "-e", json.dumps({"yunwei_systems": ["mediation"]}))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "z.log.1" not in listing(lab, "app1")
