"""Advice on parameters in the words of a language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from yunwei.databases.tuning_server import GIB, KIB, MIB
from yunwei.report.words import Words, load_words

REPORT = "tuning"
COLUMNS = ("place", "setting", "now", "proposed", "reason", "against", "page")


def explain(document: Mapping[str, Any], lang: str) -> dict[str, Any]:
    """Return the document with `reason` and `against` in each advice."""
    words = load_words(lang, REPORT)
    return {**document, "databases": [_explain(one, words) for one in document["databases"]]}


def _explain(database: Mapping[str, Any], words: Words) -> dict[str, Any]:
    advice = [{**one, "reason": _reason(one, words), "against": _against(one, words)} for one in database["advice"]]
    return {**database, "advice": advice}


def _reason(advice: Mapping[str, Any], words: Words) -> str:
    evidence = {name: _value(name, value) for name, value in advice["evidence"].items()}
    return words(f"{REPORT}.rule.{advice['rule']}.reason", **evidence)


def _value(name: str, value: Any) -> Any:
    return _size(value) if name.endswith("_bytes") else value


def _size(size: int) -> str:
    """Return bytes as PostgreSQL's units have them, to be read and not to be set."""
    for unit, worth in (("GB", GIB), ("MB", MIB), ("kB", KIB)):
        if abs(size) >= worth:
            return f"{size / worth:.1f} {unit}"
    return f"{size} B"


def _against(advice: Mapping[str, Any], words: Words) -> list[str]:
    notes = [words(f"{REPORT}.note.{name}", value=value) for name, value in advice["notes"].items()]
    return [words(f"{REPORT}.rule.{advice['rule']}.against"), *notes]


def rows(document: Mapping[str, Any], lang: str) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a table, in the order of `COLUMNS`."""
    words = load_words(lang, REPORT)
    for database in document["databases"]:
        place = f"{database['host']} {database['item'].removeprefix('database:')}"
        for one in database["advice"]:
            change = words(f"{REPORT}.apply.{one['apply']}")
            proposed = f"{one['proposed']} ({change})"
            page = one["page"].rpartition("/docs/")[2]
            yield place, one["setting"], _now(one["now"]), proposed, one["reason"], "\n".join(one["against"]), page
        for one in database["unknown"]:
            unknown, advice = words(f"{REPORT}.verdict.unknown"), words(f"{REPORT}.unknown_advice")
            yield place, one["part"], unknown, "", one["reason"], advice, ""


def _now(now: Mapping[str, Any]) -> str:
    where = f"{now['sourcefile']}:{now['sourceline']}" if now["sourcefile"] else now["source"]
    return "{} ({})".format(now["value"] or "''", where)


def summary(document: Mapping[str, Any], lang: str) -> str:
    """Return the last line."""
    words = load_words(lang, REPORT)
    counts = {name: sum(len(one[name]) for one in document["databases"]) for name in ("advice", "unknown")}
    name = "unknown" if document["verdict"] == "could not judge" else document["verdict"]
    line = words(f"{REPORT}.counts", databases=len(document["databases"]), **counts)
    return f"{words(f'{REPORT}.verdict.{name}')}: {line}  run {document['run_id']}"
