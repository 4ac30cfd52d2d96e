"""What already lies where a recovery will put things: refused, unless `replace` names it; never overwritten."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import time

from . import scan, server, sql
from .errors import NotJudgedError, RefusedError


def problems(unit, host):
    """Return a RestoreError for everything in the way of this recovery on `host`."""
    here = [item for item in unit["items"] if item["target_host"] == host]
    part, found = unit["part"], []
    if part["files"]:
        return _folder(part["into_dir"])
    for item in here:
        if item["kind"] == "files":
            found += [problem for path in item["paths"] for problem in _path(unit, item, path)]
        elif scan.clusters() or scan.database_servers():
            found += _database(unit, item)
    return found


def set_aside(unit, item):
    """Rename what is in the way of the file set `item` and return [[old path, new path]]; preflight allowed it."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    moved = []
    for path in item["paths"]:
        if not os.path.lexists(path) or _is_empty_folder(path):
            continue
        if not _may_replace(unit, item, path):
            raise _taken(item, path)
        safe = "%s.before-%s" % (path.rstrip("/"), stamp)
        os.rename(path, safe)
        moved.append([path, safe])
    return moved


def _database(unit, item):
    try:
        target = server.existing(item["port"])
        part = unit["part"]
        if part["table"]:
            return _table(target, item, part)
        if item["item"] in unit["replace"] or not target.exists(item["name"]):
            return []
    except NotJudgedError as error:
        return [error]
    cause = "the database is already there on port %d; nothing is overwritten" % item["port"]
    return [RefusedError(item["item"], cause, "to keep it as a safety copy and go on: --replace %s" % item["item"])]


def _table(target, item, part):
    if not target.exists(item["name"]):
        return [RefusedError(item["item"], "there is no living database to put the table into", "recover it first")]
    name = part["table"].split(".", 1)[1] if "." in part["table"] else part["table"]
    query = "SELECT 1 AS one FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    query += " WHERE n.nspname =%s AND c.relname =%s" % (sql.quote_text(part["into_schema"]), sql.quote_text(name))
    if target.rows(query, item["name"]):
        thing = "%s.%s" % (part["into_schema"], name)
        return [RefusedError(thing, "it is already there; nothing is overwritten", "choose another schema")]
    return []


def _folder(path):
    if not os.path.lexists(path) or _is_empty_folder(path):
        return []
    return [RefusedError(path, "it is already there and not an empty folder; nothing is overwritten", "use another")]


def _path(unit, item, path):
    if not os.path.lexists(path) or _is_empty_folder(path):
        return []
    if not _may_replace(unit, item, path):
        return [_taken(item, path)]
    return [_mounted(item, path, place) for place in scan.mounts_moved_with(path.rstrip("/"))]


def _may_replace(unit, item, path):
    return item["item"] in unit["replace"] or path in unit["replace"]


def _is_empty_folder(path):
    return os.path.isdir(path) and not os.path.islink(path) and not os.listdir(path)


def _mounted(item, path, place):
    cause = "%s cannot be renamed as the safety copy: a file system is mounted at %s" % (path, place)
    step = "mount that elsewhere, where it is the safety copy, and an empty one here; or put the files beside: --files"
    return RefusedError(item["item"], cause, step)


def _taken(item, path):
    cause = "%s is already there; nothing is overwritten" % path
    return RefusedError(item["item"], cause, "to keep it as a safety copy and go on: --replace %s" % item["item"])
