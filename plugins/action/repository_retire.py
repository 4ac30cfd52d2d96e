"""Call module `repository_retire` for a permit of this run only."""

from __future__ import annotations

from yunwei.ansible_results import PermittedAction


class ActionModule(PermittedAction):
    """The module behind its permit."""

    UNRECORDED_JOBS = frozenset({"retire-at-miyun"})
