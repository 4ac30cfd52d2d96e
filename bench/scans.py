"""Import of a large Nessus report against a bare loop of lxml that inserts the same rows into SQLite."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Aim, Result, median, ratio
from bench.ground import BIN, Ground, Wish
from bench.memory import Watch
from yunwei.errors import LabError
from yunwei.paths import content_root

_ITEMS_PER_HOST = 2000
_SHARES = (0.25, 0.5, 1.0)
# About 500 bytes each, as in a report of 1 GB with two million items. Every fourth is a missing package with a CVE.
_INFORMATION = """<ReportItem port="{port}" svc_name="www" protocol="tcp" severity="0" pluginID="{plugin}" \
pluginName="Service Detection {plugin}" pluginFamily="Service detection"><description>The remote service could be \
identified by its banner or by looking at the error message that it sends.</description><risk_factor>None</risk_factor>\
<solution>n/a</solution><synopsis>The remote service could be identified.</synopsis><plugin_output>A web server is \
running on this port, answer number {number}.</plugin_output></ReportItem>
"""
_PACKAGE = """<ReportItem port="0" svc_name="general" protocol="tcp" severity="{severity}" pluginID="{plugin}" \
pluginName="Security update {plugin}" pluginFamily="Local Security Checks"><cve>CVE-2021-{cve}</cve>\
<cvss3_base_score>7.5</cvss3_base_score><description>The remote host is missing a security update.</description>\
<solution>Update the package.</solution><synopsis>A package is old.</synopsis><plugin_output>Remote package installed \
: lib{plugin}-1.{number}-1.el7
Should be : lib{plugin}-1.{number}-2.el7</plugin_output></ReportItem>
"""
BARE = Path(__file__).parent / "bare_scan.py"


@dataclass(frozen=True)
class _Run:
    """One run: its seconds by the clock and of processors, and its peak memory in bytes."""

    seconds: float
    processor: float
    peak: int


def scan_import(_ground: Ground, wish: Wish) -> Result:
    """Import of a generated Nessus report at three sizes."""
    ours: dict[float, list[_Run]] = {}
    bare: dict[float, list[_Run]] = {}
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="bench-scan-") as folder:
        for share in _SHARES:
            report = Path(folder) / f"{share}.nessus"
            items = generate(report, int(wish.gigabytes * share * 1e9))
            for turn in range(wish.turns):
                bare.setdefault(share, []).append(_run([sys.executable, str(BARE), str(report), f"{folder}/bare.db"]))
                state = {"YUNWEI_STATE": f"{folder}/state-{share}-{turn}"}
                ours.setdefault(share, []).append(_run(_import(report), state))
            report.unlink()
    about = {"gigabytes": wish.gigabytes, "items": items, "turns": wish.turns}
    aims = [
        Aim("ratio", 1.5),
        Aim("peak_megabytes", 300, below=True),
        Aim("processor_per_byte_against_a_quarter", 1.1),
    ]
    return Result("scan-import", about, _figures(ours, bare, wish.gigabytes), aims)


def _figures(
    ours: Mapping[float, Sequence[_Run]], bare: Mapping[float, Sequence[_Run]], gigabytes: float
) -> dict[str, float]:
    least, full = _SHARES[0], _SHARES[-1]
    per_byte = {share: median([run.processor for run in ours[share]]) / share for share in (least, full)}
    peaks = {share: max(run.peak for run in ours[share]) / 1e6 for share in (least, full)}
    seconds = median([run.seconds for run in ours[full]])
    return {
        "import_seconds": seconds,
        "bare_seconds": median([run.seconds for run in bare[full]]),
        "ratio": ratio([run.seconds for run in ours[full]], [run.seconds for run in bare[full]]),
        "import_processor_seconds": median([run.processor for run in ours[full]]),
        "processor_ratio": ratio([run.processor for run in ours[full]], [run.processor for run in bare[full]]),
        "megabytes_per_second": round(gigabytes * 1000 / seconds, 1),
        "peak_megabytes": round(peaks[full], 1),
        "peak_megabytes_of_a_quarter": round(peaks[least], 1),
        "processor_per_byte_against_a_quarter": round(per_byte[full] / per_byte[least], 3),
    }


def generate(path: Path, size: int) -> int:
    """Write a report of about so many bytes and return the number of its items."""
    number = 0
    with path.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" ?>\n<NessusClientData_v2><Report name="bench">\n')
        while file.tell() < size:
            host = number // _ITEMS_PER_HOST
            name = f"host{host}.example.org"
            file.write(
                f'<ReportHost name="{name}"><HostProperties><tag name="host-fqdn">{name}</tag></HostProperties>\n'
            )
            file.write("".join(_item(number + offset) for offset in range(_ITEMS_PER_HOST)))
            file.write("</ReportHost>\n")
            number += _ITEMS_PER_HOST
        file.write("</Report></NessusClientData_v2>\n")
    return number


def _item(number: int) -> str:
    plugin = 10000 + number * 7919 % 5000
    if number % 4:
        return _INFORMATION.format(port=1 + number % 65535, plugin=plugin, number=number)
    return _PACKAGE.format(severity=1 + number // 4 % 4, plugin=100_000 + plugin, cve=10000 + plugin, number=number)


def _import(report: Path) -> Sequence[str]:
    inventory = content_root() / "inventories" / "example"
    return [str(BIN / "yunwei"), "scan", "import", str(report), "-i", str(inventory), "--json"]


def _run(words: Sequence[str], extra: Mapping[str, str] | None = None) -> _Run:
    """Run a command; LabError when it fails."""
    watch = Watch(os.getpid())
    used, began = _processor_seconds(), time.monotonic()
    try:
        done = subprocess.run(words, env={**os.environ, **(extra or {})}, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - began
    finally:
        watch.stop()
    if done.returncode:
        raise LabError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-1000:]}")
    return _Run(seconds, _processor_seconds() - used, watch.peak)


def _processor_seconds() -> float:
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime
