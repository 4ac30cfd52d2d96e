"""Old rows of the databases of one system on one host: what may go, and their removal once they were exported."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from . import history_plan, upkeep
from . import postgresql_history as sql
from .care import AT_WORK, FAULTS, closed, only_reading, unfit
from .faults import as_text, native
from .history_purge import Purge
from .hosttools import clock as clocks
from .hosttools import faults, hostlock, loglist
from .postgresql_facts import Reader
from .psql import Session

NAME = "yunwei-purge"
REFUSED, NOTHING, NOT_JUDGED = "refused", "nothing is old", "could not judge"
_WOULD = {False: "would export and delete", True: "would export and drop"}


def plan(work, host, controller_time, check):
    """Return (summary, what would be exported) of the rules for this host; changes nothing.

    Args:
        work: a `HistoryWork`.
        host: this host's name in the inventory.
        controller_time: ISO 8601, taken just now.
        check: whether to show what would be refused; else a refusal is raised before anything is exported.

    What would be exported is [{"rule", "before", "parts"}].
    """
    rules = work["rules"].get(host, [])
    _demand_permissions(rules, work["today"])
    if not check:
        _demand_open(work)
    now = _going_on(controller_time, upkeep.Clock())
    rows = [_plan_one(work, rule, now) for rule in rules]
    refused = ["%s: %s" % (row["item"], row["reason"]) for row in rows if row["status"] == REFUSED]
    if refused and not check:
        raise faults.RefusedByPolicyError("history", native("REFUSED: %s; nothing was done" % "; ".join(refused)))
    planned = [row.pop("planned") for row in rows if "planned" in row]
    blind = [row for row in rows if row["status"] == NOT_JUDGED]
    summary = {"items": rows + (closed(work) if check else []), "verdict": NOT_JUDGED if blind else "passed"}
    return summary, planned


def purge(work, host, controller_time, permit, archived):
    """Delete the rows of `archived` from this host's databases and return (summary, changed).

    Args:
        work: a `HistoryWork`.
        host: this host's name in the inventory.
        controller_time: ISO 8601, taken just now: the export may have used up most of the window.
        permit: what the gate issued.
        archived: {"packed", "sha256"}: what the backup server read back.

    Raises RefusedByPolicyError where no window is open or a permission has expired.
    """
    rules = work["rules"].get(host, [])
    _demand_permissions(rules, work["today"])
    _demand_open(work)
    lines = loglist.unpack(archived["packed"], archived["sha256"])
    clock = upkeep.Clock()
    now = _going_on(controller_time, clock)
    deadline = upkeep.Deadline(clock, clocks.moment(work["until"]) - now())
    rows = []
    with hostlock.HostLock(work["system"], permit):
        for rule in rules:
            ours = [line for line in lines if line["rule"] == rule["name"]]
            if ours:
                rows.append(_purge_one(work, rule, ours, now, (deadline, clock)))
    failed = [row for row in rows if row["status"] == upkeep.FAILED]
    return {"items": rows, "verdict": "failed" if failed else "passed"}, bool([row for row in rows if row["gone"]])


def _going_on(controller_time, clock):
    """Return a function that returns the controller's time, in seconds since 1970, also hours later."""
    ahead = clocks.moment(controller_time) - clock.now()
    return lambda: clock.now() + ahead


def _demand_permissions(rules, today):
    """Refuse a rule without the client's permission of today."""
    for rule in rules:
        permission = rule["permission"]
        if not permission["reference"] or today > permission["expires"]:
            said = "REFUSED: permission %s of history rule %s expired on %s; ask the client for a new one"
            words = (permission["reference"], rule["name"], permission["expires"])
            raise faults.RefusedByPolicyError("permission", native(said % words))


def _demand_open(work):
    if not work["until"]:
        raise faults.RefusedByPolicyError("calendar", native("REFUSED: %s" % work["closed"]))


def _plan_one(work, rule, now):
    row = _about(rule)
    if rule["database"]["no_driver"]:
        return dict(row, status=NOT_JUDGED, reason=rule["database"]["no_driver"])
    try:
        settings = dict(sql.OUTPUT, statement_timeout="%ds" % work["limits"]["statement_seconds"])
        with only_reading(rule["database"], NAME, **settings) as session:
            return dict(row, **_look(session, rule, now()))
    except FAULTS as error:
        return dict(row, status=NOT_JUDGED, reason="could not judge: %s" % as_text(error))


def _look(session, rule, now):
    """Return what a plan's row says of a rule, and what is to be exported where something is."""
    server = Reader(session, {}).facts["server"]
    table = sql.read_table(session, rule, server["version_number"])
    reason = unfit(server) or history_plan.refusal(rule, table, sql.skew_seconds(session, now))
    if reason:
        return {"status": REFUSED, "reason": reason}
    old = sql.read_old(session, rule, table)
    parts = old.pop("parts")
    found = dict(old, triggers=table["triggers"], partitions=parts and [part[2] for part in parts])
    if not old["rows"] and not parts:
        return {"status": NOTHING, "reason": "of %d rows" % old["total"], "before": found}
    reason = history_plan.too_many(rule, old["rows"], old["total"])
    before, rows = (rule["before"], old["rows"]) if parts else sql.read_before(session, rule, table, old["rows"])
    if not reason and not rows and not parts:
        reason = "more than rows_per_run rows are of one and the same moment, the oldest: raise rows_per_run"
    if reason:
        return {"status": REFUSED, "reason": reason, "before": found}
    planned = {"rule": rule["name"], "before": before, "parts": parts and [part[:2] for part in parts]}
    said = "%d of %d rows, %s to %s" % (rows, old["total"], old["oldest"], old["newest"])
    said += "; triggers fire: %s" % ", ".join(table["triggers"]) if table["triggers"] and not parts else ""
    return {
        "status": _WOULD[rule["partitions"]],
        "reason": said,
        "before": found,
        "bytes": old["bytes"],
        "planned": planned,
    }


def _purge_one(work, rule, lines, now, time_left):
    row = dict(_about(rule), gone=0, exported=sum(line["rows"] for line in lines))
    try:
        with Session(rule["database"]["login"], NAME + "-watch", AT_WORK) as watch:
            with Session(rule["database"]["login"], NAME, dict(AT_WORK, **sql.OUTPUT)) as session:
                reader = Reader(watch, work["limits"])
                table = sql.read_table(watch, rule, reader.facts["server"]["version_number"])
                reason = unfit(reader.facts["server"]) or history_plan.refusal(
                    rule, table, sql.skew_seconds(watch, now())
                )
                if reason:
                    return dict(row, status=upkeep.FAILED, reason=reason)
                return dict(row, **Purge((session, watch), reader, work["limits"], rule, table).run(lines, time_left))
    except FAULTS as error:
        return dict(row, status=upkeep.FAILED, reason=as_text(error))


def _about(rule):
    return {"item": "history:%s %s %s.%s" % (rule["name"], rule["database"]["name"], rule["schema"], rule["table"])}
