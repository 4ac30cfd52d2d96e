"""What a site answers to `inspect`, format 1: checked before anything is made of it (`roles/miyun_site` answers).

A fact that could not be read there is None, with its reason in `unread`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from yunwei.errors import CouldNotJudgeError
from yunwei.ledger.chain import canonical

MOST_BYTES = 4 << 20
_MOST = 10_000
_LATEST = 253402300799  # the last second of year 9999; more is not a time

Count = Annotated[int, Field(ge=0, le=2**63)]
Time = Annotated[float, Field(ge=0, le=_LATEST, allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=1000)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_closed = with_config(ConfigDict(extra="forbid", strict=True))


@_closed
class Load(TypedDict):
    """How many processes waited on average, and how many CPUs there are."""

    cpus: Annotated[int, Field(ge=1)]
    fifteen_minutes: Annotated[float, Field(ge=0, allow_inf_nan=False)]


@_closed
class Memory(TypedDict):
    """Memory in bytes."""

    total_bytes: Annotated[int, Field(ge=1)]
    available_bytes: Count


@_closed
class Disk(TypedDict):
    """One file system; `holds_store` is that of the repositories."""

    mount: Text
    holds_store: bool
    total_bytes: Count
    free_bytes: Count
    inodes: Count
    free_inodes: Count
    read_only: bool


@_closed
class Array(TypedDict):
    """A disk array of the kernel: the members that it should have and has."""

    name: Text
    wanted: Count
    working: Count


@_closed
class Dated(TypedDict):
    """A file and when it was written."""

    name: Text
    since: Time


@_closed
class Repository(TypedDict):
    """One system's repository, seen from outside: nothing of it is decrypted.

    A site without an appender has no quota and pins no keys.
    """

    bytes: Count
    used_bytes: Count
    quota_bytes: Count | None
    pinned_keys: Annotated[list[Text], Field(max_length=_MOST)] | None
    files: Count
    snapshots: Count
    newest_snapshot: Time | None
    locks: Annotated[list[Dated], Field(max_length=_MOST)]
    keys: Annotated[list[Text], Field(max_length=_MOST)]


@_closed
class Account(TypedDict):
    """Digests of the keys tied to this system, and how many lines the gate does not tie."""

    account: Text
    keys: Annotated[list[Digest], Field(max_length=_MOST)]
    foreign: Count


@_closed
class PublicKey(TypedDict):
    """A public key: its digest, and when its file was written."""

    type: Text
    sha256: Digest
    made: Time


@_closed
class Facts(TypedDict):
    """The whole answer; `began` and `ended` are by the site's own clock."""

    format: Literal[1]
    system: Text
    host: Text
    began: Time
    ended: Time
    unread: dict[Text, Text]
    load: Load | None
    memory: Memory | None
    disks: Annotated[list[Disk], Field(max_length=_MOST)] | None
    arrays: Annotated[list[Array], Field(max_length=_MOST)] | None
    repository: Repository | None
    host_lock: Time | None
    accounts: Annotated[list[Account], Field(max_length=_MOST)] | None
    programs: Annotated[dict[Text, Digest], Field(max_length=100)] | None
    host_keys: Annotated[list[PublicKey], Field(max_length=_MOST)] | None
    receipt_key: PublicKey | None
    rules: dict[str, Any] | None


_adapter = TypeAdapter(Facts)


def read_facts(answer: bytes, system: str) -> Facts:
    """Return the facts in a site's answer about one system.

    Raises `CouldNotJudgeError` naming the place where it is not as it must be.
    """
    try:
        facts = _adapter.validate_json(answer)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "as a whole"
        raise CouldNotJudgeError(f"the site's answer is not what its program writes: {place}: {first['msg']}") from None
    try:
        canonical(facts["rules"])
    except ValueError as error:
        raise CouldNotJudgeError(f"the site's answer is not what its program writes: rules: {error}") from None
    if facts["system"] != system:
        raise CouldNotJudgeError(f"the site answered about {facts['system']!r}, not about {system}")
    return facts
