"""`yunwei approve`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from yunwei import approvals, plans, policy
from yunwei.cli import show


def approve(options: argparse.Namespace) -> int:
    """Show what a plan would do and sign it; exit 3 where this approver may not."""
    plan = plans.read_plan(options.plan)
    signing = approvals.Signing(options.name, options.key, options.hours, options.emergency.strip())
    if not options.json:
        _show(plan)
    approval, signature = approvals.approve(policy.load(options.inventory), plan, signing)
    output = options.output or approvals.default_path(options.plan)
    approvals.write_approval(approval, signature, output)
    if options.json:
        show.json_document({**asdict(approval), "output": str(output)})
    else:
        print(f"approved by {approval.approver} until {approval.expires}: plan {approval.plan}\n{output}")
    return 0


def _scan_plan(chosen: Mapping[str, Any]) -> str:
    rules = [
        f"  {host}: {rule} for {', '.join(findings)}"
        for host, found in chosen["hosts"].items()
        for rule, findings in found.items()
    ]
    return "\n".join([f"by a scan plan of report {chosen['report']}, SHA-256 {chosen['report_sha256']}:", *rules])


def _show(plan: plans.Plan) -> None:
    print(show.printable(f"plan of {plan.job}, made {plan.time} by {plan.requested_by}"))
    show.table(("host", "system", "item", "status", "detail"), show.item_rows(plan.items))
    for name, value in plan.options.items():
        text = _scan_plan(value) if name == "scan_plan" else f"{name}: {value}"
        print(show.printable(text))
    print(f"systems: {', '.join(plan.systems)}; hosts: {', '.join(sorted(plan.hosts))}")
