"""Restores whole databases, into the drill's own server or into a living one; the same steps in the same order."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import multiprocessing
import os
import pwd
import time

from . import cluster, globals_plan, instance, load, server, sql
from .commands import CommandError
from .errors import BadBackupError, NotJudgedError, RefusedError
from .manifest import Manifest


class Dump:
    """One database's dump on this host with what its manifest says; `name` is the database's own."""

    def __init__(self, item, state):
        """Read the manifest of `item` (part of the unit of work) as the fetching step left it in `state`."""
        self.item = item["item"]
        self.name = item["name"]
        self.port = item["port"]
        self.payload = _payload(state, self.item)
        self.lines = list(Manifest(state["manifest"], self.item).lines())
        self.roles = [line for line in self.lines if line.get("t") == "role"]
        self.script = "".join(line["sql"] for line in self.lines if line.get("t") == "globals")
        self.facts = self._facts()
        self.major = server.major_of(self.facts["server_version_num"])

    def needed_roles(self):
        """Return the names of the roles that the database needs."""
        return set(line["name"] for line in self.roles)

    def _facts(self):
        for line in self.lines:
            if line.get("t") == "database":
                return line
        raise BadBackupError(self.item, "the manifest says nothing about the database", "make a new backup")


def make_scratch_server(dumps, work):
    """Make the drill's own server with the roles of all `dumps` and return it; they must be of one major version."""
    majors = sorted(set(dump.major for dump in dumps))
    if len(majors) > 1:
        raise NotJudgedError("PostgreSQL", "the databases are of versions %s" % ", ".join(majors), "drill them apart")
    bootstrap = globals_plan.superuser([role for dump in dumps for role in dump.roles])
    target = instance.create(work, majors[0], bootstrap)
    for number, dump in enumerate(dumps):
        if number:
            statements = globals_plan.plan(dump.script, dump.item, dump.needed_roles(), target.roles())
        else:
            statements = globals_plan.fresh(dump.script, dump.item, dump.needed_roles(), bootstrap)
        load.run_roles(target, statements, dump.item)
    return target


def find_living_server(dump):
    """Return the server of this host that receives `dump`, made where the host has none; same major version only."""
    target = cluster.find_or_create(dump.port, dump.major)
    major = server.major_of(target.version_num())
    if major != dump.major:
        raise NotJudgedError(
            dump.item, "the backup is of PostgreSQL %s, the server here of %s" % (dump.major, major), "use the same"
        )
    return target


def make_missing_roles(dump, target):
    """Make the roles of `dump` that the living server lacks; returns the names of those that were there before."""
    present = target.roles()
    statements = globals_plan.plan(dump.script, dump.item, dump.needed_roles(), present)
    load.run_roles(target, statements, dump.item)
    return sorted(present)


def refuse_existing(dump, target, replace):
    """Raise RefusedError when the database is there and `replace` (list of item ids) does not name it."""
    if dump.item not in replace and target.exists(dump.name):
        raise RefusedError(
            dump.item, "the database is already there; nothing is overwritten", "name it: --replace %s" % dump.item
        )


def set_aside(dump, target, now=None):
    """Rename an existing database out of the way as the safety copy; returns its new name or None."""
    if not target.exists(dump.name):
        return None
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    safe = "%s_before_%s" % (dump.name[:40], stamp)
    try:
        names = {"old": sql.quote_name(dump.name), "new": sql.quote_name(safe)}
        target.script(_RENAME % dict(names, name=sql.quote_text(dump.name)))
    except CommandError as error:
        raise NotJudgedError(dump.item, "the living database cannot be set aside: %s" % error, "end its sessions")
    return safe


def load_rows(dump, target):
    """Make the database and load its rows."""
    lend(dump.payload, target.os_user)
    load.pre_data(target, dump.payload, dump.item)
    load.data(target, dump.payload, dump.name, dump.item, jobs())


def rebuild(dump, target):
    """Make indexes, constraints and triggers, then the planner's statistics."""
    load.post_data(target, dump.payload, dump.name, dump.item, jobs())
    target.script("ANALYZE;", dump.name)


def jobs():
    """Return how many parts are restored at a time: one a processor, at most eight."""
    return max(1, min(8, multiprocessing.cpu_count()))


_RENAME = """
ALTER DATABASE %(old)s ALLOW_CONNECTIONS false;
SELECT count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity WHERE datname =%(name)s;
SELECT pg_catalog.pg_sleep(0.5);
ALTER DATABASE %(old)s RENAME TO %(new)s;
ALTER DATABASE %(new)s ALLOW_CONNECTIONS true;
"""


def _payload(state, item):
    paths = list((state.get("paths") or {}).values())
    if len(paths) != 1:
        raise NotJudgedError(item, "its dump was not fetched", "run the fetching step first")
    return paths[0]


def lend(path, account):
    """Let the database's account read the dump, and nobody else."""
    entry = pwd.getpwnam(account)
    os.chmod(os.path.dirname(path), 0o711)  # noqa: S103 - passed through, not listed
    os.chown(path, entry.pw_uid, entry.pw_gid)
