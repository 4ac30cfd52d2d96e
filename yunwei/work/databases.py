"""Work of jobs `inspect-databases` and `maintain-databases`: which databases of which hosts, within which limits."""

from __future__ import annotations

from datetime import datetime, timedelta

from yunwei.calendar import Calendar, check
from yunwei.calendar.answer import Answer
from yunwei.policy import Policy, System
from yunwei.policy.engines import ENGINES, no_driver
from yunwei.policy.system import Database
from yunwei.work.shapes import DatabaseInspectionWork, DatabaseMaintenanceWork, DatabaseWork
from yunwei.work.times import utc


def inspect_databases_work(policy: Policy, system_id: str) -> DatabaseInspectionWork:
    """Return what is looked at on the hosts of one system. Raises `UsageError` for an unknown system."""
    system = policy.system(system_id)
    limits = policy.estate.databases.inspection.model_dump()
    return {"system": system.id, "databases": databases_by_host(system), "limits": limits}


def maintain_databases_work(policy: Policy, system_id: str, now: datetime) -> DatabaseMaintenanceWork:
    """Return the databases of one system, the limits, and until when work may go on.

    A run stops by itself before its window closes, so it may begin in any window that has room for a step.
    Raises `UsageError` for an unknown system.
    """
    system = policy.system(system_id)
    rules = policy.estate.databases.maintenance
    until, closed = window(policy, system, now)
    return {
        "system": system.id,
        "databases": databases_by_host(system),
        "limits": {name: value for name, value in rules.model_dump().items() if name != "anytime"},
        "until": utc(until) if until else None,
        "closed": closed,
    }


def databases_by_host(system: System) -> dict[str, list[DatabaseWork]]:
    """Return the system's databases by host, in the order of policy."""
    found: dict[str, list[DatabaseWork]] = {}
    for database in system.databases:
        found.setdefault(database.host, []).append(database_work(database))
    return found


def database_work(database: Database) -> DatabaseWork:
    """Return how one database is reached by those who look after it."""
    engine = ENGINES[database.engine]
    login = database.login
    return {
        "item": f"database:{database.name}",
        "name": database.name,
        "engine": database.engine,
        "no_driver": no_driver(database.engine),
        "login": {
            "database": database.name,
            "port": database.port or engine.port,
            "os_user": (login and login.os_user) or database.os_user or engine.os_user,
            "role": login.role if login else None,
            "socket": login.socket if login else None,
        },
    }


def window(policy: Policy, system: System, now: datetime) -> tuple[datetime | None, str | None]:
    """Return until when work may go on, or why it may not begin: every host with a database must be open."""
    rules = policy.estate.databases.maintenance
    end = now + timedelta(seconds=rules.longest_seconds)
    if rules.anytime:
        return end, None
    calendar = Calendar(policy)
    for host in sorted({database.host for database in system.databases}):
        answer = check(calendar, calendar.scope(system.id, host), now, timedelta(seconds=rules.least_seconds))
        if not answer.may_begin or answer.opening is None:
            return None, _why_closed(calendar, system.id, answer)
        end = min(end, answer.opening.end)
    return end, None


def _why_closed(calendar: Calendar, system: str, answer: Answer) -> str:
    reasons = "; ".join(reason.text for reason in answer.reasons)
    when = f"The next opening begins {calendar.words(answer.opening.begin)}." if answer.opening else "None is in sight."
    return f"maintenance of the databases of {system} may not begin now: {reasons}. {when}"
