"""One system's backup on the backup server: clear up, decide what is due, pull it two at a time, report each item."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import threading
import time

from .backup_plan import facts, line_of, plan_items, tell_trips, verdict_of
from .damage import mend, note_damage
from .faults import FaultError, ProgramFailedError
from .frames import FrameRefusedError, Limits
from .hostlock import HostLock
from .leftovers import clear_notes, is_hindered, unknown_snapshots
from .pull import Pull
from .records import RecordStore
from .repository import clear_dead_locks, make_repository, open_local, share_repository, speaks_of_damage
from .rundir import make_run_folder, remove_run_folder, sweep_run_folders
from .sourcelist import add_source, ask_sources
from .space import demand_space
from .sshagent import SshAccess

RESERVE_BYTES = 256 << 20
LIMITS = Limits()


class Job:
    """What the pulls of one run share."""

    def __init__(self, work, permit, secrets, folder):
        """Open the store and the repository that `work` names; `folder` is the run's tmpfs folder."""
        self.work = work
        self.system = work["system"]
        self.run_id = permit["run_id"]
        self.folder = folder
        self.secrets = secrets
        self.store = RecordStore(work["records"])
        self.repository = open_local(work, secrets)
        self.reserve_bytes = RESERVE_BYTES
        self.limits = LIMITS
        self.ssh = None


def back_up(work, permit, secrets):
    """Back up what is due and return (public summary, changed).

    Args:
        work: a `BackUpWork`.
        permit: {"run_id", "job"} from the gate.
        secrets: {"repository-local": {"password"}, "source-<host>": {"private_key", "public_key"}}.

    Raises FaultError when nothing could be done at all; a failed item is in the summary.
    """
    with HostLock(work["system"], permit):
        swept = sweep_run_folders(work["system"])
        folder = make_run_folder(work["system"])
        job = Job(work, permit, secrets, folder)
        try:
            return _back_up(job, swept)
        finally:
            if job.ssh:
                job.ssh.close()
            remove_run_folder(folder)


def preview(work, permit, secrets):
    """Return what `back_up` would do, as its summary; contacts the sources with `list`, changes nothing."""
    folder = make_run_folder(work["system"])
    job = Job(work, permit, secrets, folder)
    try:
        snapshots = job.repository.snapshots_if_any()
        records = job.store.load()
        _demand_not_lost(job, snapshots, records)
        steps = plan_items(work, records, snapshots or [], time.time())
        job.ssh = SshAccess(folder, work["known_hosts"])
        answers = ask_sources(job.ssh, [step["item"] for step in steps if step["status"] == "due"], secrets)
        items = [_preview_item(step, answers) for step in steps]
        present = "absent" if snapshots is None else "present"
        summary = {"swept": {"pending": sorted(job.store.pending())}, "repository": present}
        return _summary(job, items, summary)
    finally:
        if job.ssh:
            job.ssh.close()
        remove_run_folder(folder)


def _back_up(job, swept):
    snapshots = job.repository.snapshots_if_any()
    _demand_not_lost(job, snapshots, job.store.load())
    if snapshots is None:
        make_repository(job.repository)
    share_repository(job.repository)
    locks = clear_dead_locks(job.repository)
    mended = mend(job.repository, job.store)
    cleared = clear_notes(job.repository, job.store)
    there = job.repository.snapshots() if mended or cleared["space"] else snapshots or []
    steps = plan_items(job.work, job.store.load(), there, time.time())
    if [step for step in steps if step["status"] == "due"]:
        demand_space(job.repository.location, job.reserve_bytes)
        job.ssh = SshAccess(job.folder, job.work["known_hosts"])
    items = _in_parallel([_puller(job, step) for step in steps], job.work["parallel"])
    if [item for item in items if item["status"] == "failed"]:
        clear_dead_locks(job.repository)  # a restic that gets SIGINT while it locks leaves its lock
    undone = clear_notes(job.repository, job.store)
    met = [line for line in items if line.pop("met_damage", False)]
    if met or is_hindered(cleared["space"]) or is_hindered(undone["space"]):
        note_damage(job.store)
    known = [snapshot for snapshot in there if snapshot["id"] not in undone["forgotten"]]
    summary = {
        "swept": dict(cleared, run_folders=swept, locks=locks, mended=mended),
        "undone": undone,
        "unknown_snapshots": [snapshot["id"] for snapshot in unknown_snapshots(job.store.load(), known)],
    }
    accepted = [item for item in items if item["status"] == "accepted"]
    changed = (
        snapshots is None or locks or mended or cleared["adopted"] or cleared["space"] or undone["space"] or accepted
    )
    return _summary(job, items, summary), bool(changed)


_adding = threading.Lock()


def _puller(job, step):
    """Return a function that carries out `step` and returns the item's line of the summary."""

    def pull():
        item, began = step["item"], time.time()
        line = line_of(step)
        if step["status"] != "due":
            return line
        pulling = Pull(job, step)
        try:
            with _adding:
                add_source(job.ssh, item, job.secrets)
            record = pulling.run()
            line.update(status="accepted", record=record["record_id"], **facts(record))
        except (FaultError, FrameRefusedError, EnvironmentError) as error:
            line.update(status="failed", reason="%s" % error)
            line["met_damage"] = isinstance(error, ProgramFailedError) and speaks_of_damage(line["reason"])
        line.update(sent_bytes=pulling.sent, seconds=round(time.time() - began, 3))
        return line

    return pull


def _preview_item(step, answers):
    line = line_of(step)
    if step["status"] == "due":
        line.update(answers[step["item"]["item"]])
    return line


def _summary(job, items, more):
    tell_trips(items, job.store.load(), job.work["tripwire"]["releases"])
    return dict(more, system=job.system, items=items, verdict=verdict_of(items))


def _demand_not_lost(job, snapshots, records):
    if records and snapshots is None:
        raise FaultError(
            "repository %s is absent, but %d records say what it held; it is never made anew silently: bring it back, "
            "or move the folder of records away" % (job.repository.where, len(records))
        )


def _in_parallel(functions, width):
    """Call every function, `width` at a time, and return their results in order."""
    results = [None] * len(functions)
    waiting = list(enumerate(functions))
    faults = []

    def work():
        while waiting:
            try:
                number, function = waiting.pop(0)
            except IndexError:
                return
            try:
                results[number] = function()
            except Exception as error:  # a defect of ours; raised below, when nothing runs any more
                faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(max(1, min(width, len(functions))))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    return results
