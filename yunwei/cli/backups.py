"""`yunwei backups`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from yunwei import launch
from yunwei.cli import jobs, show
from yunwei.jobs import find_job


def show_list(options: argparse.Namespace) -> int:
    """List accepted backups of one site."""
    result = _launch(options, "list-backups", {})
    if options.json:
        show.json_document(result.document)
    elif result.exit_code:
        jobs.print_result(result, as_json=False)
    else:
        columns = ("system", "item", "record", "taken", "size", "verified", "at miyun", "remark")
        show.table(columns, [_row(item) for item in result.document["items"]], f"backups at {options.site}")
    return result.exit_code


def _row(item: Mapping[str, Any]) -> tuple[object, ...]:
    record = str(item.get("record", ""))[:12]
    return (
        item.get("system"),
        item.get("item"),
        record,
        item.get("snapshot_at"),
        show.size(item.get("bytes")),
        item.get("verified"),
        item.get("miyun"),
        _remark(item),
    )


def _remark(item: Mapping[str, Any]) -> str:
    """Say what a person should know before relying on a backup."""
    parts = ["damaged"] if item.get("damaged") else []
    parts += [f"SUSPICIOUS: {text}" for text in item.get("suspicious") or []]
    parts += [f"held: record {str(name)[:12]} is suspicious" for name in item.get("held_by") or []]
    return ", ".join(parts)


def verify(options: argparse.Namespace) -> int:
    """Read a repository back and compare it with its records; by default the twelfth that was read longest ago."""
    part = "all" if options.all else options.part or "next/12"
    result = _launch(options, "verify-backups", {"yunwei_part": part})
    jobs.print_result(result, as_json=options.json)
    return result.exit_code


def release(options: argparse.Namespace) -> int:
    """Plan an early release of local backups; it is run like every other plan, once it was approved."""
    wanted = {"records": options.record, "reason": options.reason}
    request = launch.Request(
        find_job("retire-backups"),
        options.inventory,
        [options.system],
        check=True,
        variables={"yunwei_release": wanted},
    )
    return jobs.plan_to_file(request, options.output, as_json=options.json)


def _launch(options: argparse.Namespace, job: str, variables: dict[str, object]) -> launch.Result:
    request = launch.Request(
        find_job(job),
        options.inventory,
        options.system,
        options.limit,
        variables={"yunwei_site": options.site, **variables},
    )
    return launch.launch(request, show.progress)
