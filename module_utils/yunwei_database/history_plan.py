"""Decides whether old rows of a table may go: from a rule of policy and what the catalog says; touches nothing."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

TYPES = ("date", "timestamp", "timestamptz")
PLAIN, PARTITIONED = "r", "p"
_ACTIONS = {
    "a": "would block it",
    "r": "would block it",
    "c": "would delete rows there",
    "n": "would empty values there",
    "d": "would change values there",
}
_CLOCK_TOLERANCE_SECONDS = 3600


def refusal(rule, table, skew_seconds):
    """Return why a rule is refused before a row is looked at, or None.

    Args:
        rule: a `HistoryRuleWork`.
        table: what `postgresql_history.read_table` returned, None where the table is not there.
        skew_seconds: how far the server's clock is ahead of the controller's.
    """
    if abs(skew_seconds) > _CLOCK_TOLERANCE_SECONDS:
        return "the server's clock is %d seconds ahead of the controller's: ages cannot be judged" % skew_seconds
    if table is None:
        return "the table does not exist, or the role may not use its schema"
    return _column(rule, table) or _rights(rule, table) or _shape(rule, table) or _dependents(table)


def too_many(rule, rows, total):
    """Return why so many old rows of all of them must stay, or None."""
    if 100 * rows <= rule["largest_share_percent"] * total:
        return None
    said = "%d of %d rows are old, %.1f %% where %d %% may be: see whether the rule is right, then raise the share"
    return said % (rows, total, 100.0 * rows / max(1, total), rule["largest_share_percent"])


def _column(rule, table):
    if table["type"] is None:
        return "it has no column %s" % rule["column"]
    if table["type"] not in TYPES:
        return "column %s is of type %s; allowed are %s" % (rule["column"], table["type"], ", ".join(TYPES))
    return None


def _rights(rule, table):
    if rule["partitions"]:
        return (
            None if table["owned"] else "only the table's owner may drop its partitions: make the role a member of it"
        )
    missing = [word for word in ("SELECT", "DELETE") if word not in table["granted"]]
    return "the role lacks %s there: see the grants in the documentation" % " and ".join(missing) if missing else None


def _shape(rule, table):
    """Return why rows of this kind of table cannot go by the rule, or None."""
    if rule["partitions"]:
        fits = table["kind"] == PARTITIONED and table["ranged"]
        return None if fits else "it is not partitioned by ranges of column %s alone" % rule["column"]
    if table["kind"] == PARTITIONED:
        return "it is partitioned: set partitions to true, or name one of its partitions"
    if table["kind"] != PLAIN:
        return "it is no table with rows of its own"
    if not table["key"]:
        return "it has no primary key, so its rows cannot be told apart"
    if not table["indexed"]:
        return "no index begins with column %s: every run would read the whole table; create one" % rule["column"]
    return None


def _dependents(table):
    """Return why deleting would reach beyond the table, or None."""
    if table["references"]:
        told = ["%s of %s %s" % (name, of, _ACTIONS[action]) for name, of, action in table["references"]]
        return "it is referenced by a foreign key: %s" % "; ".join(told)
    if table["rules"]:
        return "its DELETE is rewritten by a rule: %s" % ", ".join(table["rules"])
    return None
