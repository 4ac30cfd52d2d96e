"""What archives share: something of a host that is pulled as it is asked for, before it is removed there."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import contextlib
import zlib

from .backup import Job
from .faults import FaultError
from .frames import FrameRefusedError
from .hostlock import HostLock
from .leftovers import clear_notes
from .pull import Pull
from .repository import clear_dead_locks, make_repository, share_repository
from .rundir import make_run_folder, remove_run_folder, sweep_run_folders
from .sourcelist import add_source
from .space import demand_space
from .sshagent import SshAccess


class AskedPull(Pull):
    """One item being pulled: nothing is left out as known, nothing is compared with before."""

    def __init__(self, job, item, lines):
        """Prepare to ask for what `lines` (texts of ASCII JSON, without their ends) say."""
        Pull.__init__(self, job, {"item": item, "baseline": None, "former": None, "history": []})
        self._asked = zlib.compress("".join(line + "\n" for line in lines).encode("ascii"))

    def _look_back(self):
        return {}, self._asked


@contextlib.contextmanager
def archiving(work, permit, secrets):
    """Hold the system's lock on the backup server and give the `Job` that archives are pulled for."""
    with HostLock(work["system"], permit):
        sweep_run_folders(work["system"])
        job = Job(work, permit, secrets, make_run_folder(work["system"]))
        try:
            yield job
        finally:
            if job.ssh:
                job.ssh.close()
            remove_run_folder(job.folder)


def pull_archive(job, item, lines):
    """Pull, store, read back and return the record; whatever fails leaves nothing that looks like an archive."""
    if job.repository.snapshots_if_any() is None:
        make_repository(job.repository)
    share_repository(job.repository)
    clear_dead_locks(job.repository)
    clear_notes(job.repository, job.store)
    demand_space(job.repository.location, job.reserve_bytes)
    if not job.ssh:
        job.ssh = SshAccess(job.folder, job.work["known_hosts"])
    add_source(job.ssh, item, job.secrets)
    try:
        return AskedPull(job, item, lines).run()
    except (FaultError, FrameRefusedError, EnvironmentError) as error:
        clear_dead_locks(job.repository)
        clear_notes(job.repository, job.store)
        raise FaultError("%s was not archived, so nothing is removed: %s" % (item["item"], error))
