"""The calendar against the rest of the policy: systems and hosts that must exist, days that are said once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from yunwei.policy.calendar import CalendarFile
from yunwei.policy.draft import Draft, sequence
from yunwei.policy.problems import Problem
from yunwei.policy.suggest import did_you_mean


def check_calendar(
    drafts: Sequence[Draft[CalendarFile]], systems: Collection[str], hosts: Collection[str]
) -> Iterator[Problem]:
    """Yield the names that nobody has and the days that are said twice."""
    days: dict[str, str] = {}
    for draft in drafts:
        for key in ("windows", "freezes"):
            for place, content in draft.each(key):
                yield from _unknown(draft, (*place, "systems"), sequence(content, "systems"), systems)
                yield from _unknown(draft, (*place, "hosts"), sequence(content, "hosts"), hosts)
        for place, content in draft.each("days"):
            day, here = str(content.get("date")), f"{draft.file}: days[{place[1]}]"
            if "date" in content and days.setdefault(day, here) != here:
                yield draft.problem((*place, "date"), f"{day}, which {days[day]} has too", "each day once")


def _unknown(
    draft: Draft[CalendarFile], place: tuple[str | int, ...], found: list[Any], names: Collection[str]
) -> Iterator[Problem]:
    what = str(place[-1])[:-1]
    for index, name in enumerate(found):
        if isinstance(name, str) and name not in names:
            text = f"'{name}', which is no {what} of this inventory"
            yield draft.problem((*place, index), text, f"a {what}'s name", did_you_mean(name, names))
