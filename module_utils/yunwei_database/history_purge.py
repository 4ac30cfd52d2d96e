"""The removal of exported rows from one table: batch by batch, or partition by partition, giving way to everybody."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from . import history_plan, upkeep
from . import postgresql_history as sql
from .faults import LOCK_NOT_AVAILABLE, DatabaseError, PostponedError, SqlError
from .postgresql_upkeep import TRY_EVERY_SECONDS, Hands

_DEADLOCK = "40P01"
# So many batches may be in the way of somebody before the rule is left to the next run.
_MOST_IN_THE_WAY = 3


class Purge(Hands):
    """What is done to the table of one rule; `run` never deletes a row that was not exported as it is.

    Args:
        sessions, reader, limits: as of `Hands`; the first session must make text of values as the export did.
        rule: a `HistoryRuleWork`.
        table: what `postgresql_history.read_table` returned.
    """

    def __init__(self, sessions, reader, limits, rule, table):
        """Prepare."""
        Hands.__init__(self, sessions, reader, limits, None, None)
        self._rule = rule
        self._table = table
        self._gone = 0
        self._stayed = 0
        self._reasons = []

    def run(self, lines, time_left):
        """Delete what the lines say and return the row's figures.

        Args:
            lines: of the archive, one for each batch or partition.
            time_left: (an `upkeep.Deadline`, an `upkeep.Clock`).
        """
        deadline, self._clock = time_left
        walk = upkeep.Upkeep(self, self._limits, deadline, self._clock)
        before = self._count(walk)
        reason = history_plan.too_many(self._rule, sum(line["rows"] for line in lines), before)
        if reason:
            return {"status": upkeep.FAILED, "reason": reason, "before": {"rows": before}}
        try:
            status = self._go_through(lines, walk)
            after = self._count(walk)
        except DatabaseError as error:
            status, after = upkeep.FAILED, None
            self._reasons.append(error.message)
        return {
            "status": status,
            "reason": "; ".join(self._reasons) or None,
            "gone": self._gone,
            "before": {"rows": before},
            "after": {"rows": after},
        }

    def _count(self, walk):
        self._session.rows("SET statement_timeout = '%ds';" % max(1, walk.seconds()))
        return sql.count(self._session, self._rule, self._table)

    def _go_through(self, lines, walk):
        """Return the status that it came to."""
        remove, in_the_way = self._drop if self._rule["partitions"] else self._delete, 0
        for number, line in enumerate(lines):
            reason = walk.why_not_now()
            if reason or in_the_way >= _MOST_IN_THE_WAY:
                rows = sum(one["rows"] for one in lines[number:])
                self._reasons.append("%s: %d rows stay until the next run" % (reason or "others were at work", rows))
                return upkeep.POSTPONED
            try:
                remove(line, self._clock.now() + walk.seconds())
                self._clock.sleep(self._rule["pause_milliseconds"] / 1000.0)
            except PostponedError as error:
                in_the_way += 1
                self._reasons.append("%d rows stay: %s" % (line["rows"], error.message))
        if self._stayed:
            self._reasons.append("%d rows stay: they are not as they were exported" % self._stayed)
        return ("dropped" if self._rule["partitions"] else "deleted") if self._gone else upkeep.LEFT

    def _delete(self, line, end):
        statement, rows = sql.deletion(self._rule, self._table, line)
        try:
            gone = self._statement(statement, end, self._limits["lock_wait_seconds"])[0][0]
        except SqlError as error:
            if error.code != _DEADLOCK:
                raise
            raise PostponedError("it gave way in a deadlock")
        self._gone += gone
        self._stayed += rows - gone

    def _drop(self, line, end):
        """Drop a partition that nobody can have changed since its rows were found to be those that were exported."""
        known = dict((tuple(part[:2]), part[2]) for part in sql.read_parts(self._session, self._rule, self._table))
        name = known.get((line["schema"], line["name"]))
        if name is None:
            raise SqlError("22023", "%s.%s is no old partition of the table" % (line["schema"], line["name"]))
        self._try_until("LOCK TABLE %s IN SHARE MODE NOWAIT;" % name, name, keep=True)
        try:
            if self._statement(sql.digest(name), end, self._limits["lock_wait_seconds"])[0] != [
                line["rows"],
                line["digest"],
            ]:
                self._session.rows("ROLLBACK;")
                self._stayed += line["rows"]
                return
            self._lock_parent()
            self._statement("DROP TABLE %s;" % name, end, 1)
            self._session.rows("COMMIT;")
        except DatabaseError:
            self._session.rows("ROLLBACK;")
            raise
        self._gone += line["rows"]

    def _lock_parent(self):
        """Lock the whole table for the moment of the drop, without a place in the queue for its lock."""
        until = self._clock.now() + self._limits["lock_wait_seconds"]
        self._session.rows("SAVEPOINT locking;")
        while True:
            try:
                self._session.rows("LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE NOWAIT;" % self._table["name"])
                return
            except SqlError as error:
                self._session.rows("ROLLBACK TO locking;")
                if error.code != LOCK_NOT_AVAILABLE:
                    raise
            if self._clock.now() >= until:
                raise PostponedError("a session has kept a lock of %s" % self._table["name"])
            self._clock.sleep(TRY_EVERY_SECONDS)
