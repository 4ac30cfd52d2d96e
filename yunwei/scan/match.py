"""Which host of the inventory a scanned host is. What is not certain stays unmatched, with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from yunwei.policy import Host
from yunwei.scan.shapes import ScannedHost

# A host's further addresses and names, as scanners may see them: a list in the inventory.
ALIASES = "yunwei_scan_names"
_BY_NAME = "by name"


@dataclass(frozen=True)
class Match:
    """The inventory's name of a host, or why there is none."""

    host: str | None
    reason: str = ""


def match(found: Sequence[ScannedHost], hosts: Mapping[str, Host]) -> list[Match]:
    """Return a match for each scanned host, in their order.

    An address decides. A name does where the report gives no address that another machine could reach, and where no
    other host of the report has that name.
    """
    by_address, by_name = _known(hosts)
    matches = [_one(host, by_address, by_name) for host in found]
    return [_unless_shared(index, matches) for index in range(len(matches))]


def usable_address(word: str) -> str | None:
    """Return an address in its one spelling; None for loopback, link-local and what is no address."""
    try:
        address = ip_address(word.strip())
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    if address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast:
        return None
    return str(address)


def _known(hosts: Mapping[str, Host]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    by_address: dict[str, set[str]] = {}
    by_name: dict[str, set[str]] = {}
    for name, host in hosts.items():
        aliases = host.variables.get(ALIASES) or []
        for word in (name, host.address, *(aliases if isinstance(aliases, list) else [aliases])):
            address = usable_address(str(word))
            if address:
                by_address.setdefault(address, set()).add(name)
            else:
                by_name.setdefault(str(word).casefold().rstrip("."), set()).add(name)
    return by_address, by_name


def _one(host: ScannedHost, by_address: dict[str, set[str]], by_name: dict[str, set[str]]) -> Match:
    if host.ambiguous:
        return Match(None, "the report means several machines by this name")
    addresses = [one for one in map(usable_address, (host.name, *host.addresses)) if one]
    names = [name.casefold().rstrip(".") for name in (host.name, *host.names)]
    ours = {name for one in addresses for name in by_address.get(one, ())}
    called = {name for one in names for name in by_name.get(one, ())}
    if len(ours) == 1:
        return Match(next(iter(ours)))
    if len(called) == 1 and not addresses:
        return Match(next(iter(called)), _BY_NAME)
    return Match(None, _why_not(sorted(ours), sorted(called), has_address=bool(addresses)))


def _why_not(ours: Sequence[str], called: Sequence[str], *, has_address: bool) -> str:
    if ours:
        return f"its addresses are those of several hosts: {', '.join(ours)}"
    if has_address and called:
        return f"it is called as {', '.join(called)}, but none of its addresses is that host's"
    if called:
        return f"several hosts of the inventory are called so: {', '.join(called)}"
    return "no host of the inventory has its address or name"


def _unless_shared(index: int, matches: Sequence[Match]) -> Match:
    """Return the match, but none where two scanned hosts would be one host by their name alone."""
    own = matches[index]
    if own.reason != _BY_NAME:
        return own
    others = [one for place, one in enumerate(matches) if place != index and one.host == own.host]
    return Match(None, f"several hosts of the report are called as {own.host}") if others else own
