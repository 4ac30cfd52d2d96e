"""What acts without a session of the first site: the second site's own retention, and nothing else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from yunwei.ansible_results import PermittedAction
from yunwei.errors import RefusedError


class Retire(PermittedAction):
    """The plugin before the module that retires backups."""

    UNRECORDED_JOBS = frozenset({"retire-at-miyun"})

    def __init__(self, **arguments: Any) -> None:
        self._task = SimpleNamespace(args=arguments)


def test_the_second_site_needs_no_session_of_the_first():
    Retire(permit={"job": "retire-at-miyun"}, work={"site": "miyun"})._demand_permit("miyun1")


@pytest.mark.parametrize(
    "arguments",
    [
        {"permit": {"job": "retire-at-miyun"}, "work": {"site": "local"}},
        {"permit": {"job": "retire-at-miyun"}, "work": {}},
        {"permit": {"job": "retire-at-miyun"}},
        {"permit": {"job": "retire-backups"}, "work": {"site": "miyun"}},
        {"work": {"site": "miyun"}},
    ],
)
def test_nothing_else_acts_without_one(arguments: dict[str, Any]):
    with pytest.raises(RefusedError, match="No record, no run"):
        Retire(**arguments)._demand_permit("backup1")
