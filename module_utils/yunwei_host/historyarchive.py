"""Exports the planned old rows of one host's databases into the system's repository, and says what they were."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from .archive import archiving, pull_archive
from .backup_plan import facts
from .baseline import accepted_lines
from .faults import FaultError
from .loglist import pack, to_line

_SAID = ("rule", "t", "from", "to", "rows", "keys", "schema", "name", "digest")


def archive(work, host, permit, secrets, planned):
    """Export what `planned` names of `host` and return (summary, changed).

    Args:
        work: a `HistoryWork`.
        host: the host's name in the inventory.
        permit: what the gate issued.
        secrets: {"repository-local": {"password"}, "source-<host>": {"private_key", "public_key"}}.
        planned: [{"rule", "before", "parts"}], as the host gave it.

    The summary hands on "archived": of each batch of rows that the repository gave back what its rows are known by.
    """
    sources = dict((rule["name"], rule["source"]) for rule in work["rules"].get(host, []))
    items, lines = [], []
    with archiving(work, permit, secrets) as job:
        for one in planned:
            if one["rule"] not in sources:
                raise FaultError("rule %s is none of policy's for %s: start the job again" % (one["rule"], host))
            record = pull_archive(
                job, sources[one["rule"]], [to_line({"before": one["before"], "parts": one["parts"]})]
            )
            items.append(_told(record))
            lines.extend(_lines(job.repository, record, one["rule"]))
    packed = pack(lines)
    summary = {"system": work["system"], "items": items, "archived": {"sha256": packed["sha256"]}}
    return dict(summary, handed_on={"archived": packed}), bool(items)


def _told(record):
    return dict(facts(record), item=record["item"], status="accepted", record=record["record_id"])


def _lines(repository, record, rule):
    """Yield what the stored manifest says of each batch or partition."""
    for line in accepted_lines(repository, record):
        if line.get("t") in ("rows", "part"):
            yield to_line(dict((key, value) for key, value in dict(line, rule=rule).items() if key in _SAID))
