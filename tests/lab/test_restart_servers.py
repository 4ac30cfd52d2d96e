"""Restarts of real hosts, one of them with Python 2.7 only: what stands against them, the rollout, and its faults."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.lab.conftest import BIN, Lab

pytestmark = pytest.mark.lab

WINDOW = (
    "windows:\n  - {name: {zh: 全天, en: Always}, starts: 2026-01-01T00:00, ends: 2026-01-02T00:00,"
    " repeats: FREQ=DAILY, days: all, hosts: [app1, db1, legacy1]}\n"
)
FREEZE = "freezes:\n  - {name: {zh: 封网, en: Freeze}, starts: 2026-01-01, ends: 2026-12-31, repeats: FREQ=YEARLY}\n"
LIMITS = "restart: {proof_seconds: 5, transaction_seconds: 1}\n"
RECORDS = "/var/lib/yunwei/restart"
# By host: what is planted, and as what it must be found.
PLANTED = {
    "app1": """
        systemd-run -q --unit=planted-listener /usr/bin/python3 -m http.server 9999
        nft add table inet planted; nft 'add chain inet planted input { type filter hook input priority 0; }'
        nft add rule inet planted input tcp dport 9 drop
        ip route add 192.0.2.128/28 dev lo
        echo 'net.ipv4.ip_nonlocal_bind = 1' > /etc/sysctl.d/99-planted.conf
        cp /etc/fstab /root/fstab.kept; echo 'UUID=planted /data ext4 defaults 0 2' >> /etc/fstab
        echo x > /boot/vmlinuz-999.0.0
        cp /bin/sleep /opt/planted; systemd-run -q --unit=planted-code /opt/planted 1000; rm /opt/planted
        touch /var/lib/dpkg/info/libc6:*.list
        cp /bin/sleep /opt/dpkg; systemd-run -q --unit=planted-dpkg /opt/dpkg 1000
        systemd-run -q --unit=planted-person script -qc 'sleep 1000' /dev/null
        mkdir -p -m 0711 /run/yunwei-locks; (umask 077; : >> /run/yunwei-locks/yunwei-mediation.lock)
        systemd-run -q --unit=planted-run flock /run/yunwei-locks/yunwei-mediation.lock sleep 1000
    """,
    "legacy1": """
        ip route add 192.0.2.128/28 dev lo
        systemd-run -q --unit=planted-person script -qc 'sleep 1000' /dev/null
        touch /run/reboot-required
    """,
    "db1": """
        systemd-run -q --unit=planted-transaction runuser -u postgres -- \
            psql -d mediation -c 'BEGIN; SELECT pg_sleep(1000)'
    """,
}
FOUND = {
    "app1": {
        "listener:tcp/0.0.0.0:9999", "firewall:nftables", "route:192.0.2.128/28", "fstab:UUID=planted",
        "setting:net.ipv4.ip_nonlocal_bind", "boot:initramfs", "busy:packages:dpkg", "busy:session:pts",
        "busy:yunwei:mediation",
    },
    "legacy1": {"route:192.0.2.128/28", "busy:session:pts"},
    "db1": {"transaction:mediation:postgres"},
}  # fmt: skip
NEEDS = {"app1": {"kernel", "deleted files", "packages"}, "legacy1": {"flag"}, "db1": set()}
CLEAN = """
    systemctl stop 'planted-*' 2>/dev/null
    runuser -u postgres -- psql -qc "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE query = 'BEGIN; SELECT pg_sleep(1000)'" >/dev/null 2>&1
    nft delete table inet planted 2>/dev/null; ip route del 192.0.2.128/28 2>/dev/null
    [ ! -e /root/fstab.kept ] || mv /root/fstab.kept /etc/fstab
    rm -f /etc/sysctl.d/99-planted.conf /boot/vmlinuz-999.0.0 /opt/dpkg /run/reboot-required
    [ ! -d /var/lib/dpkg/info ] || touch -d 2020-01-01 /var/lib/dpkg/info/libc6:*.list
"""
# It runs only while a file in memory is there: a start takes that away.
FRAGILE = """
    printf '[Service]\\nExecStartPre=/usr/bin/test -e /run/planted-flag\\nExecStart=/bin/sleep infinity\\n' \
        > /etc/systemd/system/planted-fragile.service
    printf '[Install]\\nWantedBy=multi-user.target\\n' >> /etc/systemd/system/planted-fragile.service
    touch /run/planted-flag; systemctl daemon-reload; systemctl enable --quiet --now planted-fragile.service
"""
NO_FRAGILE = """
    systemctl disable --quiet --now planted-fragile.service 2>/dev/null
    rm -f /etc/systemd/system/planted-fragile.service; systemctl daemon-reload
