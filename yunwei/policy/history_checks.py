"""The history rules of a system against each other and its databases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from yunwei.policy.draft import Draft, text
from yunwei.policy.problems import Problem
from yunwei.policy.suggest import did_you_mean
from yunwei.policy.system import System
from yunwei.policy.system_checks import item_names


def check_history(draft: Draft[System]) -> Iterator[Problem]:
    """Yield the problems of one system's history rules that their structure alone does not show."""
    rules = list(draft.each("history"))
    for name, count in Counter(text(rule, "name") for _, rule in rules).items():
        if name is not None and count > 1:
            yield draft.problem(("history",), f"the name '{name}' {count} times", "each name once in a system")
    databases = item_names(draft, "database")
    for place, rule in rules:
        database = text(rule, "database")
        if database is not None and database not in databases:
            allowed = ", ".join(databases) or "nothing: no database is declared"
            yield draft.problem((*place, "database"), repr(database), allowed, did_you_mean(database, databases))
    keys = ("database", "schema_name", "table")
    places = Counter(tuple(text(rule, key) or "public" for key in keys) for _, rule in rules)
    for (_, schema, table), count in places.items():
        if count > 1:
            yield draft.problem(("history",), f"{count} rules for table {schema}.{table}", "one rule a table")
