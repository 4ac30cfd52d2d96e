"""One system against itself and the inventory: names that must exist, targets that must be within reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath

from yunwei.policy.draft import Draft, mapping, number, sequence, text
from yunwei.policy.inventory import Inventory
from yunwei.policy.problems import Problem, shown
from yunwei.policy.schedule import PERIOD_SECONDS
from yunwei.policy.suggest import did_you_mean
from yunwei.policy.system import System

ITEM_LISTS = {"database": "databases", "files": "file_sets"}


def check_system(draft: Draft[System], inventory: Inventory, production: str) -> Iterator[Problem]:
    """Yield the problems of one system that its structure alone does not show."""
    yield from _file_name(draft)
    yield from _hosts(draft, inventory, production)
    yield from _item_hosts(draft)
    yield from _sources(draft, inventory)
    yield from _names_once(draft)
    yield from _application(draft)
    yield from _holds(draft)
    yield from _sites_once(draft)
    yield from _within_rpo(draft)
    if not any(sequence(draft.content, key) for key in ITEM_LISTS.values()):
        yield draft.problem((), "neither databases nor file_sets", "at least one: what is never backed up is lost")


def item_names(draft: Draft[System], kind: str) -> list[str]:
    """Return the names of the databases or file sets, as far as they can be read."""
    return [name for _, content in draft.each(ITEM_LISTS[kind]) if (name := text(content, "name")) is not None]


def _file_name(draft: Draft[System]) -> Iterator[Problem]:
    stem, system_id = PurePosixPath(draft.file).stem, draft.text("id")
    if system_id is not None and system_id != stem:
        yield draft.problem(("id",), repr(system_id), f"'{stem}', the same as the file's name")


def _hosts(draft: Draft[System], inventory: Inventory, production: str) -> Iterator[Problem]:
    for name in mapping(draft.content, "hosts"):
        host = inventory.hosts.get(str(name))
        if host is None:
            yield _unknown(draft, ("hosts", str(name)), "a host that is not in hosts.yml", name, inventory.hosts)
        elif production not in host.groups:
            found = f"a host outside group {production}"
            allowed = f"hosts in group {production}, which no restore drill may touch"
            yield draft.problem(("hosts", str(name)), found, allowed, "Add its group to that group's children.")


def _item_hosts(draft: Draft[System]) -> Iterator[Problem]:
    own = [str(name) for name in mapping(draft.content, "hosts")]
    for key in (*ITEM_LISTS.values(), "services"):
        for place, content in draft.each(key):
            host = text(content, "host")
            if host is not None and host not in own:
                yield _unknown(draft, (*place, "host"), repr(host), host, own)


def _sources(draft: Draft[System], inventory: Inventory) -> Iterator[Problem]:
    """The source program runs behind a forced command of SSH."""
    for key in ITEM_LISTS.values():
        for place, content in draft.each(key):
            host = inventory.hosts.get(text(content, "host") or "")
            if host is not None and host.variables.get("ansible_connection") in ("psrp", "winrm"):
                found = f"'{host.name}', a Windows host"
                yield draft.problem(
                    (*place, "host"), found, "hosts that are reached by SSH: no source runs on Windows yet"
                )


def _names_once(draft: Draft[System]) -> Iterator[Problem]:
    for kind, key in ITEM_LISTS.items():
        for name, count in Counter(item_names(draft, kind)).items():
            if count > 1:
                yield draft.problem((key,), f"the name '{name}' {count} times", "each name once in a system")


def _application(draft: Draft[System]) -> Iterator[Problem]:
    application = mapping(draft.content, "application")
    for key, kind in (("file_set", "files"), ("database", "database")):
        name = text(application, key)
        if name is not None and name not in (names := item_names(draft, kind)):
            yield _unknown(draft, ("application", key), repr(name), name, names)


def _holds(draft: Draft[System]) -> Iterator[Problem]:
    items = [f"{kind}:{name}" for kind in ITEM_LISTS for name in item_names(draft, kind)]
    releases = Draft(draft.file, mapping(draft.content, "tripwire")).each("releases")
    named = [*draft.each("legal_holds"), *((("tripwire", *place), content) for place, content in releases)]
    for place, content in named:
        item = text(content, "item")
        if item is not None and item not in items:
            yield _unknown(draft, (*place, "item"), repr(item), item, items)


def _sites_once(draft: Draft[System]) -> Iterator[Problem]:
    sites = Counter(site for _, content in draft.each("retention") if (site := text(content, "site")) is not None)
    for site, count in sites.items():
        if count > 1:
            yield draft.problem(("retention",), f"{count} rules for site '{site}'", "one rule a site")


def _within_rpo(draft: Draft[System]) -> Iterator[Problem]:
    """An item that is backed up less often than its RPO allows misses the target even when all goes well."""
    general = number(mapping(draft.content, "targets"), "rpo_seconds")
    for key in ITEM_LISTS.values():
        for place, content in draft.each(key):
            period = PERIOD_SECONDS.get(str(mapping(content, "schedule").get("every")))
            target = number(content, "rpo_seconds") or general
            if period and target and 0 < target < period:
                yield draft.problem(
                    (*place, "schedule", "every"),
                    f"a period of {period} s with an RPO of {target} s",
                    "a period not longer than the RPO",
                    "Back up more often, or give this item the rpo_seconds that the contract owes it.",
                )


def _unknown(
    draft: Draft[System], place: tuple[str | int, ...], found: str, name: object, names: Collection[str]
) -> Problem:
    some = sorted(names)
    allowed = ", ".join(some[:12]) + (f" and {len(some) - 12} more" if len(some) > 12 else "")
    return draft.problem(
        place, found, allowed or f"nothing: none is declared (found {shown(name)})", did_you_mean(name, some)
    )
