"""Loads a dump into a server; the only file that calls pg_restore, for the drill and for recovery alike."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

from . import server
from .commands import CommandError
from .errors import BadBackupError, NotJudgedError

_ENTRY = re.compile(r"from TOC entry \d+; \d+ \d+ ([A-Z ]+[A-Z]) (.+?)(?: \S+)?$", re.MULTILINE)
_ERROR = re.compile(r"(?:error: |ERROR:  )(.+)")
_ROLE = re.compile(r'role "((?:[^"]|"")*)" does not exist')
_EXTENSION = re.compile(r'(?:extension "([^"]+)" is not available|extension control file "[^"]*/([^/"]+)\.control")')


def run_roles(target, statements, item):
    """Run the chosen statements of a globals dump (see globals_plan)."""
    try:
        target.script("".join(statement + ";\n" for statement in statements))
    except CommandError as error:
        raise judged(error, item)


def pre_data(target, payload, item):
    """Make the database that the dump names, with all that must be there before the rows."""
    _restore(target, ["--create", "--section=pre-data", "-d", "postgres", payload], item)


def data(target, payload, database, item, jobs):
    """Load the rows, `jobs` tables at a time."""
    arguments = ["--section=data", "-j", str(jobs), "-d", server.connection(database), payload]
    _restore(target, arguments, item)


def post_data(target, payload, database, item, jobs):
    """Make indexes, constraints, triggers and what else follows the rows."""
    arguments = ["--section=post-data", "-j", str(jobs), "-d", server.connection(database), payload]
    _restore(target, arguments, item)


def one_table(target, payload, database, table, item):
    """Load the definitions of the whole dump and the rows of one `table` ((schema, name)) into an empty database."""
    at = ["-d", server.connection(database)]
    _restore(target, ["--section=pre-data", "--no-owner", "--no-acl"] + at + [payload], item)
    chosen = ["--data-only", "-n", table[0], "-t", table[1]]
    _restore(target, chosen + at + [payload], item)


def judged(error, item):
    """Return the RestoreError that a failed program of the database stands for."""
    text = error.stderr
    extension = _EXTENSION.search(text)
    if extension:
        name = extension.group(1) or extension.group(2)
        return NotJudgedError("extension %s" % name, "this host does not have it", "install the extension's package")
    if server.is_not_the_backup(text):
        found = _ERROR.search(text)
        cause = server.DISK_FULL if server.DISK_FULL in text else (found.group(1) if found else str(error))
        return NotJudgedError(item, "%s: %s" % (error.program, cause), "repair the host, then start again")
    return BadBackupError(_object(text, item), _cause(text, error), "do not trust this backup; make a new one")


def _restore(target, arguments, item):
    try:
        target.run("pg_restore", ["--exit-on-error", "-w"] + arguments)
    except CommandError as error:
        raise judged(error, item)


def _object(text, item):
    role = _ROLE.search(text)
    if role:
        return "role %s" % role.group(1)
    entry = _ENTRY.search(text)
    return "%s: %s %s" % (item, entry.group(1).lower(), entry.group(2)) if entry else item


def _cause(text, error):
    found = _ERROR.search(text.replace("could not execute query: ", ""))
    return "%s: %s" % (error.program, found.group(1)) if found else str(error)
