"""Policy, job and options turned into the unit of work of each system; shapes are in `shapes` and beside each."""

from yunwei.work.back_up import back_up_work, prepare_work, source_work
from yunwei.work.databases import inspect_databases_work, maintain_databases_work
from yunwei.work.hardening import Chosen, hardening_work, undo_work
from yunwei.work.history import history_work
from yunwei.work.log_fetch import log_fetch_work
from yunwei.work.logs import log_work
from yunwei.work.restarts import restart_work
from yunwei.work.restore import RestoreOptions, drill_work, recover_work
from yunwei.work.sites import retire_work, sync_work
from yunwei.work.timers import timers_work

__all__ = [
    "Chosen",
    "RestoreOptions",
    "back_up_work",
    "drill_work",
    "hardening_work",
    "history_work",
    "inspect_databases_work",
    "log_fetch_work",
    "log_work",
    "maintain_databases_work",
    "prepare_work",
    "recover_work",
    "restart_work",
    "retire_work",
    "source_work",
    "sync_work",
    "timers_work",
    "undo_work",
]
