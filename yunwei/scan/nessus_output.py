"""What plugins of Nessus say in words only, in its XML and its CSV alike."""

from __future__ import annotations

import re

from yunwei.scan.shapes import Package, ScannedHost
from yunwei.scan.text import MOST_CHARACTERS

SCAN_INFORMATION = "19506"  # the plugin that tells how the host was scanned
_LINE = re.compile(r"^(Credentialed checks|Port range)[ \t]*+:(.*)$", re.MULTILINE)
_PAIRS = re.compile(
    r"Remote package installed\s*:\s*(\S+)\s+Should be\s*:\s*(\S+)|"
    r"Installed version\s*:\s*(\S+)\s+Fixed version\s*:\s*(\S+)"
)
_RPM = re.compile(r"^(.+)-([^-]+-[^-]+)$")


def note_scan(host: ScannedHost, output: str) -> None:
    """Note on a host what the plugin `SCAN_INFORMATION` says of its scan: the ports, and whether it logged in."""
    found = {word: value.strip() for word, value in _LINE.findall(output[:MOST_CHARACTERS])}
    host.scope = f"ports {found['Port range']}" if "Port range" in found else ""
    if host.credentialed is None and "Credentialed checks" in found:
        host.credentialed = found["Credentialed checks"].startswith("yes")


def packages(output: str) -> tuple[Package, ...]:
    """Return the packages of a plugin's output, which has no field for them."""
    if "nstalled" not in output:
        return ()
    found = []
    for installed, fixed, version, fixed_version in _PAIRS.findall(output):
        if installed:
            name, has = _split(installed)
            found.append(Package(name, has, _split(fixed)[1]))
        else:
            found.append(Package("", version, fixed_version))
    return tuple(found)


def _split(package: str) -> tuple[str, str]:
    found = _RPM.match(package)
    return (found.group(1), found.group(2)) if found else (package, "")
