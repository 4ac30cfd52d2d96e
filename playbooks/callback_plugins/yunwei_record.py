"""Record every run in the evidence ledger. No record, no run: what cannot be recorded does not start.

This folder is where ansible-playbook, AWX and ansible-runner alike find a callback: beside the playbook. Glue: the
session is in `yunwei.session`, what is kept of a result in `yunwei.recorder`.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible import context
from ansible.executor import task_result
from ansible.plugins.callback import CallbackBase
from ansible.release import __version__ as ansible_version
from ansible.utils.display import Display

from yunwei import session
from yunwei.errors import YunweiError
from yunwei.recorder import Answer, Verdict

DOCUMENTATION = """
name: yunwei_record
type: notification
short_description: Record every run in yunwei's evidence ledger
description:
  - Opens the record and logs in to Vault before the first play, closes and signs it after the last.
  - Of results it keeps host, task, status and the key C(yunwei).
"""

_display = Display()


class CallbackModule(CallbackBase):
    """The recorder, one for each ansible-playbook process."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "yunwei_record"
    CALLBACK_NEEDS_ENABLED = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _keep_summaries_of_hidden_results()
        atexit.register(self._abandon)

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Open the session, or end the process: nothing was started on any host."""
        self._abandon()  # an earlier playbook of the same command that ended without statistics
        if _is_unrecorded(playbook):
            return
        try:
            session.open_session(_intent(playbook))
        except YunweiError as error:
            _display.display(f"REFUSED: {error}", color=C.COLOR_ERROR)
            sys.exit(error.exit_code)
        _end_as_interrupted_on_termination()

    def v2_runner_on_ok(self, result: Any) -> None:
        """Keep what a task said; remember what the gate permitted."""
        found = session.current()
        permit = result._result.get("permit") if _action(result) == "yunwei_gate" else None
        if found and isinstance(permit, dict):
            found.permits.append(permit)
        self._keep(result, "changed" if result._result.get("changed") else "ok")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Keep a failure."""
        self._keep(result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Keep a host that could not be reached."""
        self._keep(result, "unreachable")

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Keep a task that was not needed."""
        self._keep(result, "skipped")

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Keep what one turn of a loop said."""
        self._keep_item(result, "changed" if result._result.get("changed") else "ok")

    def v2_runner_item_on_failed(self, result: Any) -> None:
        """Keep the failure of one turn of a loop."""
        self._keep_item(result, "failed")

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Record the end, sign it, give locks and token back."""
        found = session.current()
        if found is None:
            return
        found.recorder.hosts = {host: stats.summarize(host) for host in sorted(stats.processed)}
        verdict = found.verdict()
        self._close(verdict)
        if verdict.exit_code and not (stats.failures or stats.dark):  # Ansible's own exit code knows of these alone
            _display.display(f"{verdict.status.upper()}: {verdict.reason}", color=C.COLOR_ERROR)
            sys.exit(verdict.exit_code)

    def _keep(self, result: Any, status: str, *, turn: bool = False) -> None:
        found = session.current()
        if found:
            loop = not turn and bool(result._task.loop or result._task.loop_with)
            summary = result._result.get("yunwei")
            host, task = result._host.get_name(), result.task_name
            found.recorder.add(host, task, status, summary, loop=loop)
            if isinstance(summary, dict):
                found.recorder.answers.append(Answer(_action(result), host, status, summary))
            forged = found.recorder.compare_lock(host, task, summary, found.permits)
            if forged:
                _display.display(f"NOT PERMITTED: {forged}", color=C.COLOR_ERROR)

    def _keep_item(self, result: Any, status: str) -> None:
        """Keep a turn of a loop if it failed or has a summary; the loop as a whole is kept in any case."""
        if status == "failed" or result._result.get("yunwei") is not None:
            self._keep(result, status, turn=True)

    def _close(self, verdict: Verdict) -> None:
        found = session.current()
        if found is None or found.process != os.getpid():
            return
        try:
            for warning in found.close(verdict):
                _display.warning(warning)
        except YunweiError as error:
            _display.display(f"NOT RECORDED: {error}", color=C.COLOR_ERROR)
            sys.exit(error.exit_code)

    def _abandon(self) -> None:
        found = session.current()
        acted = "hosts may have gone on with their step" if found and found.permits else "no job acted on any host yet"
        with contextlib.suppress(SystemExit):
            self._close(Verdict("interrupted", 1, f"the run was interrupted; {acted}"))


def _intent(playbook: Any) -> session.Intent:
    name = str(playbook._file_name)
    sources = context.CLIARGS.get("inventory") or C.DEFAULT_HOST_LIST
    return session.Intent(
        run_id=session.new_run_id(),
        job=Path(name).stem.replace("_", "-"),
        playbook=name,
        inventory=tuple(Path(source).absolute() for source in sources if Path(source).exists()),
        check=bool(context.CLIARGS.get("check")),
        limit=context.CLIARGS.get("subset"),
        versions={"ansible_core": ansible_version},
    )


def _is_unrecorded(playbook: Any) -> bool:
    """Return whether the first play says that it runs before there is a Vault; a gate refuses in such a play."""
    plays = playbook.get_plays()
    return bool(plays and plays[0].vars.get("yunwei_unrecorded") is True)


def _action(result: Any) -> str:
    return str(result._task.action).rpartition(".")[2]


def _keep_summaries_of_hidden_results() -> None:
    """Let the key `yunwei` through where no_log hides a result: it is made to be public, and it is the evidence."""
    kept = task_result._PRESERVE
    if "yunwei" not in kept:
        task_result._PRESERVE = type(kept)([*kept, "yunwei"])


def _end_as_interrupted_on_termination() -> None:
    """Let SIGTERM and SIGHUP end the run as Ctrl-C does; workers, which inherit this, just end."""
    process = os.getpid()

    def end(number: int, _frame: Any) -> None:
        signal.signal(number, signal.SIG_DFL)
        if os.getpid() != process:
            os.kill(os.getpid(), number)
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
