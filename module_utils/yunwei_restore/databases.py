"""Restores whole databases, into the drill's own server or into a living one; the same steps in the same order."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import multiprocessing
import time

from . import cluster, globals_plan, glue, instance, load, server, sql, tables
from .commands import CommandError
from .dump import Dump
from .errors import NotJudgedError, RefusedError


def run(unit, host, report, work):
    """Restore every database that `host` receives, or the one table asked for; returns whether anything changed."""
    dumps = [Dump(item, work.fetched(item["item"])) for item in glue.items_here(unit, host, "database")]
    if not dumps:
        return False
    if unit["part"]["table"]:
        return tables.run(unit, dumps[0], report, work)
    with report.phases.run("create_instance"):
        targets = _targets(unit, dumps, report, work)
    with report.phases.run("load") as phase:
        phase.bytes = sum(dump.bytes() for dump in dumps)
        for dump in dumps:
            dump.lend(targets[dump.item].os_user)
            load.pre_data(targets[dump.item], dump.payload, dump.item)
            load.data(targets[dump.item], dump.payload, dump.name, dump.item, jobs())
    with report.phases.run("rebuild"):
        for dump in dumps:
            load.post_data(targets[dump.item], dump.payload, dump.name, dump.item, jobs())
            targets[dump.item].script("ANALYZE;", dump.name)
    report.facts["databases"] = [dump.name for dump in dumps]
    report.facts["versions"] = _versions(unit, targets[dumps[0].item])
    return True


def _versions(unit, target):
    """Return the versions that the evidence names; a drill's server does not wait for its disk, and that is told."""
    told = {"postgresql": target.script("SHOW server_version;").strip()}
    if unit["mode"] == "drill":
        told["drill_server"] = "fsync off, autovacuum off"
    return told


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
        cause = "the backup is of PostgreSQL %s, the server here of %s" % (dump.major, major)
        raise NotJudgedError(dump.item, cause, "recover onto the same major version")
    return target


def make_missing_roles(dump, target):
    """Make the roles of `dump` that the living server lacks; returns the names of those that were there before."""
    present = target.roles()
    load.run_roles(target, globals_plan.plan(dump.script, dump.item, dump.needed_roles(), present), dump.item)
    return sorted(present)


def set_aside(dump, target, replace):
    """Rename an existing database out of the way as the safety copy; returns its new name or None.

    Raises RefusedError when `replace` (list of item ids) does not name it, NotJudgedError when it cannot be renamed:
    then it takes sessions as before.
    """
    if not target.exists(dump.name):
        return None
    if dump.item not in replace:
        raise RefusedError(dump.item, "the database is already there; nothing is overwritten", "name it in --replace")
    safe = "%s_before_%s" % (dump.name[:40], time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    names = {"old": sql.quote_name(dump.name), "new": sql.quote_name(safe), "name": sql.quote_text(dump.name)}
    was_open = target.takes_sessions(dump.name)
    try:
        for statement in _RENAME:
            target.script(statement % names)
    except CommandError as error:
        cause = "the living database cannot be set aside: %s%s" % (error, _reopen(target, (dump.name, safe), was_open))
        raise NotJudgedError(dump.item, cause, "end its sessions and prepared transactions, then start again")
    return safe


def jobs():
    """Return how many parts are restored at a time: one a processor, at most eight."""
    return max(1, min(8, multiprocessing.cpu_count()))


_RENAME = (
    "ALTER DATABASE %(old)s ALLOW_CONNECTIONS false;",
    "SELECT count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity WHERE datname =%(name)s;",
    "SELECT pg_catalog.pg_sleep(0.5);",
    "ALTER DATABASE %(old)s RENAME TO %(new)s;",
    "ALTER DATABASE %(new)s ALLOW_CONNECTIONS true;",
)


def _reopen(target, names, was_open):
    """Let the database of whichever name take sessions again; returns what is to be said when that fails, too."""
    try:
        for name in [name for name in names if was_open and target.exists(name)]:
            target.script("ALTER DATABASE %s ALLOW_CONNECTIONS true;" % sql.quote_name(name))
    except CommandError as error:
        return "; it refuses all sessions now: ALTER DATABASE ... ALLOW_CONNECTIONS true failed (%s)" % error
    return ""


def _targets(unit, dumps, report, work):
    """Return {item: Server} for the restore and leave in the state what later steps need of them."""
    if unit["mode"] == "drill":
        target = make_scratch_server(dumps, work)
        targets = dict((dump.item, target) for dump in dumps)
    else:
        targets = dict((dump.item, find_living_server(dump)) for dump in dumps)
    for dump in dumps:
        state = work.item(dump.item)
        state["server"] = targets[dump.item].as_dict()
        if unit["mode"] == "recover":
            state["roles_present"] = make_missing_roles(dump, targets[dump.item])
            report.facts.setdefault("safety_copies", []).extend(_safety_copy(unit, dump, targets[dump.item]))
    work.save()
    return targets


def _safety_copy(unit, dump, target):
    safe = set_aside(dump, target, unit["replace"])
    return ["database %s" % safe] if safe else []
