"""Firewall rules and routes that are in force but would not be after the next start."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

from . import units
from .host import finding

_NFT_FILES = {"nftables.service": ("/etc/nftables.conf", "/etc/sysconfig/nftables.conf")}
_IPTABLES = (
    ("iptables-save", "iptables", {"iptables.service": "/etc/sysconfig/iptables",
                                   "netfilter-persistent.service": "/etc/iptables/rules.v4"}),
    ("ip6tables-save", "ip6tables", {"ip6tables.service": "/etc/sysconfig/ip6tables",
                                     "netfilter-persistent.service": "/etc/iptables/rules.v6"}),
)  # fmt: skip
_OF_IPTABLES = re.compile(r"\Atable ip6? (filter|nat|mangle|raw|security) \{")
_COUNTERS = re.compile(r"\[\d+:\d+\]\s*|counter packets \d+ bytes \d+ ?")
_BY_OTHERS = ("kernel", "dhcp", "ra", "redirect", "bird", "zebra", "ospf", "bgp")
_KINDS = ("unicast", "local", "broadcast", "unreachable", "prohibit", "blackhole", "throw")
_ROUTE_FILES = (
    "/etc/network/interfaces.d", "/etc/sysconfig/network-scripts", "/etc/NetworkManager/system-connections",
    "/etc/netplan", "/etc/systemd/network",
)  # fmt: skip
_ROUTE_SINGLES = ("/etc/network/interfaces", "/etc/sysconfig/network", "/etc/sysconfig/static-routes")


def unsaved_rules(host):
    """Return a finding for every kind of firewall whose live rules differ from what the next start loads."""
    if host.has("firewall-cmd") and host.run(["firewall-cmd", "--state"])[0] == 0:
        reason = "firewalld runs, and its rules are not compared with its permanent ones: compare them by hand"
        return [finding("firewall:firewalld", "could not judge: " + reason)]
    found, seen = [], False
    for program, name, files in _IPTABLES:
        if host.has(program):
            seen = True
            found += _iptables(host, program, name, files)
    if host.has("nft"):
        found += _nft(host, seen)
    return found


def _iptables(host, program, name, files):
    code, out, err = host.run([program])
    if code != 0:
        return [finding("firewall:" + name, "could not judge: %s: %s" % (program, err.strip()[-200:]))]
    live = _plain(out)
    if not [line for line in live if line.startswith("-A") or _drops(line)]:
        return []
    return _against_file(host, name, live, dict((unit, [path]) for unit, path in files.items()))


def _drops(line):
    """Return whether the line of a built-in chain has another policy than to accept."""
    return line.startswith(":") and line.split()[1] not in ("ACCEPT", "-")


def _nft(host, others_seen):
    code, out, err = host.run(["nft", "-s", "list", "ruleset"])
    if code != 0:
        return [finding("firewall:nftables", "could not judge: nft: %s" % err.strip()[-200:])]
    live = _plain(_without_iptables(out) if others_seen else out)
    return _against_file(host, "nftables", live, _NFT_FILES) if live else []


def _against_file(host, name, live, files):
    """Return the finding, if any, about rules that are live; `files` are what each service loads at the start."""
    enabled = [unit for unit in sorted(files) if units.comes_back(host, unit) is None]
    if not enabled:
        reason = "rules are live, but no enabled service loads any at the start (looked for %s)"
        return [finding("firewall:" + name, reason % ", ".join(sorted(files)))]
    paths = [path for unit in enabled for path in files[unit] if host.exists(path)]
    if live in [_plain(host.read(path) or "") for path in paths]:
        return []
    reason = "the live rules differ from %s; save them as the tool writes them, or load the file"
    return [finding("firewall:" + name, reason % (" or ".join(paths) or "a file that is missing"))]


def _plain(text):
    """Return the lines that say something: without comments, counters and indentation."""
    lines = [_COUNTERS.sub("", line).strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#") and line not in ("COMMIT", "flush ruleset")]


def _without_iptables(text):
    """Return nft's ruleset without the tables that iptables keeps in it."""
    kept, inside = [], False
    for line in text.splitlines():
        inside = inside or bool(_OF_IPTABLES.match(line))
        if not inside:
            kept.append(line)
        inside = inside and line != "}"
    return "\n".join(kept)


def unsaved_routes(host):
    """Return a finding for every route that somebody set and that no file of the network's configuration names."""
    code, out, err = host.run(["ip", "-o", "route", "show", "table", "main"])
    if code != 0:
        return [finding("route:all", "could not judge: ip route: %s" % err.strip()[-200:])]
    saved = _saved_words(host)
    found = []
    for line in out.splitlines():
        words = line.split()
        if words and words[0] in _KINDS:
            words = words[1:]
        protocol = words[words.index("proto") + 1] if "proto" in words else "boot"
        gateway = words[words.index("via") + 1] if "via" in words else None
        # A container's default route is made anew by its engine.
        if not words or protocol in _BY_OTHERS or (words[0] == "default" and host.in_container):
            continue
        wanted = [gateway] if words[0] == "default" else [words[0].partition("/")[0], gateway]
        if [word for word in wanted if word and word not in saved]:
            reason = "the route '%s' is live, but no file of the network's configuration has it" % line.strip()
            found.append(finding("route:" + words[0], reason))
    return found


def _saved_words(host):
    files = list(_ROUTE_SINGLES)
    for folder in _ROUTE_FILES:
        files += ["%s/%s" % (folder, name) for name in host.names(folder)]
    text = "\n".join([host.read(path) or "" for path in files])
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return set(re.findall(r"[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]+", "\n".join(lines)))
