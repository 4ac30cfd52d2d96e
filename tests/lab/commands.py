"""One command of every job, all for one system of the lab."""

from __future__ import annotations

from pathlib import Path

SYSTEM = "legalservice"
RESCUED = "/srv/rescued"  # on legacy1; recover-system puts files there
WORDS = {
    "prepare-hosts": ("run", "prepare-hosts"),
    "back-up": ("run", "back-up", "--now", "--system", SYSTEM),
    "clean-logs": ("run", "clean-logs", "--system", SYSTEM),
    "fetch-logs": (
        *("logs", "fetch", "--host", "legacy1", "--path", "/", "--from", "2020-01-01", "--to", "2099-12-31"),
        *("--system", SYSTEM, "--into"),
    ),
    "maintain-databases": ("run", "maintain-databases", "--system", SYSTEM),
    "purge-history": ("db", "purge", "--system", SYSTEM),
    "inspect-databases": ("db", "inspect", "--system", SYSTEM),
    "harden-servers": ("run", "harden-servers", "--system", SYSTEM),
    "undo": ("run", "undo", "--change", "r-never-made", "--system", SYSTEM),
    "restart-servers": ("run", "restart-servers", "--system", SYSTEM),
    "set-timers": ("run", "set-timers", "--system", SYSTEM),
    "sync-to-miyun": ("run", "sync-to-miyun", "--system", SYSTEM),
    "retire-backups": ("run", "retire-backups", "--system", SYSTEM),
    "list-backups": ("backups", "list", "--system", SYSTEM),
    "list-locks": ("locks", "list", "--hosts", "--system", SYSTEM),
    "list-heads": ("evidence", "witness", "-o"),
    "verify-backups": ("backups", "verify", "--system", SYSTEM, "--part", "1/2"),
    "drill-restore": ("drill", "--system", SYSTEM),
    "recover-system": (
        *("recover", "--system", SYSTEM, "--to", "legacy1"),
        *("--files", "/srv/portal/data/*", "--into", RESCUED),
    ),
}


def words_of(job: str, heads: Path) -> tuple[str, ...]:
    """Return what follows `yunwei` for a job; `heads` is the file that list-heads writes; logs come beside it."""
    last = {"list-heads": heads, "fetch-logs": heads.with_name(f"{heads.name}-logs")}
    return (*WORDS[job], str(last[job])) if job in last else WORDS[job]


def ends_well(job: str, exit_code: int) -> bool:
    """Tell whether a job did what it was started for: so did an inspection with findings and a search without."""
    return exit_code in ((0, 1) if job in ("inspect-databases", "fetch-logs") else (0,))
