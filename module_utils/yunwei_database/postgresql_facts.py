"""What a PostgreSQL server tells of itself, in the one shape that findings and plans of every engine are made from.

A part that could not be read is missing from the facts and named, with the reason, in `unknown`.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os

from . import bloat
from . import postgresql_sql as sql
from .faults import NO_PRIVILEGE, SqlError, as_text

_STATEMENTS = "pg_stat_statements"
_DEFAULT_TABLESPACE = 0
# Stands among the tablespaces of a place for the write-ahead log.
WAL = "wal"


class Reader:
    """Reads one database over an open session.

    `facts` grows with each call; `limits` has "transaction_seconds" and "bloat_bytes".
    """

    def __init__(self, session, limits):
        """Read what everything else depends on; raises SqlError, SessionError."""
        self._session = session
        self._limits = limits
        server = dict(zip(sql.SERVER_KEYS, session.rows(sql.SERVER)[0]))  # noqa: B905 unknown to Python 2
        self._number = server["version_number"]
        server["rebuilds_online"] = self._number >= 120000
        self.facts = {"engine": "postgresql", "server": server, "unknown": []}

    def read_all(self, baselines):
        """Return the facts of an inspection."""
        self.read_load()
        self.read_relations(baselines)
        seconds = {"seconds": self._limits["transaction_seconds"]}
        self._part("long", sql.LONG % seconds, ("pid", "user", "database", "state", "seconds", "age"))
        self._part("blocked", sql.BLOCKED, ("pid", "by", "seconds"))
        self._part("prepared", sql.PREPARED % seconds, ("name", "database", "seconds"))
        self._part("databases", sql.DATABASES, ("database", "age", "multixact_age"))
        self._part("slots", sql.SLOTS % sql.standby_words(self._number), ("slot", "active", "bytes"))
        self._part("archiver", sql.ARCHIVER, ("mode", "failed", "archived_seconds", "failed_seconds"))
        self._part("restart", sql.RESTART, ("setting",))
        self._part("checksums", sql.CHECKSUMS, ("failures",))
        self._read_sequences()
        return self.facts

    def read_load(self):
        """Read what a change has to make way for: sessions and standbys."""
        keys = ("total", "active", "idle_in_transaction", "hidden")
        self._part("sessions", sql.SESSIONS, keys)
        self._part("standbys", sql.STANDBYS % sql.standby_words(self._number), ("name", "state", "bytes"))
        return self.facts

    def read_relations(self, baselines):
        """Read tables, indexes, space and extensions; see `weigh` for `baselines`."""
        may_table = sql.may(self._number, "c.relowner", "c.oid")
        may_index = sql.may(self._number, "t.relowner", "t.oid")
        self._part("tables", sql.TABLES % {"may": may_table}, sql.TABLE_KEYS)
        self._part("indexes", sql.INDEXES % {"may": may_index}, sql.INDEX_KEYS)
        self._part("size", sql.SIZE, ("bytes",))
        self._part("extensions", sql.EXTENSIONS, ("name", "version", "schema"))
        self.read_places()
        self._weigh(baselines)
        self._read_statements()
        return self.facts

    def extension(self, name):
        """Return the quoted schema of an extension, None where it is not installed or not known to be."""
        found = [one["schema"] for one in self.facts.get("extensions", []) if one["name"] == name]
        return found[0] if found else None

    def _part(self, part, text, keys):
        try:
            rows = self._session.rows(text)
        except SqlError as error:
            self._miss(part, error)
            return
        self.facts[part] = [dict(zip(keys, row)) for row in rows]  # noqa: B905 unknown to Python 2

    def _miss(self, part, error):
        what = "the role may not read it: " if error.code == NO_PRIVILEGE else ""
        self.facts["unknown"].append({"part": part, "reason": "%s%s" % (what, error.message)})

    def _read_sequences(self):
        if self._number < 100000:
            reason = "before version 10 every sequence is a question of its own"
            self.facts["unknown"].append({"part": "sequences", "reason": reason})
            return
        self._part("sequences", sql.SEQUENCES, ("schema", "sequence", "last", "largest", "may"))
        blind = len([one for one in self.facts.get("sequences", []) if not one["may"]])
        if blind:
            reason = "%d sequences may not be read by the role: grant it SELECT" % blind
            self.facts["unknown"].append({"part": "sequences", "reason": reason})

    def _read_statements(self):
        """Read the slowest statements, where the extension is there: evidence only, its absence is no fault."""
        schema = self.extension(_STATEMENTS)
        if schema:
            words = dict(sql.statement_words(self._number), schema=schema)
            self._part("statements", sql.STATEMENTS % words, ("id", "calls", "mean_ms", "total_ms"))

    def read_places(self):
        """Read how much room tablespaces and the log have; 0 stands for the database's own tablespace."""
        server = self.facts["server"]
        if not server["data_directory"]:
            reason = "the role may not see data_directory: grant it pg_read_all_settings (pg_monitor)"
            self.facts["unknown"].append({"part": "places", "reason": reason})
            return self.facts
        self.facts["places"] = []
        for number, location in self._session.rows(sql.TABLESPACES):
            own = [_DEFAULT_TABLESPACE] if number == server["tablespace"] else []
            self._add_place(location or server["data_directory"], [number] + own)
        self._add_place(os.path.join(server["data_directory"], sql.wal_folder(self._number)), [WAL])
        return self.facts

    def _add_place(self, folder, uses):
        """Add how much room a folder has, or what it is used for to those on the same file system if it is the log."""
        places = self.facts["places"]
        try:
            same = [one for one in places if uses == [WAL] and _device(one["place"]) == _device(folder)]
            if not same:
                places.append(dict(_space(folder), tablespaces=uses))
        except EnvironmentError as error:
            self.facts["unknown"].append({"part": "places", "reason": as_text(error)})
            return
        for one in same:
            one["tablespaces"] += uses

    def _weigh(self, baselines):
        """Add to every B-tree that is large enough what it would take if it were just built.

        `baselines` are {definition: [bytes, tuples]} as they were after rebuilds here. "wanted" is bytes, or None where
        nothing is known; "known_by" is `remembered` or `estimated`.
        """
        least = self._limits["bloat_bytes"]
        large = [one for one in self.facts.get("indexes", []) if _can_be_weighed(one, least)]
        tables = dict((one["number"], one) for one in self.facts.get("tables", []))
        for index in large:
            index["wanted"] = None
            counted = entries(index, tables)
            if index["definition"] in baselines and counted is not None:
                then = baselines[index["definition"]]
                index.update(wanted=bloat.remembered(counted, *then), known_by=bloat.REMEMBERED)
        unknown = [one for one in large if one["wanted"] is None]
        try:
            widths = self._widths(unknown)
        except SqlError as error:
            self._miss("bloat", error)
            return
        for index in unknown:
            self._estimate(index, widths.get(index["number"]), tables)
        blind = len([one for one in unknown if one["wanted"] is None and _is_analyzed(one, tables)])
        if blind:
            reason = "%d indexes have no column statistics that the role may read: grant it SELECT" % blind
            self.facts["unknown"].append({"part": "bloat", "reason": reason})

    def _widths(self, indexes):
        if not indexes:
            return {}
        numbers = ",".join("%d" % one["number"] for one in indexes)
        return dict((row[0], row[1:]) for row in self._session.rows(sql.WIDTHS % {"numbers": numbers}))

    def _estimate(self, index, widths, tables):
        counted = entries(index, tables)
        if widths and widths[2] == widths[3] and counted is not None:
            width, nulls, _found, _columns, fill = widths
            block = self.facts["server"]["block_bytes"]
            wanted = bloat.estimate(counted, float(width), float(nulls), fill, block)
            index.update(wanted=wanted, known_by=bloat.ESTIMATED)


def entries(index, tables):
    """Return how many entries an index has: the table's rows where they have become fewer since the last vacuum.

    None where nobody has counted. After a crash or a reset the server counts a table's rows from none; only a vacuum or
    an analyze since then has counted them all.
    """
    table = tables.get(index["table_number"]) or {}
    live = table["live"] if _is_counted(table) else 0
    if index["tuples"] < 0:
        return live or None
    return min(index["tuples"], live) if live else index["tuples"]


def _is_counted(table):
    return table.get("vacuumed") is not None or table.get("analyzed") is not None


def _is_analyzed(index, tables):
    """Tell whether there are statistics: before the first ones nothing is kept from anybody."""
    return (tables.get(index["table_number"]) or {}).get("analyzed") is not None


def _can_be_weighed(index, least):
    return index["method"] == "btree" and index["valid"] and (index["bytes"] or 0) >= least


def _device(folder):
    return os.stat(folder).st_dev


def _space(folder):
    found = os.statvfs(folder)
    return {"place": folder, "bytes": found.f_blocks * found.f_frsize, "free": found.f_bavail * found.f_frsize}
