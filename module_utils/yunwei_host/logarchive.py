"""Archives exactly the planned files of one host in the system's repository, and says which were read back."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from .acting import demand_planned
from .archive import archiving, pull_archive
from .backup_plan import facts
from .baseline import accepted_lines
from .loglist import pack, to_line, unpack, what_goes


def archive(work, host, permit, secrets, planned):
    """Archive the planned files of `host` and return (summary, changed).

    Args:
        work: a `LogWork`.
        host: the host's name in the inventory.
        permit: what the gate issued.
        secrets: {"repository-local": {"password"}, "source-<host>": {"private_key", "public_key"}}.
        planned: {"packed", "sha256"}, as the host gave it.

    Raises RefusedByPolicyError for a list that the permit's stored plan does not have.

    The summary hands on "archived": the list of those files that the repository gave back as they were planned.
    """
    entries = unpack(planned["packed"], planned["sha256"])
    demand_planned(permit, work["system"], host, what_goes(entries))
    with archiving(work, permit, secrets) as job:
        record = pull_archive(job, work["sources"][host], [_asked(entry) for entry in entries])
        archived = _archived(job.repository, record, entries)
    return _summary(work, host, record, entries, archived), True


def _archived(repository, record, entries):
    """Return the entries that the stored manifest holds as they were planned, not changed while they were read."""
    lines = [line for line in accepted_lines(repository, record) if line.get("t") == "file"]
    stored = dict((line["p"], line) for line in lines if line["sent"] and not line["changed"])
    return [entry for entry in entries if _is_stored(entry, stored.get(entry["p"]))]


def _is_stored(entry, line):
    return bool(line) and line["size"] == entry["size"] and entry["key"].partition(":")[2] == line["stat"]


def _asked(entry):
    return to_line({"p": entry["p"], "stat": entry["key"], "sha256": None})


def _summary(work, host, record, entries, archived):
    told = dict(facts(record), item="logs:" + host, status="accepted", record=record["record_id"])
    packed = pack(to_line(entry) for entry in archived)
    return {
        "system": work["system"],
        "items": [told],
        "archived": {
            "sha256": packed["sha256"],
            "files": len(archived),
            "not_as_planned": len(entries) - len(archived),
        },
        "handed_on": {"archived": packed},
    }
