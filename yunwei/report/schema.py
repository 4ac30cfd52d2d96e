"""The shape of `drill.json`, format 1: what a drill writes and its report reads.

Compatibility: new optional keys may be added to format 1; a key removed, renamed or given another
meaning makes format 2. A reader refuses keys that it does not know, because a report that leaves
out part of the evidence would look complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired
from zoneinfo import available_timezones

from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from yunwei.errors import YunweiError
from yunwei.report.visible import decode_path

Verdict = Literal["passed", "failed", "could not judge"]
Phase = Literal["locate", "fetch", "create_instance", "load", "rebuild", "verify", "ready"]
Check = Literal["tables", "files", "objects", "sequences", "roles", "indexes"]
CHECKS: tuple[Check, ...] = ("tables", "files", "objects", "sequences", "roles", "indexes")

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1)]
_closed = with_config(ConfigDict(extra="forbid", strict=True))


class ReportError(YunweiError):
    """The document cannot be shown as a report: keys are wrong or it contradicts its own verdict."""


@_closed
class Names(TypedDict):
    """A system's name in both languages."""

    zh: str
    en: str


@_closed
class PhaseTime(TypedDict):
    """One phase of the restore; `bytes` is null where a phase moves none."""

    name: Phase
    seconds: Seconds
    bytes: Count | None


@_closed
class Difference(TypedDict):
    """One object that is not as the manifest says; null means absent on that side."""

    object: Name
    expected: Any
    found: Any


@_closed
class Reason(TypedDict):
    """Why a drill did not pass: the object, what was found, what to do next, what it says of the backup."""

    object: str
    cause: str
    next: str
    verdict: str


@_closed
class Comparison(TypedDict):
    """The manifest's lines of one kind against the restored ones; rows and bytes are sums over them.

    `different` counts all that are not equal, extra ones too, where `differences` shows only the first.
    """

    expected: Count
    equal: Count
    differences: list[Difference]
    different: NotRequired[Count]
    rows: NotRequired[Count]
    bytes: NotRequired[Count]


@_closed
class Probe(TypedDict):
    """The application's health probe: address, what it answered, whether policy accepts that."""

    url: str
    answer: str | None
    ok: bool


@_closed
class Destroyed(TypedDict):
    """What was restored and then removed, and what a fresh scan found afterwards."""

    what: list[str]
    proof: dict[str, Any]
    ok: bool
    seconds: NotRequired[Seconds | None]


@_closed
class Participant(TypedDict):
    """A person who took part, and as what."""

    name: str
    role: str


@_closed
class LedgerHead(TypedDict):
    """The evidence ledger's length and last hash when the drill was recorded."""

    count: Count
    hash: str


@_closed
class Forecast(TypedDict):
    """A recovery time computed for production size from measured sizes (bytes)."""

    sizes: list[Count]
    production_seconds: Seconds
    breaks_at_bytes: Count | None


@_closed
class Drill(TypedDict):
    """A drill as `drill.json` holds it; times are ISO 8601 with a zone, durations seconds."""

    format: Literal[1]
    verdict: Verdict
    reasons: list[str | Reason]
    system: Name
    system_name: Names
    contract: str
    site: Name
    host: str
    snapshot: dict[str, str]
    snapshot_at: str | None
    started: str
    finished: str
    target_seconds: Seconds | None
    total_seconds: Seconds | None
    phases: list[PhaseTime]
    rpo_seconds: Seconds | None
    rpo_target_seconds: Seconds | None
    drilled_bytes: Count | None
    production_bytes: Count | None
    tables: Comparison | None
    files: Comparison | None
    objects: Comparison | None
    sequences: Comparison | None
    roles: Comparison | None
    indexes: Comparison | None
    probe: Probe | None
    destroyed: Destroyed | None
    participants: list[Participant]
    evidence_id: Name
    evidence_digest: str | None
    ledger_head: LedgerHead | None
    versions: dict[str, Any]
    handed_over: NotRequired[str | None]
    timezone: NotRequired[str]
    forecast: NotRequired[Forecast | None]


