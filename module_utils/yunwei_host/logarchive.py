"""Archives exactly the planned files of one host in the system's repository, and says which were read back."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import zlib

from .acting import demand_planned
from .backup import Job
from .backup_plan import facts
from .baseline import accepted_lines
from .faults import FaultError
from .frames import FrameRefusedError
from .hostlock import HostLock
from .leftovers import clear_notes
from .loglist import pack, to_line, unpack, what_goes
from .pull import Pull
from .repository import clear_dead_locks, make_repository, share_repository
from .rundir import make_run_folder, remove_run_folder, sweep_run_folders
from .sourcelist import add_source
from .space import demand_space
from .sshagent import SshAccess


class LogPull(Pull):
    """The planned files of one host being pulled: nothing is left out as known, nothing is compared with before."""

    def __init__(self, job, item, entries):
        """Prepare to ask for `entries`."""
        Pull.__init__(self, job, {"item": item, "baseline": None, "former": None, "history": []})
        self._asked = zlib.compress("".join([_asked(entry) for entry in entries]).encode("ascii"))

    def _look_back(self):
        return {}, self._asked


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
    with HostLock(work["system"], permit):
        sweep_run_folders(work["system"])
        job = Job(work, permit, secrets, make_run_folder(work["system"]))
        try:
            record = _pull(job, LogPull(job, work["sources"][host], entries), work["sources"][host])
            archived = _archived(job.repository, record, entries)
        finally:
            if job.ssh:
                job.ssh.close()
            remove_run_folder(job.folder)
    return _summary(work, host, record, entries, archived), True


def _pull(job, pulling, item):
    """Pull, store, read back; whatever fails leaves nothing that looks like an archive."""
    if job.repository.snapshots_if_any() is None:
        make_repository(job.repository)
    share_repository(job.repository)
    clear_dead_locks(job.repository)
    clear_notes(job.repository, job.store)
    demand_space(job.repository.location, job.reserve_bytes)
    job.ssh = SshAccess(job.folder, job.work["known_hosts"])
    add_source(job.ssh, item, job.secrets)
    try:
        return pulling.run()
    except (FaultError, FrameRefusedError, EnvironmentError) as error:
        clear_dead_locks(job.repository)
        clear_notes(job.repository, job.store)
        raise FaultError("%s was not archived, so nothing is removed: %s" % (item["item"], error))


def _archived(repository, record, entries):
    """Return the entries that the stored manifest holds as they were planned, not changed while they were read."""
    lines = [line for line in accepted_lines(repository, record) if line.get("t") == "file"]
    stored = dict((line["p"], line) for line in lines if line["sent"] and not line["changed"])
    return [entry for entry in entries if _is_stored(entry, stored.get(entry["p"]))]


def _is_stored(entry, line):
    return bool(line) and line["size"] == entry["size"] and entry["key"].partition(":")[2] == line["stat"]


def _asked(entry):
    return to_line({"p": entry["p"], "stat": entry["key"], "sha256": None}) + "\n"


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
