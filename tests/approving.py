"""Approvers with real SSH keys, and an inventory that marks a system for them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from tests.inventories import ESTATE, MEDIATION, InventoryCopy
from yunwei import approvals, gate, plans, session
from yunwei.ledger import Ledger
from yunwei.ledger.process import describe_self
from yunwei.plans import Plan

OFFICER = "duty-officer"
HOSTS = ["app1", "db1"]
PLAN = Plan(
    job="clean-logs",
    systems=["mediation"],
    options={},
    hosts={host: {"mediation": "a" * 64} for host in HOSTS},
    time="2026-11-22T01:00:00Z",
    requested_by="userpass:colleague",
    run_id="r-plan",
    items=[],
)


def make_key(folder: Path, name: str) -> tuple[Path, str]:
    """Return a new private key and its public half without the comment."""
    key = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True)
    return key, key.with_suffix(".pub").read_text(encoding="ascii").strip()


def add_approvers(inventory: InventoryCopy, folder: Path, marks: str = "[clean-logs]") -> dict[str, Path]:
    """Let policy have two approvers, mark mediation, and return the private keys by name.

    `engineer-post` is who makes and runs plans in tests: userpass:engineer.
    """
    keys, lines = {}, ["approvals:", "  longest_hours: 48", "  approvers:"]
    for name, identity in ((OFFICER, "userpass:officer"), ("engineer-post", "userpass:engineer")):
        keys[name], public = make_key(folder, name)
        lines.append(f"    - {{name: {name}, identities: ['{identity}'], public_key: '{public}'}}")
    inventory.edit(ESTATE, "lock:\n", "\n".join(lines) + "\nlock:\n")
    inventory.edit(MEDIATION, "legal_holds: []", f"legal_holds: []\nneeds_approval: {marks}")
    inventory.load()
    return keys


def keep_plan(plan: Plan, file: Path) -> None:
    """Write a plan, and record the run that found it."""
    book = Ledger.open()
    if book.find_run(plan.run_id) is None:
        permit = {"systems": plan.systems, "options": plan.options, "time": plan.time}
        said = [(host, system, digest) for host, of in plan.hosts.items() for system, digest in of.items()]
        tasks = [{"host": host, "yunwei": {"system": name, "plan": {"digest": found}}} for host, name, found in said]
        book.begin({"run_id": plan.run_id, "process": describe_self(), "job": plan.job, "check": True})
        end = {"status": "done", "exit_code": 0, "who": plan.requested_by, "permits": [permit], "tasks": tasks}
        book.finish(plan.run_id, end)
    plans.write_plan(plan, file)


def open_session(inventory: InventoryCopy, run_id: str = "r-1234") -> session.Session:
    """Open a run of clean-logs."""
    return session.open_session(session.Intent(run_id, "clean-logs", "clean_logs.yml", (inventory.folder,), False))


def sign(opened: session.Session, file: Path, key: Path, name: str = OFFICER, **more: Any) -> approvals.Approval:
    """Approve the plan in the file, and put the approval beside it."""
    signing = approvals.Signing(name, key, more.pop("hours", 24), **more)
    approval, signature = approvals.approve(opened.policy, plans.read_plan(file), signing)
    approvals.write_approval(approval, signature, approvals.default_path(file))
    return approval


def request(file: Path | None, job: str = "clean-logs", **more: Any) -> gate.Request:
    """Return what the gate is asked for `PLAN`, or for another plan in the file, or without one."""
    given = {"systems": ["mediation"], "play": HOSTS, "hosts": HOSTS, "plan": file, **more}
    return gate.Request(job, **given)


def open_gate(opened: session.Session, asked: gate.Request) -> dict[str, Any]:
    """Open the gate and let the session see the permit, as the callback does."""
    found = gate.open_gate(asked, opened)
    opened.permits.append(found["permit"])
    return found