"""


@pytest.fixture(scope="module")
def calendar(lab: Lab) -> Iterator[Callable[[str], None]]:
    """Open the calendar of the lab's hosts at all times, and yield what writes another one."""
    file, estate = lab.inventory / "policy/calendar/restart_tests.yml", lab.inventory / "policy/estate.yml"
    kept = estate.read_text(encoding="utf-8")
    try:
        estate.write_text(kept + LIMITS, encoding="utf-8")
        file.write_text(WINDOW, encoding="utf-8")
        yield lambda text: file.write_text(text, encoding="utf-8") and None
    finally:
        estate.write_text(kept, encoding="utf-8")
        file.unlink()


def started(lab: Lab, host: str) -> str:
    """Return the start of process 1, empty while the host is down."""
    return lab.podman(host, "cut", "-d", " ", "-f22", "/proc/1/stat", check=False).stdout.strip()


def statuses(document: dict[str, Any], host: str) -> dict[str, str]:
    return {row["item"]: row["status"] for row in document["items"] if row["host"] == host}


def wait_until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_what_stands_against_a_restart_is_found_and_nothing_is_restarted(lab: Lab, calendar: Any):
    try:
        for host, script in PLANTED.items():
            lab.podman(host, "sh", "-euc", script)
        before = {host: started(lab, host) for host in PLANTED}
        planned = lab.json("plan", "restart-servers")
        needs = {}
        for host, expected in FOUND.items():
            blocking = {name for name, status in statuses(planned, host).items() if status == "blocks"}
            blocking = {"busy:session:pts" if name.startswith("busy:session:pts/") else name for name in blocking}
            assert blocking >= expected, (host, expected - blocking)
            (said,) = [one["yunwei"] for one in planned["results"] if one["host"] == host and "needs" in one["yunwei"]]
            needs[host] = {need["source"] for need in said["needs"]}
        assert {host: found & NEEDS[host] for host, found in needs.items()} == NEEDS
        refused = lab.json("run", "restart-servers", expect=3)
        assert "app1 needs a restart and was left: " in refused["reason"]
        assert {host: started(lab, host) for host in PLANTED} == before
    finally:
        for host in PLANTED:
            lab.podman(host, "sh", "-c", CLEAN, check=False)


def test_a_rollout_stops_at_the_first_failure_and_the_same_command_goes_on(lab: Lab, calendar: Callable[[str], None]):
    try:
        for host in ("app1", "legacy1"):
            lab.podman(host, "touch", "/run/reboot-required")
        calendar(WINDOW + FREEZE)
        closed = lab.json("run", "restart-servers", expect=3)
        assert "封网" in closed["reason"], "no room, nothing done"
        calendar(WINDOW)
        before = {host: started(lab, host) for host in PLANTED}
        lab.podman("app1", "sh", "-euc", FRAGILE)
        failed = lab.json("run", "restart-servers", expect=1)
        assert statuses(failed, "app1")["service:planted-fragile.service"] == "failed"
        journal = [row for row in failed["items"] if row["item"] == "journal"]
        assert "planted-fragile.service" in journal[0]["reason"]
        after = {host: started(lab, host) for host in PLANTED}
        assert [host for host in PLANTED if after[host] != before[host]] == ["app1"], "nobody else goes down"

        still = lab.json("run", "restart-servers", expect=1)
        assert statuses(still, "app1")["service:planted-fragile.service"] == "failed", "the line stays stopped"
        assert started(lab, "legacy1") == before["legacy1"]

        lab.podman("app1", "sh", "-c", "touch /run/planted-flag; systemctl start planted-fragile.service")
        kill_while_it_restarts(lab, "legacy1")
        assert lab.podman("app1", "test", "-e", f"{RECORDS}/pending.json", check=False).returncode == 1

        done = lab.json("run", "restart-servers")
        assert statuses(done, "legacy1")["restart"] == "passed", "what the dead run restarted is proven"
        assert done["verification"]["verdict"] == "passed"
        assert {row["status"] for row in done["items"] if row["item"] == "-"} == {"not needed"}
        assert started(lab, "app1") == after["app1"], "once is enough"
    finally:
        lab.podman("app1", "sh", "-c", NO_FRAGILE, check=False)


def kill_while_it_restarts(lab: Lab, host: str) -> None:
    """Start the rollout, kill all of the controller when `host` goes down, and wait until the host is back."""
    before = started(lab, host)
    environment = {**os.environ, "YUNWEI_INVENTORY": str(lab.inventory)}
    run = subprocess.Popen(
        [str(BIN / "yunwei"), "run", "restart-servers"], env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until(lambda: lab.podman(host, "test", "-e", f"{RECORDS}/pending.json", check=False).returncode == 0)
        wait_until(lambda: started(lab, host) != before)
        assert run.poll() is None
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    wait_until(
        lambda: lab.podman(host, "systemctl", "is-active", "ssh.service", check=False).stdout.strip() == "active"
    )
