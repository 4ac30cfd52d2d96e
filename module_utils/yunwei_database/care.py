"""Inspection and upkeep of the databases of one system on one host: sessions, plan, steps, and what is told of them."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno

from . import judge, planner, tuning_facts, upkeep
from .faults import DatabaseError, as_text, native
from .hosttools import clock as clocks
from .hosttools import faults, hostlock, jsonfile
from .postgresql_facts import Reader
from .postgresql_upkeep import Hands
from .psql import Session

# The size of each index after its last rebuild here: what is more than it grew by is waste.
FOLDER = "/var/lib/yunwei/databases"
INSPECTION, MAINTENANCE = "yunwei-inspection", "yunwei-maintenance"
_MOST_ROWS = 2000
# Of the server, of what is remembered here, of this host's own files: one database's fault is not the others'.
FAULTS = (DatabaseError, faults.FaultError, EnvironmentError)
_SEVERITIES = (judge.HIGH, judge.MEDIUM, judge.LOW)
QUIET = {"client_min_messages": "error", "search_path": "pg_catalog", "lock_timeout": "2s", "statement_timeout": "60s"}
# An open transaction of ours would hold a lock: the server ends it should we be held up.
AT_WORK = dict(QUIET, idle_in_transaction_session_timeout="10s")
_SERVER_MEASURES = ("version", "version_number", "in_recovery", "up_seconds", "max_connections", "role")


def inspect(work, host):
    """Return (summary, changed) of the databases of a system on this host; changes nothing.

    Args:
        work: a `DatabaseInspectionWork`.
        host: this host's name in the inventory.
    """
    told = [_inspect_one(work, one) for one in work["databases"].get(host, [])]
    items = [_status(one) for one in told]
    blind = [item for item in items if item["status"] == "could not judge"]
    summary = {"databases": told, "items": items, "verdict": "could not judge" if blind else "passed"}
    return summary, False


def _inspect_one(work, database):
    about = {"item": database["item"], "engine": database["engine"], "port": database["login"]["port"]}
    if database["no_driver"]:
        return dict(about, not_judged=database["no_driver"], findings=[], unknown=[])
    began = upkeep.Clock().now()
    try:
        with only_reading(database, INSPECTION) as session:
            facts = Reader(session, work["limits"]).read_all(_baselines(work, database))
            tuning = tuning_facts.read_tuning(session, facts["server"]["version_number"])
    except FAULTS as error:
        return dict(about, not_judged="could not judge: %s" % as_text(error), findings=[], unknown=[])
    findings, unknown = judge.judge(facts, work["limits"])
    measures = dict(_measures(facts), seconds=round(upkeep.Clock().now() - began, 2))
    return dict(about, not_judged=None, findings=findings, unknown=unknown, measures=measures, tuning=tuning)


def only_reading(database, name, **settings):
    """Return a session that the server lets change nothing; its own default stays to be seen."""
    session = Session(database["login"], name, dict(QUIET, **settings))
    session.rows("SET default_transaction_read_only = on;")
    return session


def _measures(facts):
    """Return the figures that later inspections and reports compare."""
    found = dict((key, facts["server"][key]) for key in _SERVER_MEASURES)
    for part, key in (("size", "bytes"), ("sessions", "total"), ("sessions", "active")):
        for one in facts.get(part, []):
            found["%s_%s" % (part, key)] = one[key]
    found["tables"], found["indexes"] = len(facts.get("tables", [])), len(facts.get("indexes", []))
    found["places"] = facts.get("places", [])
    found["statements"] = facts.get("statements")
    return found


def _status(told):
    row = {"item": told["item"], "bytes": told.get("measures", {}).get("size_bytes")}
    if told["not_judged"]:
        return dict(row, status="could not judge", reason=told["not_judged"])
    counts = [(name, len([one for one in told["findings"] if one["severity"] == name])) for name in _SEVERITIES]
    said = ["%d %s" % (count, name) for name, count in counts if count]
    said += ["%d could not be judged" % len(told["unknown"])] if told["unknown"] else []
    return dict(row, status="findings" if told["findings"] else "in order", reason=", ".join(said) or None)


def plan(work, host):
    """Return (summary, whether a run would change anything) of the upkeep that databases need; changes nothing."""
    summary = _summary([_plan_one(work, one) for one in work["databases"].get(host, [])])
    would = any(item["status"].startswith(upkeep.WOULD) for item in summary["items"])
    summary["items"] += closed(work)
    return summary, would


def maintain(work, host, controller_time, permit, clock=None):
    """Return (summary, changed) of the upkeep of the databases of a system on this host.

    Args:
        work: a `DatabaseMaintenanceWork`.
        host: this host's name in the inventory.
        controller_time: ISO 8601, taken just now: systems before this one may have used up most of the window.
        permit: what the gate issued.
        clock: an `upkeep.Clock`.

    Raises RefusedByPolicyError where no window is open.
    """
    if not work["until"]:
        raise faults.RefusedByPolicyError("calendar", native("REFUSED: %s" % work["closed"]))
    clock = clock or upkeep.Clock()
    deadline = upkeep.Deadline(clock, clocks.moment(work["until"]) - clocks.moment(controller_time))
    with hostlock.HostLock(work["system"], permit):
        told = [_maintain_one(work, one, deadline, clock) for one in work["databases"].get(host, [])]
    summary = _summary(told)
    return summary, any(item["status"] in upkeep.DONE.values() for item in summary["items"])


def closed(work):
    """Return the row that says that a run would be refused now."""
    return [] if work["until"] else [{"item": "window", "status": "closed", "reason": work["closed"]}]


def _summary(told):
    items = [dict(row, item=("%s %s" % (one["item"], row["item"])).strip()) for one in told for row in one["rows"]]
    statuses = set(item["status"] for item in items)
    verdict = (
        "failed" if upkeep.FAILED in statuses else "could not judge" if "could not judge" in statuses else "passed"
    )
    if len(items) > _MOST_ROWS:
        more = {"item": "%d more" % (len(items) - _MOST_ROWS), "status": items[_MOST_ROWS]["status"], "reason": None}
        items = items[:_MOST_ROWS] + [more]
    figures = [dict((key, one.get(key)) for key in ("item", "before", "after", "statements")) for one in told]
    return {"databases": figures, "items": items, "verdict": verdict}


def _plan_one(work, database):
    if database["no_driver"]:
        return _not_judged(database, database["no_driver"])
    try:
        with only_reading(database, MAINTENANCE) as session:
            reader = Reader(session, work["limits"])
            reason = unfit(reader.facts["server"])
            if reason:
                return {"item": database["item"], "rows": [{"item": "", "status": upkeep.LEFT, "reason": reason}]}
            facts = reader.read_relations(_baselines(work, database))
            steps = planner.plan_tables(facts, work["limits"]) + planner.plan_indexes(facts, work["limits"])
    except FAULTS as error:
        return _not_judged(database, "could not judge: %s" % as_text(error))
    return {"item": database["item"], "rows": upkeep.planned(steps) + _unread(reader)}


def _maintain_one(work, database, deadline, clock):
    if database["no_driver"]:
        return _not_judged(database, database["no_driver"])
    try:
        with Session(database["login"], MAINTENANCE + "-watch", AT_WORK) as watch:
            with Session(database["login"], MAINTENANCE, AT_WORK) as session:
                return _Maintenance(work, database, (session, watch)).run(deadline, clock)
    except FAULTS as error:
        return {"item": database["item"], "rows": [_failed(error)]}


class _Maintenance:
    """The upkeep of one database over two open sessions."""

    def __init__(self, work, database, sessions):
        self._work = work
        self._database = database
        self._sessions = sessions
        self._limits = work["limits"]
        self._reader = Reader(sessions[1], self._limits)
        self._baselines = _baselines(work, database)

    def run(self, deadline, clock):
        """Return {"item", "rows", "before", "after", "statements"}."""
        told = {"item": self._database["item"]}
        reason = unfit(self._reader.facts["server"])
        if reason:
            return dict(told, rows=[{"item": "", "status": upkeep.LEFT, "reason": reason}])
        hands = Hands(self._sessions, self._reader, self._limits, clock, self._remember)
        walk = upkeep.Upkeep(hands, self._limits, deadline, clock)
        facts = self._read()
        told["before"] = _total(facts)
        told["rows"] = walk.run(planner.plan_tables(facts, self._limits))
        try:
            # What the tables' upkeep has changed decides about their indexes: vacuumed entries, fresh counts.
            told["rows"] += walk.run(planner.plan_indexes(self._read(), self._limits))
            facts = self._read()
        except DatabaseError as error:
            told["rows"].append(_failed(error))
            return told
        told["rows"] += _unread(self._reader)
        return dict(told, after=_total(facts), statements=facts.get("statements"))

    def _read(self):
        self._reader.facts["unknown"] = []
        return self._reader.read_relations(self._baselines)

    def _remember(self, definition, size, tuples):
        """Return why the next run will not know of it, None where it will."""
        self._baselines[definition] = [size, tuples]
        try:
            jsonfile.write_json(FOLDER, _name(self._work, self._database), self._baselines)
        except EnvironmentError as error:
            return "its size could not be remembered: %s" % as_text(error)
        return None


def unfit(server):
    """Return why nothing can be maintained here, or None."""
    if server["in_recovery"]:
        return "it is a standby: what is done at its primary comes to it by itself"
    if server["read_only"] == "on":
        return "default_transaction_read_only is on: somebody has closed the database for changes; nothing was done"
    return None


def _unread(reader):
    return [
        {"item": one["part"], "status": "could not judge", "reason": one["reason"]} for one in reader.facts["unknown"]
    ]


def _total(facts):
    found = {"bytes": sum(one["bytes"] for one in facts.get("size", []))}
    found["index_bytes"] = sum(one["bytes"] or 0 for one in facts.get("indexes", []))
    found["dead_rows"] = sum(one["dead"] for one in facts.get("tables", []))
    return found


def _failed(error):
    return {"item": "", "status": upkeep.FAILED, "reason": as_text(error)}


def _not_judged(database, reason):
    return {"item": database["item"], "rows": [{"item": "", "status": "could not judge", "reason": reason}]}


def _baselines(work, database):
    try:
        return jsonfile.read_json(FOLDER, _name(work, database))
    except EnvironmentError as error:
        if error.errno != errno.ENOENT:
            raise
        return {}


def _name(work, database):
    return "%s-%s-%d.json" % (work["system"], database["name"], database["login"]["port"])
