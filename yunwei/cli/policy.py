"""`yunwei validate` and `yunwei list`."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from yunwei import policy
from yunwei.cli import show
from yunwei.jobs import all_jobs


def validate(options: argparse.Namespace) -> int:
    """Report every problem of an inventory at once; exit 2 where there is one."""
    problems = policy.validate(options.inventory)
    if options.json:
        show.json_document({"valid": not problems, "problems": [asdict(problem) for problem in problems]})
    elif problems:
        for problem in problems:
            print(problem)
        show.say(f"{len(problems)} problem(s) in {options.inventory}")
    else:
        print(f"{options.inventory}: valid")
    return 2 if problems else 0


def show_list(options: argparse.Namespace) -> int:
    """List jobs, systems, hosts or the rules of hardening."""
    rows = _rows(options)
    if options.json:
        show.json_document(rows)
    else:
        columns = list(rows[0]) if rows else [options.what]
        show.table(columns, [list(row.values()) for row in rows])
    return 0


def _rows(options: argparse.Namespace) -> list[dict[str, object]]:
    if options.what == "jobs":
        return [{"job": job.name, "class": job.job_class.value, "what": job.summary} for job in all_jobs().values()]
    describe = {
        "systems": policy.describe_systems,
        "hosts": policy.describe_hosts,
        "rules": policy.describe_rules,
    }
    return describe[options.what](policy.load(options.inventory))
