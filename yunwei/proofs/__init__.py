"""Runs the roles' testinfra proofs and says what they found."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from yunwei.work import Chosen

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


def prove(
    job: Job, inventory: Path, systems: Sequence[str], as_of: datetime | None = None, chosen: Chosen | None = None
) -> ProofResult:
    """Run every proof of a job against the inventory's hosts, over the same SSH settings as the job.

    `as_of` is the aware time at which the job began, by default now: what has fallen due since is not asked for.
    `chosen` are the hosts, and the rules of hardening on them, that the job was for, where it was not for all.
    """
    settings = _environment(inventory, systems, as_of or datetime.now(UTC))
    todo = [(proof, share) for proof in job.proofs for share in shares(proof, inventory, systems, chosen) or [""]]
    with tempfile.TemporaryDirectory(prefix="yunwei-proof-") as folder, ThreadPoolExecutor(_AT_ONCE) as threads:
        if chosen is not None:
            settings["YUNWEI_CHOSEN"] = str(Path(folder, "chosen.json"))
            Path(settings["YUNWEI_CHOSEN"]).write_text(json.dumps(chosen), encoding="utf-8")
        prover = _Prover(Path(folder), inventory_source(inventory), settings)
        found = threads.map(lambda task: prover.prove(*task), todo)
        return ProofResult(tuple(finding for findings in found for finding in findings))


def shares(proof: Proof, inventory: Path, systems: Sequence[str], chosen: Chosen | None = None) -> list[str]:
    """Return a proof's hosts, dealt out to as many pytest runs as go on at once; each share as testinfra takes it."""
    folder = inventory.parent if inventory.is_file() else inventory
    hosts = [host.name for host in read_inventory(folder).hosts.values() if proof.group in (host.name, *host.groups)]
    if proof.sources_only:
        known = policy.load(inventory)
        sources = {item.host for system in systems for item in known.system(system).items()}
        hosts = [name for name in hosts if name in sources]
    hosts = [name for name in hosts if chosen is None or name in chosen]
    dealt = [hosts[number::_AT_ONCE] for number in range(min(_AT_ONCE, len(hosts)))]
    return [",".join(f"ansible://{name}" for name in share) for share in dealt]


class _Prover:
    """Runs a role's proofs on some of its hosts, in a process forked from one that has read pytest and testinfra in."""

    def __init__(self, folder: Path, inventory: Path, settings: Mapping[str, str]) -> None:
        self._folder, self._inventory, self._settings = folder, inventory, settings
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["__main__", "yunwei.proofs.plugin"])
        self._hosts = subprocess.run(
            ["ansible-inventory", "--list", "-i", str(inventory)],
            env=dict(settings),
            stdin=subprocess.DEVNULL,  # Ansible refuses a standard input that somebody has set to not block
            capture_output=True,
            text=True,
            check=False,
        )

    def prove(self, proof: Proof, hosts: str) -> list[Finding]:
        """Return what the proofs found; `hosts` is as testinfra takes it."""
        test_file = content_root() / "roles" / proof.role / "verify" / f"test_{proof.role}.py"
        if not test_file.is_file():
            return [Finding(proof.role, "", COULD_NOT_JUDGE, f"{test_file} is missing")]
        if not hosts:
            return [Finding(proof.role, "", COULD_NOT_JUDGE, f"there is no host in group {proof.group} to look at")]
        if self._hosts.returncode:
            reason = f"ansible-inventory could not read {self._inventory}: {self._hosts.stderr.strip()[-600:]}"
            return [Finding(proof.role, "", COULD_NOT_JUDGE, reason)]
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        arguments = self._arguments(test_file, hosts)
        result = self._run(Task(arguments, self._settings, folder, self._inventory, self._hosts.stdout))
        if not result.entries:
            return [Finding(proof.role, "", COULD_NOT_JUDGE, f"no proof ran: {result.output.strip()[-600:]}")]
        return [Finding(proof.role, entry["test"], entry["verdict"], entry["reason"]) for entry in result.entries]

    def _run(self, task: Task) -> Result:
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=run, args=(task, theirs))
        process.start()
        theirs.close()
        try:
            result: Result = ours.recv()
        except EOFError:
            process.join()
            return Result([], f"the process of the proofs died: exit code {process.exitcode}")
        process.join()
        return result

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