_DRILL: TypeAdapter[Drill] = TypeAdapter(Drill)
_INSTANT: TypeAdapter[AwareDatetime] = TypeAdapter(AwareDatetime)
_SAID = {"missing": "the key is missing", "extra_forbidden": "the key is unknown"}


def check_drill(document: Mapping[str, Any]) -> Drill:
    """Return the document as a `Drill` when its keys, values and verdict hold together.

    Raises ReportError naming every key that is missing, unknown or wrong, or every finding that
    contradicts the verdict `passed`.
    """
    try:
        drill = _DRILL.validate_python(dict(document))
    except ValidationError as error:
        found = [_problem(one["loc"], one["type"], one["msg"]) for one in error.errors()]
        raise ReportError(_told("drill.json does not have the keys of format 1", found)) from None
    wrong = _bad_instants(drill)
    if wrong:
        raise ReportError(_told("drill.json has times without meaning", wrong))
    against = contradictions(drill)
    if against:
        raise ReportError(_told("drill.json says passed, but also", against))
    return drill


def contradictions(drill: Drill) -> list[str]:
    """Return what speaks against the verdict `passed`; empty for any other verdict.

    A signed page must never carry a verdict that its own figures deny.
    """
    if drill["verdict"] != "passed":
        return []
    found = [f"{name}: {told}" for name in CHECKS if (told := _not_proven(drill[name]))]
    if not any(check["expected"] for name in CHECKS if (check := drill[name])):
        found.append("tables, files: the manifest lists nothing, so nothing was proven")
    probe, destroyed = drill["probe"], drill["destroyed"]
    if probe is not None and not probe["ok"]:
        found.append("probe: the application did not answer as policy expects")
    if destroyed is None or not destroyed["ok"]:
        found.append("destroyed: nothing proves that the restored data is gone")
    found += _beyond(drill["total_seconds"], drill["target_seconds"], "total_seconds")
    found += _beyond(drill["rpo_seconds"], drill["rpo_target_seconds"], "rpo_seconds")
    return found + [f"reasons: {reason_text(reason)}" for reason in drill["reasons"]]


def reason_text(reason: str | Reason) -> str:
    """Return a reason as one line: the object by name, then what was found."""
    if isinstance(reason, str):
        return reason
    thing = reason["object"]
    return f"{decode_path(thing) if thing.startswith('/') else thing}: {reason['cause']}"


def _not_proven(check: Comparison | None) -> str:
    if check is None:
        return "not compared"
    if check["equal"] != check["expected"] or check["differences"] or check.get("different"):
        return f"{check['equal']} of {check['expected']} are equal"
    return ""


def _beyond(measured: float | None, target: float | None, key: str) -> list[str]:
    if measured is None:
        return [f"{key}: not measured"]
    return [f"{key}: {measured:g} is beyond the target {target:g}"] if target is not None and measured > target else []


def _bad_instants(drill: Drill) -> list[str]:
    values = {key: drill.get(key) for key in ("started", "finished", "snapshot_at", "handed_over")}
    found = []
    for key, value in values.items():
        try:
            if value is not None:
                _INSTANT.validate_python(value)
        except ValidationError:
            found.append(f"{key}: found {value!r}; allowed is ISO 8601 with a zone, as 2026-03-31T09:00:00+08:00")
    zone = drill.get("timezone", "UTC")
    if zone not in available_timezones():
        found.append(f"timezone: found {zone!r}; allowed is a name of the time zone database, as Asia/Shanghai")
    return found


def _problem(loc: tuple[int | str, ...], kind: str, message: str) -> str:
    return f"{'.'.join(str(part) for part in loc)}: {_SAID.get(kind, message)}"


def _told(head: str, found: list[str]) -> str:
    return head + ":\n" + "\n".join(f"  {line}" for line in found)
