"""Opens a site's repository for reading and says of every fault whether it speaks about the backup or about the way."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from .errors import BadBackupError, NotJudgedError
from .hosttools import faults, repository, rundir, sshagent

ALIAS = "yunwei-site"


class SiteReader:
    """The repository of one system at one site, read without taking a lock there; use it as a context manager."""

    def __init__(self, unit, host, secrets, cache):
        """Reach the repository that the unit of work names; `secrets` {name: fields}, `cache` a folder to remove later.

        Raises NotJudgedError when this host has no way to it.
        """
        self._unit = unit
        self._ssh = None
        self._thing = "%s repository of %s" % (unit["site"], unit["system"])
        self._folder = rundir.make_run_folder(unit["system"])
        try:
            self._repository = self._open(host, secrets, ["--cache-dir", cache])
        except KeyError as error:
            self.close()
            raise NotJudgedError("secrets", "%s was not fetched from Vault" % error, "is it in Vault and allowed?")
        except faults.FaultError as error:
            self.close()
            raise NotJudgedError(self._thing, str(error), "")

    def __enter__(self):
        """Return the reader."""
        return self

    def __exit__(self, *_):
        """Forget keys and passwords."""
        self.close()

    def close(self):
        """End the agent and remove the run's folder."""
        if self._ssh is not None:
            self._ssh.close()
        rundir.remove_run_folder(self._folder)

    def snapshots(self):
        """Return the JSON list of all snapshots; raises RestoreError."""
        try:
            return self._repository.snapshots()
        except faults.FaultError as error:
            raise self._judged(error, self._thing)

    def dump(self, site_id, name, item, sink):
        """Stream the file `name` of a snapshot into `sink(bytes)` and return (SHA-256, bytes).

        Raises RestoreError about `item` when not every byte came.
        """

        def take(stream):
            for piece in iter(stream.read_some, b""):
                sink(piece)

        return self.read_through(site_id, name, item, take)

    def read_through(self, site_id, name, item, take):
        """Let `take(stream)` read the file `name` of a snapshot; return (SHA-256, bytes) of all of it.

        Raises RestoreError about `item` when not every byte came.
        """
        try:
            dump = self._repository.open_dump(site_id, name)
            try:
                take(_Stream(dump))
            except BaseException:
                dump.abort()
                raise
            size, digest = dump.finish()
            return digest, size
        except faults.FaultError as error:
            raise self._judged(error, "%s, snapshot %s" % (item, site_id[:16]))

    def _open(self, host, secrets, flags):
        remote = self._unit["remote"]
        if remote is not None:
            self._ssh = sshagent.SshAccess(self._folder, remote["host_keys"])
            self._ssh.add_host(ALIAS, remote["address"], remote["port"], remote["user"], secrets[remote["secret"]])
            password = secrets[remote["repository_secret"]]["password"]
            return repository.behind(self._ssh.command(ALIAS), password, self._thing, flags)
        if host == self._unit["backup_server"]:
            password = secrets["repository-local"]["password"]
            return repository.open_repository(self._unit["repository"], password, self._thing, flags)
        next_step = "set sites.local.read_user in estate.yml"
        raise NotJudgedError(self._thing, "policy names no read account on the backup server", next_step)

    def _judged(self, error, thing):
        """Return the RestoreError that a fault of the repository stands for."""
        if isinstance(error, faults.RepositoryAbsentError):
            return BadBackupError(thing, "no backup at all: there is no repository at this site", "sync to it first")
        if isinstance(error, (faults.RepositoryUnreachableError, faults.RepositoryPasswordError)):
            return NotJudgedError(thing, str(error), "repair that, then start again; the backup was not looked at")
        if repository.speaks_of_damage(str(error)):
            next_step = "read the whole repository back (backups verify --all) and make a new backup"
            return BadBackupError(thing, "the repository is damaged: %s" % error, next_step)
        return NotJudgedError(thing, str(error), "look at the site, then start again")


class _Stream:
    """A dump as a file that is read."""

    def __init__(self, dump):
        self._dump = dump
        self.read_some = dump.read

    def read(self, size):
        """Return `size` bytes, fewer only at the end; raises FaultError where that came too early."""
        pieces = []
        while size:
            piece = self._dump.read(size)
            if not piece:
                self._dump.finish()  # whoever wants more will say that the file is damaged: it may be the way to it
                break
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)
