"""Call module `hardening_apply` for a permit of this run only."""

from __future__ import annotations

from yunwei.ansible_results import PermittedAction


class ActionModule(PermittedAction):
    """The module behind its permit."""
