"""What upkeep a database needs, of any engine: facts and the limits of policy in, steps as plain data out."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from .bloat import ESTIMATED, is_wasteful, waste_percent

# In the order in which they are done: room first, then what is urgent, then what is only good.
REMOVE, FREEZE, VACUUM, ANALYZE, REBUILD, LEAVE = "remove", "freeze", "vacuum", "analyze", "rebuild", "leave"
_ORDER = (REMOVE, FREEZE, VACUUM, ANALYZE, REBUILD, LEAVE)
_SHARED = "SHARE UPDATE EXCLUSIVE: reading and writing go on"
LOCKS = {
    REMOVE: "ACCESS EXCLUSIVE, taken only when it is free at once",
    FREEZE: _SHARED,
    VACUUM: _SHARED,
    ANALYZE: _SHARED,
    REBUILD: _SHARED,
    LEAVE: None,
}


def plan_tables(facts, limits):
    """Return the steps for tables: freeze, vacuum, analyze.

    Args:
        facts: as `postgresql_facts.Reader.read_relations` returns them.
        limits: the limits of policy (`MaintenanceLimits`).

    A step is {"do", "target": quoted name, "number", "table": quoted name, "kind" and "table_kind" as in pg_class,
    "why": text, "urgency": number, "analyze": bool, "lock": text, "space": bytes that it needs meanwhile}.
    """
    server = facts["server"]
    steps = [_table_step(table, server, limits) for table in facts.get("tables", [])]
    return _ordered([step for step in steps if step])


def plan_indexes(facts, limits):
    """Return the steps for indexes: remove, rebuild.

    They also have "definition", "bytes" and "tablespace", and rebuilds "measure": whether to measure the waste first.
    """
    # Of an index whose table is not vacuumed yet the dead entries would be counted as used.
    busy = set(step["number"] for step in plan_tables(facts, limits))
    kept = set(one["definition"] for one in facts.get("indexes", []) if one["valid"])
    steps = []
    for index in facts.get("indexes", []):
        step = _rebuild_step(index, facts["server"], limits) if index["valid"] else _leftover_step(index, kept)
        if step:
            measure = index.get("known_by") == ESTIMATED and index["table_number"] not in busy
            steps.append(dict(step, measure=measure))
    return _ordered(steps)


def _ordered(steps):
    return sorted(steps, key=lambda step: (_ORDER.index(step["do"]), -step["urgency"], step["target"]))


def _table_step(table, server, limits):
    age = _age_percent(table, server)
    freeze = age >= limits["freeze_percent"]
    dead = not table["catalog"] and _beyond(table, "dead", limits)
    changed = not table["catalog"] and (_beyond(table, "changed", limits) or _never_analyzed(table, limits))
    if not (freeze or dead or changed):
        return None
    why = ["%d %% of the age at which the server would freeze it by force" % age] if freeze else []
    why += ["%d dead rows beside %d" % (table["dead"], table["live"])] if dead else []
    why += ["%d rows changed since its statistics were made" % table["changed"]] if changed else []
    do = FREEZE if freeze else VACUUM if dead else ANALYZE
    urgency = {FREEZE: age, VACUUM: table["dead"], ANALYZE: table["changed"]}[do]
    step = _step(do, table, table["name"], ", ".join(why), urgency)
    step.update(kind=table["kind"], table_kind=table["kind"], analyze=changed, before=_rows(table))
    return _hindered(step, table)


def _rows(table):
    return {"dead": table["dead"], "live": table["live"], "age": table["age"], "vacuumed": table["vacuumed"]}


def _age_percent(table, server):
    by_rows = 100 * (table["age"] or 0) // server["freeze_max_age"]
    return max(by_rows, 100 * (table["multixact_age"] or 0) // server["multixact_freeze_max_age"])


def _beyond(table, what, limits):
    least = max(limits["%s_rows" % what], table["live"] * limits["%s_rows_percent" % what] // 100)
    return table[what] >= least


def _never_analyzed(table, limits):
    return table["analyzed"] is None and table["live"] >= limits["changed_rows"]


def _hindered(step, relation):
    """Return the step, or why it is left where the role or a lock is in its way."""
    reason = None
    if not relation["may"]:
        reason = "the role may not: make it a member of the owner, or grant MAINTAIN (version 17)"
    elif relation.get("held"):
        reason = "a session holds the table exclusively, or waits to"
    if reason:
        step.update(do=LEAVE, why="%s; %s" % (step["why"], reason), lock=None)
    return step


def _leftover_step(index, kept):
    """Return how to deal with an invalid index: what a failed concurrent build left has a valid twin."""
    step = _index_step(REMOVE, index, "left by a concurrent build that failed; a valid index is the same", 0)
    if index["constraint"] or index["definition"] not in kept:
        why = "invalid, and no valid index is the same: rebuild it by hand (REINDEX INDEX CONCURRENTLY) or drop it"
        step.update(do=LEAVE, why=why, lock=None)
        return step
    return _hindered(step, index)


def _rebuild_step(index, server, limits):
    if index.get("wanted") is None:
        return None
    if not is_wasteful(index["bytes"], index["wanted"], limits):
        return None
    waste, percent = index["bytes"] - index["wanted"], waste_percent(index["bytes"], index["wanted"])
    step = _index_step(REBUILD, index, "%d %% of it are waste (%s)" % (percent, index["known_by"]), waste)
    step["space"] = index["wanted"] + limits["reserve_bytes"]
    if not server["rebuilds_online"] or index["exclusion"]:
        why = "it cannot be rebuilt while it is used (%s)"
        what = "exclusion constraint" if index["exclusion"] else "version before 12"
        step.update(do=LEAVE, why="%s; %s" % (step["why"], why % what), lock=None)
        return step
    return _hindered(step, index)


def _index_step(do, index, why, urgency):
    step = _step(do, index, index["name"], why, urgency)
    tablespace = index["tablespace"]
    step.update(table=index["table_name"], kind="i", table_kind=index["table_kind"], bytes=index["bytes"])
    step.update(
        definition=index["definition"],
        tablespace=tablespace,
        before={"bytes": index["bytes"], "wanted": index.get("wanted")},
    )
    return step


def _step(do, relation, target, why, urgency):
    step = {"do": do, "target": target, "number": relation["number"], "table": target, "why": why}
    return dict(step, urgency=urgency, analyze=False, lock=LOCKS[do], space=0)
