"""Findings from the facts of a database, of any engine: what is wrong, how badly, and by which figures."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from .bloat import is_wasteful, waste_percent

HIGH, MEDIUM, LOW = "high", "medium", "low"
# The server stops taking work some three million transactions before this many.
_WRAPAROUND = 2.0**31
_MOST = 50


def judge(facts, limits):
    """Return (findings, unknown) of a database.

    Args:
        facts: as `postgresql_facts.Reader.read_all` returns them; parts may be missing.
        limits: the thresholds of policy (`InspectionLimits`).

    A finding is {"check", "severity": high, medium or low, "object", "evidence": {name: figure}}; at most 50 of one
    check are named, the others counted in a last one. `unknown` is [{"part", "reason"}].
    """
    found = []
    for check in _CHECKS:
        found += _first(list(check(facts, limits)))
    return found, facts["unknown"] + _hidden(facts)


def _first(findings):
    if len(findings) <= _MOST:
        return findings
    more = {"check": findings[0]["check"], "severity": findings[0]["severity"], "object": None}
    return findings[:_MOST] + [dict(more, evidence={"more": len(findings) - _MOST})]


def _finding(check, severity, thing, **evidence):
    return {"check": check, "severity": severity, "object": thing, "evidence": evidence}


def _hidden(facts):
    hidden = (facts.get("sessions") or [{}])[0].get("hidden")
    if not hidden:
        return []
    reason = "what %d sessions of others do is hidden: grant the role pg_read_all_stats (pg_monitor)" % hidden
    return [{"part": "sessions", "reason": reason}]


def _connections(facts, limits):
    for sessions in facts.get("sessions", []):
        most = facts["server"]["max_connections"]
        percent = 100 * sessions["total"] // most
        if percent >= limits["connections_percent"]:
            yield _finding("connections", HIGH, None, sessions=sessions["total"], most=most, percent=percent)


def _transactions(facts, limits):
    for one in facts.get("long", []):
        what = dict((key, one[key]) for key in ("pid", "user", "database", "state", "seconds"))
        yield _finding("long_transaction", MEDIUM, "%s" % one["pid"], **what)
    for one in facts.get("prepared", []):
        yield _finding("prepared_transaction", HIGH, one["name"], seconds=one["seconds"], database=one["database"])
    for one in facts.get("blocked", []):
        if one["seconds"] >= limits["blocked_seconds"]:
            yield _finding("blocked", HIGH, "%s" % one["pid"], by=one["by"], seconds=one["seconds"])


def _space(facts, limits):
    for one in facts.get("places", []):
        percent = 100 * one["free"] // max(1, one["bytes"])
        if percent < limits["free_percent"]:
            yield _finding("space", HIGH, one["place"], free_bytes=one["free"], free_percent=percent)


def _wraparound(facts, limits):
    for one in facts.get("databases", []):
        percent = int(100 * max(one["age"], one["multixact_age"]) / _WRAPAROUND)
        if percent >= limits["wraparound_percent"]:
            ages = {"age": one["age"], "multixact_age": one["multixact_age"], "percent": percent}
            yield _finding("wraparound", HIGH, one["database"], **ages)


def _tables(facts, limits):
    for one in facts.get("tables", []):
        if one["catalog"]:
            continue
        if one["held"]:
            yield _finding("held_table", MEDIUM, one["name"])
        least = max(limits["dead_rows"], one["live"] * limits["dead_rows_percent"] // 100)
        if one["dead"] >= least:
            yield _finding("dead_rows", MEDIUM, one["name"], dead=one["dead"], live=one["live"])
        least = max(limits["changed_rows"], one["live"] * limits["changed_rows_percent"] // 100)
        if one["changed"] >= least:
            yield _finding("stale_statistics", LOW, one["name"], changed=one["changed"], live=one["live"])


def _invalid(facts, _limits):
    for one in facts.get("indexes", []):
        if not one["valid"]:
            yield _finding("invalid_index", MEDIUM, one["name"], table=one["table_name"], bytes=one["bytes"])


def _bloated(facts, limits):
    for one in facts.get("indexes", []):
        if one.get("wanted") is not None:
            percent = waste_percent(one["bytes"], one["wanted"])
            if is_wasteful(one["bytes"], one["wanted"], limits):
                figures = {"bytes": one["bytes"], "percent": percent, "known_by": one["known_by"]}
                yield _finding("bloated_index", MEDIUM, one["name"], **figures)


def _unused(facts, limits):
    for one in facts.get("indexes", []):
        needed = one["unique"] or one["primary"] or one["constraint"] or one["exclusion"]
        if one["valid"] and not needed and not one["scans"] and (one["bytes"] or 0) >= limits["unused_bytes"]:
            up = facts["server"]["up_seconds"]
            yield _finding("unused_index", LOW, one["name"], bytes=one["bytes"], up_seconds=up)


def _duplicates(facts, _limits):
    first = {}
    for one in sorted(facts.get("indexes", []), key=lambda one: (not one["constraint"], one["number"])):
        if not one["valid"]:
            continue
        other = first.setdefault(one["definition"], one)
        if other is not one and not one["constraint"]:
            yield _finding("duplicate_index", LOW, one["name"], of=other["name"], bytes=one["bytes"])


def _sequences(facts, limits):
    for one in facts.get("sequences", []):
        if one["last"] is None:
            continue
        percent = int(100 * one["last"] / max(1, one["largest"]))
        if percent >= limits["sequence_percent"]:
            name = "%s.%s" % (one["schema"], one["sequence"])
            yield _finding("sequence", HIGH, name, last=one["last"], largest=one["largest"], percent=percent)


def _replication(facts, limits):
    for one in facts.get("standbys", []):
        if (one["bytes"] or 0) >= limits["replication_lag_bytes"]:
            yield _finding("replication_lag", MEDIUM, one["name"], bytes=one["bytes"], state=one["state"])
    for one in facts.get("slots", []):
        if (one["bytes"] or 0) >= limits["slot_bytes"]:
            yield _finding("slot", HIGH, one["slot"], bytes=one["bytes"], active=one["active"])


def _archive(facts, _limits):
    for one in facts.get("archiver", []):
        failed, archived = one["failed_seconds"], one["archived_seconds"]
        if one["mode"] != "off" and failed is not None and (archived is None or failed < archived):
            yield _finding("archive", HIGH, None, failed=one["failed"], archived_seconds=archived)


def _server(facts, _limits):
    for one in facts.get("restart", []):
        yield _finding("pending_restart", LOW, one["setting"])
    for one in facts.get("checksums", []):
        if one["failures"]:
            yield _finding("checksums", HIGH, None, failures=one["failures"])


_CHECKS = (
    _connections, _transactions, _space, _wraparound, _tables, _invalid, _bloated, _unused, _duplicates, _sequences,
    _replication, _archive, _server,
)  # fmt: skip
