"""Approvals: a second person's signature over one plan, for its job, systems and hosts, until it expires.

The signature is made by an SSH key that policy lists, in a namespace of its own: a signature made for anything else
does not count. An approval is for one run; another may have it only where that one was refused or interrupted.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from yunwei import ssh_signature
from yunwei.errors import RefusedError, UsageError, VaultError
from yunwei.ledger.chain import canonical
from yunwei.plans import Plan, read_json, write_private
from yunwei.policy import Policy
from yunwei.policy.approvals import Approver
from yunwei.session import Session

NAMESPACE = "yunwei-approval"
FORMAT = 1
_LARGEST = 1 << 20
_CLOCKS_DIFFER = timedelta(minutes=10)


@dataclass(frozen=True)
class Approval:
    """What was signed. Times are UTC in ISO 8601; `emergency` is the reason to pass the calendar, empty for none."""

    id: str
    approver: str
    plan: str
    job: str
    systems: list[str]
    hosts: list[str]
    made: str
    expires: str
    emergency: str = ""
    format: int = FORMAT

    @property
    def text(self) -> str:
        """Return what the signature is over."""
        return canonical(asdict(self))

    @property
    def beginning(self) -> datetime:
        """Return the moment at which it was made."""
        return datetime.fromisoformat(self.made)

    @property
    def expiry(self) -> datetime:
        """Return the moment at which it ends."""
        return datetime.fromisoformat(self.expires)


def default_path(plan: Path) -> Path:
    """Return where the approval of a plan lies: beside it."""
    return plan.with_name(f"{plan.name}.approval")


@dataclass(frozen=True)
class Signing:
    """How somebody approves: by which name of policy, with which private SSH key (or public one of an agent's).

    `hours` is how long it is valid, `emergency` why the calendar is passed, empty where it is not.
    """

    name: str
    key: Path
    hours: int
    emergency: str = ""


def approve(policy: Policy, plan: Plan, signing: Signing) -> tuple[Approval, str]:
    """Return an approval of the plan, and its signature.

    Raises:
        RefusedError: this approver may not approve this plan.
        UsageError: a name that is not in policy, too many hours, or a key that is not the approver's.
    """
    approver = _approver(policy, signing.name)
    _demand_entitled(approver, plan, plan.requested_by)
    longest = _longest_hours(policy)
    if not 1 <= signing.hours <= longest:
        raise UsageError(f"--hours {signing.hours}: 1 to {longest} are allowed (approvals.longest_hours in estate.yml)")
    now = datetime.now(UTC).replace(microsecond=0)
    made = Approval(
        id=secrets.token_hex(8),
        approver=signing.name,
        plan=plan.sha256,
        job=plan.job,
        systems=list(plan.systems),
        hosts=sorted(plan.hosts),
        made=now.isoformat(),
        expires=(now + timedelta(hours=signing.hours)).isoformat(),
        emergency=signing.emergency,
    )
    signature = ssh_signature.sign(made.text, NAMESPACE, signing.key)
    if not ssh_signature.is_signed(made.text, signature, NAMESPACE, approver.name, approver.public_key):
        raise UsageError(f"{signing.key} is not the key that policy has for {approver.name}: sign with that one")
    return made, signature


def write_approval(approval: Approval, signature: str, path: Path) -> None:
    """Write an approval beside its plan.

    Raises `UsageError` where the path cannot be written.
    """
    write_private(json.dumps({"approval": approval.text, "signature": signature}, indent=1) + "\n", path)


def demand_approval(session: Session, plan: Plan, path: Path, now: datetime, marked: Sequence[str]) -> Approval:
    """Return the approval of a plan.

    Args:
        session: the run that wants to act.
        plan: what it would do.
        path: where the approval is.
        now: the controller's clock.
        marked: systems that want it; hosts of the plan may serve more than the plan's own.

    Raises `RefusedError` unless it is signed for exactly this plan, is valid now, and was made by somebody else than
    who made the plan and who runs it.
    """
    if not path.exists():
        raise RefusedError(
            f"{plan.job} on {', '.join(plan.systems)} needs an approval by a second person, and there is no {path}. "
            f"Have plan {plan.sha256[:16]}… approved: yunwei approve FILE --as NAME --key KEY"
        )
    approval, text, signature = _read(path)
    approver = _signer(session.policy, path, approval, text, signature)
    if not _is_about(approval, plan):
        raise RefusedError(
            f"{path} approves plan {approval.plan[:16]}… of {approval.job}, and this is plan {plan.sha256[:16]}… of "
            f"{plan.job}: have this one approved"
        )
    _demand_valid(session.policy, path, approval, now)
    _demand_entitled(approver, plan, plan.requested_by, session.vault.identity)
    _demand_may_approve(approver, marked)
    return approval


def spend(session: Session, approval: Approval, systems: Sequence[str]) -> None:
    """Note in Vault that this run uses the approval.

    Raises `RefusedError` where another run has it, unless the ledger knows that one as refused or interrupted.
    """
    for system in systems:
        path = f"approvals/{system}/{approval.id}"
        found = session.vault.cas_read(path)
        user = str((found.data or {}).get("run_id") or "")
        if user == session.run_id:
            continue
        if user and not _is_over_unused(session, user):
            raise RefusedError(
                f"approval {approval.id} was used by run {user}, and one approval is for one run: make a new plan and "
                f"have it approved"
            )
        note = {"run_id": session.run_id, "who": session.vault.identity, "plan": approval.plan, "by": approval.approver}
        if session.vault.cas_write(path, note, found.version) is None:
            raise VaultError(f"somebody else is using approval {approval.id} at this moment: look, then start again")


def _is_over_unused(session: Session, run_id: str) -> bool:
    """Tell whether a run ended before its end: what it did do, the plan's digests show."""
    record = session.ledger.find_run(run_id)
    return record is not None and record["status"] in ("refused", "interrupted")


def _approver(policy: Policy, name: str) -> Approver:
    approvals = policy.estate.approvals
    found = approvals.approver(name) if approvals else None
    if found is None:
        known = ", ".join(one.name for one in approvals.approvers) if approvals else "nobody"
        raise UsageError(f"{name!r} is no approver; policy (approvals in estate.yml) has: {known}")
    return found


def _demand_entitled(approver: Approver, plan: Plan, *askers: str) -> None:
    """Refuse an approver who is one of those who ask, or who may not approve work on one of the systems."""
    own = sorted(set(askers) & set(approver.identities))
    if own:
        raise RefusedError(
            f"{approver.name} is {own[0]}, who made or runs this plan of {plan.job}: nobody approves what is their "
            f"own. Ask another approver"
        )
    _demand_may_approve(approver, plan.systems)


def _demand_may_approve(approver: Approver, systems: Sequence[str]) -> None:
    foreign = [system for system in systems if not approver.may_approve(system)]
    if foreign:
        raise RefusedError(f"{approver.name} may not approve work on {', '.join(foreign)}: ask another approver")


def _read(path: Path) -> tuple[Approval, str, str]:
    """Return the approval in a file, the text that was signed, and the signature over it."""
    found = read_json(path, "approval", _LARGEST)
    text, signature = str(found.get("approval")), str(found.get("signature"))
    try:
        approval = Approval(**json.loads(text))
        zoned = approval.expiry.tzinfo and approval.beginning.tzinfo
    except (TypeError, ValueError) as error:
        raise UsageError(f"{path} is no approval: {error}. Make one with yunwei approve FILE") from error
    if not zoned or approval.text != text or approval.format != FORMAT:
        raise UsageError(f"{path} is no approval of format {FORMAT}. Make one with yunwei approve FILE")
    return approval, text, signature


def _signer(policy: Policy, path: Path, approval: Approval, text: str, signature: str) -> Approver:
    """Return who signed, by the key that policy has for them."""
    try:
        approver = _approver(policy, approval.approver)
    except UsageError as error:
        raise RefusedError(f"{path}: {error}") from error
    if not ssh_signature.is_signed(text, signature, NAMESPACE, approver.name, approver.public_key):
        raise RefusedError(
            f"{path} is not signed by the key that policy has for {approver.name}: it was changed or forged. "
            f"Have the plan approved anew"
        )
    return approver


def _is_about(approval: Approval, plan: Plan) -> bool:
    about = (approval.plan, approval.job, approval.systems, approval.hosts)
    return about == (plan.sha256, plan.job, plan.systems, sorted(plan.hosts))


def _demand_valid(policy: Policy, path: Path, approval: Approval, now: datetime) -> None:
    if now >= approval.expiry:
        raise RefusedError(f"{path} expired at {approval.expires}: make a new plan and have it approved")
    hours = _longest_hours(policy)
    if approval.beginning > now + _CLOCKS_DIFFER or approval.expiry - approval.beginning > timedelta(hours=hours):
        raise RefusedError(
            f"{path} is valid from {approval.made} until {approval.expires}; allowed are {hours} hours, begun by now: "
            f"have the plan approved anew"
        )


def _longest_hours(policy: Policy) -> int:
    return policy.estate.approvals.longest_hours if policy.estate.approvals else 0
