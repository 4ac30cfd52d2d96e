"""Policy drift (策略同步): what a site has put into force, compared with what the inventory says. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from yunwei.inspection.check import DAY, Check, finding, good, unknown, unread
from yunwei.inspection.facts import Facts
from yunwei.ledger.chain import canonical
from yunwei.policy.estate import Inspection

RULES = ("items", "keep", "max_removals", "permission", "legal_holds", "timezone")
_MOST_SHOWN = 200


def key_digest(line: str) -> str:
    """Return the SHA-256 of a public key's type and content; its comment does not count."""
    return hashlib.sha256(" ".join(line.split()[:2]).encode("utf-8")).hexdigest()


def judge_programs(site: str, facts: Facts, expected: Mapping[str, str]) -> Check:
    """Return whether the programs in front of the store are those of this release, and no others stand there."""
    found = facts["programs"]
    if found is None:
        return unread(site, "programs", facts["unread"].get("programs", ""))
    differ = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
    if differ:
        return finding(site, "programs_differ", "medium", names=differ)
    return good(site, "programs", found_count=len(found))


def judge_foreign(site: str, facts: Facts) -> Check:
    """Return whether every line of every account is tied to the gate."""
    if facts["accounts"] is None:
        return unread(site, "accounts", facts["unread"].get("accounts", ""))
    foreign = {one["account"]: one["foreign"] for one in facts["accounts"] if one["foreign"]}
    if foreign:
        return finding(site, "accounts_foreign", "high", foreign_count=sum(foreign.values()), names=sorted(foreign))
    return good(site, "accounts", names=[one["account"] for one in facts["accounts"]])


def judge_receipt_key(site: str, facts: Facts, pinned: str, limits: Inspection) -> Check:
    """Return whether the key that signs receipts is the one pinned here, and how old it is."""
    key = facts["receipt_key"]
    if key is None:
        return unread(site, "receipt", facts["unread"].get("receipt_key", ""))
    values = {"age_seconds": max(0.0, facts["ended"] - key["made"]), "limit_seconds": limits.site_key_days * DAY}
    if key["sha256"] != key_digest(pinned):
        return finding(site, "receipt_differs", "high")
    if values["age_seconds"] > values["limit_seconds"]:
        return finding(site, "receipt_old", "low", **values)
    return good(site, "receipt", **values)


def judge_accounts(place: str, facts: Facts, expected: Mapping[str, str | None]) -> Iterator[Check]:
    """Yield whether each account lets in the one key that the inventory names.

    Args:
        place: `<site>/<system>`.
        facts: what the site answered.
        expected: public key line by account; None where the inventory does not know it.
    """
    if facts["accounts"] is None:
        yield unread(place, "authorized", facts["unread"].get("accounts", ""))
        return
    found = {one["account"]: one["keys"] for one in facts["accounts"]}
    for account, line in expected.items():
        if line is None:
            yield unknown(place, "authorized_unset", account=account)
        elif found.get(account) != [key_digest(line)]:
            count = len(found.get(account, []))
            yield finding(place, "authorized_differs", "high", account=account, found_count=count)
        else:
            yield good(place, "authorized", account=account)


def judge_rules(place: str, facts: Facts, expected: Mapping[str, Any] | str) -> Check:
    """Return whether the site's retention rules are those of the inventory.

    Args:
        place: `<site>/<system>`.
        facts: what the site answered.
        expected: the rule as the gate would hand it out, or why there is none now.
    """
    shown = facts["rules"]
    if shown is None:
        return unread(place, "rules", facts["unread"].get("rules", "the site shows none"))
    if isinstance(expected, str):
        return finding(place, "rules_refused", "high", reason=expected)
    wanted = {key: expected[key] for key in RULES}
    differ = [key for key in RULES if _plain(shown.get(key)) != _plain(wanted[key])]
    values = {"here": _digest(wanted), "there": _digest(shown)}
    if differ:
        told = [f"{key}: {_short(wanted[key])} / {_short(shown.get(key))}" for key in differ]
        return finding(place, "rules_differ", "high", **values, differences=told)
    return good(place, "rules", digest=values["here"])


def _plain(value: Any) -> Any:
    """Return a value in which the order of a list of items or holds does not count."""
    return sorted(map(canonical, value)) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _short(value: Any) -> str:
    text = canonical(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def _digest(rules: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(dict(rules)).encode("ascii")).hexdigest()[:16]
