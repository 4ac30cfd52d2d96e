"""`yunwei logs`."""

from __future__ import annotations

import argparse

from yunwei import launch, policy, runner
from yunwei.cli import jobs, show
from yunwei.errors import UsageError
from yunwei.jobs import find_job


def fetch(options: argparse.Namespace) -> int:
    """Bring archived log files of one host back from a site."""
    system = _system(policy.load(options.inventory), options.host, options.system)
    variables = {
        "yunwei_site": options.site,
        "yunwei_host": options.host,
        "yunwei_path": options.path,
        "yunwei_from": options.first.isoformat(),
        "yunwei_to": options.last.isoformat(),
        "yunwei_into": str(options.into),
    }
    runner.raise_on_termination()
    request = launch.Request(find_job("fetch-logs"), options.inventory, [system], variables=variables)
    result = launch.launch(request, show.progress)
    jobs.print_result(result, as_json=options.json)
    if result.exit_code == 0 and not options.json:
        for item in result.document["items"]:
            print(show.printable(f"{item['files']} files, {item['new_files']} of them new: {item['folder']}"))
    return result.exit_code


def _system(known: policy.Policy, host: str, asked: str | None) -> str:
    """Return the system whose archive holds the host's logs; a host without rules by now needs it to be named."""
    if asked:
        return known.system(asked).id
    found = [system.id for system in known.systems.values() if host in system.log_hosts]
    if len(found) == 1:
        return found[0]
    what = f"has logs of {', '.join(found)}" if found else "has no rule for logs in any system"
    raise UsageError(f"{host} {what}: name the system with --system")
