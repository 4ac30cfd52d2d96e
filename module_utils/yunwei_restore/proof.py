"""Proves a restore against its manifest: reads the restored things again and compares every line."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import sys

from . import commands, compare_database, compare_files, extract, indexes
from .errors import BadBackupError, NotJudgedError
from .tally import Tally

KINDS = ("tables", "files", "objects", "sequences", "roles", "indexes")
_NAMED_AT_MOST = 20


class Proof:
    """The tallies of everything that was compared, over all items of a restore on one host."""

    def __init__(self):
        """Begin with nothing compared."""
        self.tallies = dict((kind, Tally()) for kind in KINDS)
        self.compared = []

    def database(self, dump, target, program, present_roles=()):
        """Compare a restored database with its `dump`'s manifest and check its indexes.

        `program` is the source program on this host, `present_roles` those that the living server had before.
        """
        found = read_manifest(program, dump, target)
        expected = [line for line in dump.lines if not _is_role(line, present_roles)]
        found = [line for line in found if not _is_role(line, present_roles)]
        for kind, tally in compare_database.compare(expected, found, [target.user]).items():
            self._merge(kind, tally)
        self._merge("indexes", indexes.check(target, dump.name))
        self.compared.append(dump.item)

    def table(self, dump, target, program, line, where):
        """Compare one table, now at `where` ((database, schema)), with its manifest `line`."""
        options = ["--table", where[1], line["name"]]
        found = [one for one in read_manifest(program, dump, target, where[0], options) if one.get("t") == "table"]
        tally = Tally()
        facts = [dict((key, one.get(key)) for key in ("rows", "digest")) for one in [line] + found[:1]]
        tally.compare("%s.%s" % (line["schema"], line["name"]), facts[0], facts[1] if found else None)
        tally.add("rows", line["rows"])
        self._merge("tables", tally)
        self.compared.append(dump.item)

    def files(self, item, manifest, root, pattern):
        """Compare the files of `item` (part of the unit of work) below `root`, all or those that fit `pattern`."""
        entries = extract.chosen(manifest.files(item["paths"]), pattern)
        tops = [] if pattern else [path.encode("utf-8") for path in item["paths"]]
        self._merge("files", compare_files.compare(entries, root, tops, complete=not pattern))
        self.compared.append(item["item"])

    def bytes(self):
        """Return the bytes of file content that were read again."""
        return self.tallies["files"].extra.get("bytes", 0)

    def as_dict(self):
        """Return {kind: {"expected", "equal", "different", "differences"}}."""
        return dict((kind, tally.as_dict()) for kind, tally in self.tallies.items())

    def verdicts(self):
        """Return a BadBackupError for each difference that is shown, at most 20 of each kind."""
        errors = []
        for kind in KINDS:
            for difference in self.tallies[kind].differences[:_NAMED_AT_MOST]:
                cause = "expected %s, found %s" % (_short(difference["expected"]), _short(difference["found"]))
                next_step = "do not trust this backup; find out when it was still good"
                errors.append(BadBackupError(difference["object"], "%s differ: %s" % (kind, cause), next_step))
        return errors

    def _merge(self, kind, tally):
        whole = self.tallies[kind]
        whole.expected += tally.expected
        whole.equal += tally.equal
        whole.different += tally.different
        whole.differences = (whole.differences + tally.differences)[:100]
        for key, amount in tally.extra.items():
            whole.add(key, amount)


def read_manifest(program, dump, target, database=None, options=()):
    """Return the manifest lines that the source program makes of the restored database.

    Raises NotJudgedError when it does not reach its last line.
    """
    arguments = [sys.executable, program, "manifest", database or dump.name, "--socket", target.socket]
    arguments += ["--port", str(target.port), "--os-user", target.os_user, "--db-user", target.user]
    arguments += ["--digest", dump.facts["digest"]] + list(options)
    try:
        raw = commands.run(arguments)
    except commands.CommandError as error:
        raise NotJudgedError(dump.item, "the restored database cannot be read: %s" % error, "look at its log")
    lines = [json.loads(line) for line in raw.decode("ascii").splitlines()]
    if not lines or lines[-1] != {"t": "end", "lines": len(lines) - 1}:
        raise NotJudgedError(dump.item, "the manifest of the restored database is cut short", "start again")
    return lines[:-1]


def _is_role(line, names):
    return line.get("t") == "role" and line.get("name") in names


def _short(value):
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 160 else text[:157] + "..."
