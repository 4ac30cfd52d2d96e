"""Runs the roles' testinfra proofs and says what they found."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from yunwei import policy
from yunwei.jobs import Job, Proof
from yunwei.paths import content_root
from yunwei.policy.inventory import read_inventory
from yunwei.proofs.worker import Result, Task, run
from yunwei.runner import environment, inventory_source

_AT_ONCE = 4
PASSED, FAILED, COULD_NOT_JUDGE = "passed", "failed", "could not judge"


@dataclass(frozen=True)
class Finding:
    """One proof on one host: its role, test, verdict and, when it is not good, the reason."""

    role: str
    test: str
    verdict: str
    reason: str = ""


@dataclass(frozen=True)
class ProofResult:
    """Everything the proofs of one job found."""

    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> str:
        """Return `failed` before `could not judge` before `passed`; no finding at all is `could not judge`."""
        verdicts = {finding.verdict for finding in self.findings}
        if FAILED in verdicts:
            return FAILED
        return PASSED if verdicts == {PASSED} else COULD_NOT_JUDGE

    def to_json(self) -> dict[str, Any]:
        """Return the result as the ledger and `--json` show it."""
        bad = [asdict(finding) for finding in self.findings if finding.verdict != PASSED]
        return {"verdict": self.verdict, "passed": len(self.findings) - len(bad), "not_passed": bad}


def prove(job: Job, inventory: Path, systems: Sequence[str], as_of: datetime | None = None) -> ProofResult:
    """Run every proof of a job against the inventory's hosts, over the same SSH settings as the job.

    `as_of` is the aware time at which the job began, by default now: what has fallen due since is not asked for.
    """
    settings = _environment(inventory, systems, as_of or datetime.now(UTC))
    todo = [(proof, share) for proof in job.proofs for share in shares(proof, inventory, systems) or [""]]
    with tempfile.TemporaryDirectory(prefix="yunwei-proof-") as folder, _processes() as pool:
        start = _Starter(pool, Path(folder), inventory, settings)
        begun = [(proof, start(proof, share)) for proof, share in todo]
        return ProofResult(tuple(finding for proof, end in begun for finding in _findings(proof.role, end)))


def _processes() -> ProcessPoolExecutor:
    """Return a pool whose processes each run one task, forked from one that has pytest and testinfra in memory."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "yunwei.proofs.plugin"])
    return ProcessPoolExecutor(_AT_ONCE, mp_context=context, max_tasks_per_child=1)


def shares(proof: Proof, inventory: Path, systems: Sequence[str]) -> list[str]:
    """Return a proof's hosts, dealt out to as many pytest runs as go on at once; each share as testinfra takes it."""
    folder = inventory.parent if inventory.is_file() else inventory
    hosts = [host.name for host in read_inventory(folder).hosts.values() if proof.group in (host.name, *host.groups)]
    if proof.sources_only:
        known = policy.load(inventory)
        sources = {item.host for system in systems for item in known.system(system).items()}
        hosts = [name for name in hosts if name in sources]
    dealt = [hosts[number::_AT_ONCE] for number in range(min(_AT_ONCE, len(hosts)))]
    return [",".join(f"ansible://{name}" for name in share) for share in dealt]


class _Starter:
    """Starts a role's proofs on some of its hosts and returns how they will end: what was found, or why nothing was."""

    def __init__(self, pool: ProcessPoolExecutor, folder: Path, inventory: Path, settings: Mapping[str, str]) -> None:
        self._pool, self._folder, self._inventory, self._settings = pool, folder, inventory_source(inventory), settings
        self._hosts = subprocess.run(
            ["ansible-inventory", "--list", "-i", str(self._inventory)],
            env=dict(settings),
            capture_output=True,
            text=True,
            check=False,
        )

    def __call__(self, proof: Proof, hosts: str) -> Future[Result] | str:
        test_file = content_root() / "roles" / proof.role / "verify" / f"test_{proof.role}.py"
        if not test_file.is_file():
            return f"{test_file} is missing"
        if not hosts:
            return f"there is no host in group {proof.group} to look at"
        if self._hosts.returncode:
            return f"ansible-inventory could not read {self._inventory}: {self._hosts.stderr.strip()[-600:]}"
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        arguments = self._arguments(test_file, hosts)
        return self._pool.submit(run, Task(arguments, self._settings, folder, self._inventory, self._hosts.stdout))

    def _arguments(self, test_file: Path, hosts: str) -> list[str]:
        return [
            *(str(test_file), "-q", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={content_root()}"),
            *(f"--hosts={hosts}", f"--ansible-inventory={self._inventory}"),
        ]


def _environment(inventory: Path, systems: Sequence[str], as_of: datetime) -> dict[str, str]:
    return {
        **os.environ,
        **environment(),
        "YUNWEI_INVENTORY": str(inventory),
        "YUNWEI_SYSTEMS": ",".join(systems),
        "YUNWEI_AS_OF": as_of.isoformat(),
    }


def _findings(role: str, end: Future[Result] | str) -> list[Finding]:
    if isinstance(end, str):
        return [Finding(role, "", COULD_NOT_JUDGE, end)]
    try:
        result = end.result()
    except BrokenExecutor as error:
        return [Finding(role, "", COULD_NOT_JUDGE, f"the process of the proofs died: {error}")]
    if not result.entries:
        return [Finding(role, "", COULD_NOT_JUDGE, f"no proof ran: {result.output.strip()[-600:]}")]
    return [Finding(role, entry["test"], entry["verdict"], entry["reason"]) for entry in result.entries]
