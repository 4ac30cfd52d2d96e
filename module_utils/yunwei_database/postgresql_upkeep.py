"""Carries out the steps of a plan at a PostgreSQL server, and gives way to whoever needs a lock that it holds.

It never waits in the queue of a lock of a table while others could come to wait behind it: it tries, and tries again.
While a statement is at work a second session looks who waits behind it, and cancels it for them.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from . import bloat
from . import postgresql_sql as sql
from .faults import CANCELED, LOCK_NOT_AVAILABLE, NO_PRIVILEGE, PostponedError, SqlError
from .planner import ANALYZE, FREEZE, REBUILD, REMOVE
from .postgresql_facts import WAL
from .psql import literal

_UNDEFINED = ("42883", "42P01", "42704")
TRY_EVERY_SECONDS = 0.25
_WATCH_EVERY_SECONDS = 0.5
# A materialized view, and how long at most somebody can stand behind us in the queue of its lock.
_VIEW, _BRIEFLY = "m", "SET LOCAL lock_timeout = '1ms';\n"

_WAITING = """
SELECT json_build_array(count(*)) FROM (SELECT DISTINCT pid FROM pg_locks WHERE NOT granted) l
WHERE pg_blocking_pids(l.pid) && ARRAY[%d];
"""
_OLDEST = """
SELECT json_build_array(a.pid, extract(epoch FROM now() - a.xact_start)::bigint) FROM pg_stat_activity a
WHERE a.xact_start IS NOT NULL AND a.datname = current_database() AND a.pid <> pg_backend_pid()
 AND a.application_name NOT LIKE 'yunwei-maintenance%'
 AND coalesce(to_json(a)->>'backend_type', 'client backend') <> 'autovacuum worker' ORDER BY a.xact_start LIMIT 1;
"""
_TABLE_NOW = """
SELECT json_build_array(pg_stat_get_live_tuples(c.oid), pg_stat_get_dead_tuples(c.oid),
 greatest(age(c.relfrozenxid), age(nullif(t.relfrozenxid, '0'::xid))),
 extract(epoch FROM greatest(pg_stat_get_last_vacuum_time(c.oid), pg_stat_get_last_autovacuum_time(c.oid)))::bigint)
FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid WHERE c.oid = %d;
"""
_INDEX_NOW = """
SELECT json_build_array(c.oid::bigint, i.indisvalid, c.reltuples::bigint, pg_relation_size(c.oid))
FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid WHERE c.oid = to_regclass(%s);
"""
# The same index, still invalid, under the same name.
_STILL_INVALID = """
SELECT json_build_array(c.oid::bigint) FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
WHERE c.oid = %d AND c.oid = to_regclass(%s) AND NOT i.indisvalid;
"""
_CHECK_INDEX = "SELECT json_build_array(true) FROM (SELECT %s.bt_index_check(%d::regclass)) checked;"


class Hands:
    """What does the steps.

    Args:
        sessions: (the one that does the work, another of the same role that looks on meanwhile), `psql.Session`s.
        reader: a `postgresql_facts.Reader` over the second.
        limits: the limits of policy (`MaintenanceLimits`).
        clock: an `upkeep.Clock`.
        remember: called with (definition, bytes, tuples) after a rebuild or a measurement; returns why it could not.
    """

    def __init__(self, sessions, reader, limits, clock, remember):
        """Prepare."""
        self._session, self._watch = sessions
        self._reader = reader
        self._limits = limits
        self._clock = clock
        self._remember = remember
        self._version = reader.facts["server"]["version_number"]

    def load(self):
        """Return how busy the server is: {"active", "hidden", "lag_bytes"}."""
        self._reader.facts["unknown"] = []
        facts = self._reader.read_load()
        for unknown in facts["unknown"]:
            raise SqlError(NO_PRIVILEGE, unknown["reason"])
        sessions = facts["sessions"][0]
        # A base backup that is being taken is behind nothing; of standbys that may not be seen nothing is known.
        lags = [one["bytes"] for one in facts["standbys"] if one["state"] in ("streaming", "catchup", None)]
        worst = None if None in lags else max(lags + [0])
        return {"active": sessions["active"], "hidden": sessions["hidden"], "lag_bytes": worst}

    def carry_out(self, step, seconds):
        """Do a step within `seconds`; return {"after": figures}; raises PostponedError, SqlError, SessionError."""
        if step["do"] == REMOVE:
            return self._remove(step)
        end = self._clock.now() + seconds
        if step["do"] == REBUILD:
            return self._rebuild(step, end)
        self._try_lock(step)
        self._statement(_table_statement(step, self._version), end, self._limits["lock_wait_seconds"])
        return {"after": self._table_now(step)}

    def _table_now(self, step):
        """Return a table's figures now, None where it is gone; statistics before version 15 come a moment later."""
        until = self._clock.now() + 5
        while True:
            rows = self._watch.rows(_TABLE_NOW % step["number"])
            if not rows:
                return None  # it was dropped since
            found = dict(zip(("live", "dead", "age", "vacuumed"), rows[0]))  # noqa: B905 unknown to Python 2
            told = step["do"] == ANALYZE or found["vacuumed"] != step["before"]["vacuumed"]
            if told or self._clock.now() >= until:
                return found
            self._clock.sleep(TRY_EVERY_SECONDS)

    def _rebuild(self, step, end):
        self._demand_room(step)
        self._demand_no_old_transaction()
        self._try_lock(step)
        spared = self._measure(step, end) if step["measure"] else None
        if spared:
            return spared
        # It waits for transactions that are open, holding nothing that reading or writing needs.
        patience = self._limits["transaction_seconds"]
        try:
            self._statement("REINDEX INDEX CONCURRENTLY %s;" % step["target"], end, patience)
        except (PostponedError, SqlError) as error:
            raise type(error)(*_with_leftovers(error, self._remove_leftovers(step)))
        rows = self._session.rows(_INDEX_NOW % literal(step["target"]))
        if not rows or not rows[0][1]:
            raise SqlError("XX000", "the index is gone, or not valid, after it was rebuilt")
        number, _valid, tuples, size = rows[0]
        came = {"reason": _why(step, self._remember(step["definition"], size, tuples)), "after": {"bytes": size}}
        return dict(came, amcheck=self._check_index(number, end))

    def _measure(self, step, end):
        """Measure by pgstatindex, which reads the whole index, what is only estimated; remember it.

        Return what came of the step where it is not needed; None where it is, or where nothing can measure.
        """
        schema = self._reader.extension("pgstattuple")
        if not schema:
            return None
        question = sql.MEASURED % {"schema": schema, "number": step["number"]}
        try:
            rows = self._statement(question, end, self._limits["lock_wait_seconds"])
        except SqlError:
            rows = []  # the role may not use it
        if not rows:
            return None
        found = dict(zip(sql.MEASURED_KEYS, rows[0]))  # noqa: B905 unknown to Python 2
        wanted = bloat.measured(found, self._reader.facts["server"]["block_bytes"])
        if bloat.is_wasteful(found["bytes"], wanted, self._limits):
            return None
        forgotten = None
        if found["tuples"] > 0:
            forgotten = self._remember(step["definition"], wanted, found["tuples"])
        measured = "it stays: %d %% are measured" % bloat.waste_percent(found["bytes"], wanted)
        return {"status": "left", "reason": _why(step, measured, forgotten)}

    def _check_index(self, number, end):
        """Return `passed`, or why amcheck could not judge; raises SqlError where it finds the index damaged."""
        schema = self._reader.extension("amcheck")
        if not schema:
            return "could not judge: the extension amcheck is not installed"
        try:
            self._statement(_CHECK_INDEX % (schema, number), end, self._limits["lock_wait_seconds"])
        except PostponedError as error:
            return "could not judge: %s" % error.message
        except SqlError as error:
            if error.code not in (NO_PRIVILEGE,) + _UNDEFINED:
                raise
            return "could not judge: %s" % error.message
        return "passed"

    def _remove(self, step):
        """Drop a leftover, by its number, under a lock that nobody has to wait behind."""
        try:
            there = self._drop(step["target"], step["number"], step["table"], step["table_kind"])
        except SqlError as error:
            if error.code != NO_PRIVILEGE:
                raise
            return {"status": "left", "reason": _why(step, "only its owner may drop it")}
        if not there:
            return {"status": "left", "reason": _why(step, "it is gone, or valid by now")}
        return {"after": {"bytes": 0}}

    def _drop(self, target, number, table, table_kind):
        """Return whether the index was there, invalid, and is gone; raises PostponedError for a lock that is taken."""
        drop = "DROP INDEX IF EXISTS %s;" % target
        # A materialized view cannot be locked by name: the drop itself takes the lock, or gives up at once.
        lock = _BRIEFLY + drop if table_kind == _VIEW else "LOCK TABLE %s IN ACCESS EXCLUSIVE MODE NOWAIT;" % table
        self._try_until(lock, table, keep=True)
        try:
            # Asked of the other session: it sees the index as it was before the drop, and the lock keeps it so.
            there = bool(self._watch.rows(_STILL_INVALID % (number, literal(target))))
            if there and table_kind != _VIEW:
                self._session.rows(drop)
        except SqlError:
            self._session.rows("ROLLBACK;")
            raise
        self._session.rows("COMMIT;" if there else "ROLLBACK;")
        return there

    def _remove_leftovers(self, step):
        """Take away what a rebuild that did not end has left; return words for what stays."""
        stays = []
        facts = self._reader.read_relations({})
        for index in facts.get("indexes", []):
            if index["valid"] or index["constraint"] or index["definition"] != step["definition"]:
                continue
            try:
                self._drop(index["name"], index["number"], index["table_name"], index["table_kind"])
            except (PostponedError, SqlError) as error:
                stays.append("%s stays until the next run: %s" % (index["name"], error.message))
        return stays

    def _demand_room(self, step):
        """See that there is room for the new index, and on the log's file system for as much: it is logged as well."""
        self._reader.facts.pop("places", None)
        uses = (step["tablespace"], WAL)
        places = [one for one in self._reader.read_places().get("places", []) if set(uses) & set(one["tablespaces"])]
        if not all([one for one in places if use in one["tablespaces"]] for use in uses):
            raise PostponedError("how much room its file systems have could not be judged")
        for place in places:
            both = set(uses) <= set(place["tablespaces"])
            needed = step["space"] + (step["before"]["wanted"] if both else 0)
            if place["free"] < needed:
                what = (needed, place["place"], place["free"])
                raise PostponedError("it needs %d bytes of room on %s, where %d are free" % what)

    def _demand_no_old_transaction(self):
        oldest = self._watch.rows(_OLDEST)
        if oldest and oldest[0][1] >= self._limits["transaction_seconds"]:
            raise PostponedError("it would wait for session %d, whose transaction is %d seconds old" % tuple(oldest[0]))

    def _try_lock(self, step):
        """See that the lock of the table can be had at once; a materialized view cannot be locked by name."""
        if step["table_kind"] != _VIEW:
            self._try_until("LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE NOWAIT;" % step["table"], step["table"])

    def _try_until(self, statement, table, keep=False):
        """Get a lock in a transaction, which goes on if `keep`; raises PostponedError where somebody keeps it."""
        until = self._clock.now() + self._limits["lock_wait_seconds"]
        while True:
            self._session.rows("BEGIN;")
            try:
                self._session.rows(statement)
            except SqlError as error:
                self._session.rows("ROLLBACK;")
                if error.code != LOCK_NOT_AVAILABLE:
                    raise
            else:
                if not keep:
                    self._session.rows("COMMIT;")
                return
            if self._clock.now() >= until:
                seconds = self._limits["lock_wait_seconds"]
                raise PostponedError("a session has kept a lock of %s for %d seconds" % (table, seconds))
            self._clock.sleep(TRY_EVERY_SECONDS)

    def _statement(self, text, end, lock_seconds):
        """Return the rows of a statement that `end`s by our clock; raises PostponedError if it gives way or lasts."""
        seconds = int(end - self._clock.now() + 0.5)
        if seconds < 1:
            raise PostponedError("what came before it took all its time")
        self._session.rows("SET statement_timeout = '%ds';" % seconds)
        self._session.rows("SET lock_timeout = '%ds';" % lock_seconds)
        yielding = Yielding(self._session.process_id, self._watch, self._clock, self._limits["yield_seconds"])
        try:
            return self._session.rows(text, yielding.look, _WATCH_EVERY_SECONDS)
        except SqlError as error:
            if error.code == LOCK_NOT_AVAILABLE:
                raise PostponedError("it waited for a lock for %d seconds" % lock_seconds)
            if error.code != CANCELED:
                raise
            raise PostponedError(yielding.reason or "it was stopped after %d seconds or by hand" % seconds)


class Yielding:
    """Cancels a statement of ours as soon as another session has waited behind it for `seconds`."""

    def __init__(self, process_id, watch, clock, seconds):
        """Nobody waits yet."""
        self._process_id = process_id
        self._watch = watch
        self._clock = clock
        self._seconds = seconds
        self._since = None
        self.reason = None

    def look(self):
        """Look once."""
        waiting = self._watch.rows(_WAITING % self._process_id)[0][0]
        if not waiting:
            self._since = None
            return
        self._since = self._since or self._clock.now()
        if self.reason is None and self._clock.now() - self._since >= self._seconds:
            self.reason = "it gave way: %d sessions waited behind it" % waiting
            self._watch.rows("SELECT json_build_array(pg_cancel_backend(%d));" % self._process_id)


def _table_statement(step, version):
    if step["do"] == ANALYZE:
        return "ANALYZE %s;" % step["target"]
    options = ["FREEZE"] if step["do"] == FREEZE else []
    options += ["ANALYZE"] if step["analyze"] else []
    # To give the end of the file back it would have to lock readers out, also those of a standby.
    options += ["TRUNCATE false"] if version >= 120000 else []
    return "VACUUM %s%s;" % ("(%s) " % ", ".join(options) if options else "", step["target"])


def _why(step, *more):
    return "; ".join([step["why"]] + [words for words in more if words])


def _with_leftovers(error, stays):
    """Return the arguments of an error like `error` whose text also says what stays."""
    if isinstance(error, SqlError):
        return error.code, "; ".join([error.message] + stays)
    return ("; ".join([error.message] + stays),)
