"""Who may approve the plans of others: the key `approvals` of `policy/estate.yml`, `needs_approval` of a system."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from pydantic import AfterValidator, Field

from yunwei.jobs import JobClass, all_jobs
from yunwei.policy.base import Model, RoleName, SystemId, refuse
from yunwei.policy.suggest import did_you_mean

_KEY = r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) [A-Za-z0-9+/=]+$"
_KEY_WORDS = "an OpenSSH public key without its comment: ssh-ed25519 AAAA…"
# Routine work is marked job by job: of most of it no plan can be kept.
_CLASSES = (JobClass.DISRUPTIVE.value,)


class Approver(Model):
    """A post that may approve, its signing key, and the Vault identities of whoever holds that key."""

    name: RoleName = Field(description="a post, never a person: lower-case letters, digits and hyphens")
    identities: list[Annotated[str, Field(pattern=r"^[a-z]+:[^\s:]+$")]] = Field(
        min_length=1, description="Vault identities of the key's holder, such as userpass:officer: may not be approved"
    )
    public_key: str = Field(pattern=_KEY, description=_KEY_WORDS)
    systems: list[SystemId] = Field(default=[], description="only these systems; all where empty")

    def may_approve(self, system: str) -> bool:
        """Tell whether plans for this system are theirs to approve."""
        return not self.systems or system in self.systems


def _each_once(approvers: list[Approver]) -> list[Approver]:
    for what in ("name", "public_key"):
        for value, count in Counter(getattr(one, what) for one in approvers).items():
            if count > 1:
                raise refuse(f"{what} {value[:40]} {count} times", f"each {what} once")
    return approvers


class Approvals(Model):
    """Whose signatures count, and for how long."""

    longest_hours: int = Field(default=72, ge=1, le=720, description="1 to 720 hours that an approval may be valid")
    approvers: Annotated[list[Approver], AfterValidator(_each_once)] = Field(
        min_length=1, description="name, identities, public_key, systems"
    )

    def approver(self, name: str) -> Approver | None:
        """Return the approver of this name, or None."""
        return next((one for one in self.approvers if one.name == name), None)


def _plannable(names: list[str]) -> list[str]:
    known = [*_CLASSES, *(job.name for job in all_jobs().values() if job.planned)]
    for name in names:
        if name not in known:
            allowed = f"{', '.join(known)}: only what has a plan can be approved"
            raise refuse(repr(name), allowed, did_you_mean(name, known))
    return names


NeedsApproval = Annotated[list[str], AfterValidator(_plannable)]
