"""The walk through a plan, for any engine: makes way for others, begins nothing that has no time left, tells all."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import time

from .faults import PostponedError, SessionError, SqlError
from .planner import ANALYZE, FREEZE, LEAVE, REBUILD, REMOVE, VACUUM

WOULD = "would "
DONE = {REMOVE: "removed", FREEZE: "frozen", VACUUM: "vacuumed", ANALYZE: "analyzed", REBUILD: "rebuilt"}
POSTPONED, LEFT, FAILED = "postponed", "left", "failed"
# Between the stop of the last statement and the end of the window: what is half built is taken away in it.
GRACE_SECONDS = 30


class Clock:
    """Seconds that only go forward, whatever is done to the host's clock."""

    def now(self):
        """Return seconds since some moment."""
        return os.times()[4]

    def sleep(self, seconds):
        """Wait."""
        time.sleep(seconds)


class Deadline:
    """The end of the window, `seconds` from now by `clock`."""

    def __init__(self, clock, seconds):
        """Begin to count."""
        self._clock = clock
        self._end = clock.now() + seconds - GRACE_SECONDS

    def left(self):
        """Return the seconds that a statement may still take, negative where there are none."""
        return self._end - self._clock.now()


class Upkeep:
    """Carries steps out by an engine's `hands`, one after the other.

    Args:
        hands: `carry_out(step, seconds)` does a step within so many seconds and returns what came of it, a dict that
            may name another "status" than that of a step done; raises PostponedError, SqlError, SessionError.
            `load()` returns {"active", "lag_bytes", "hidden"}: sessions at work, bytes that the worst standby is
            behind, sessions of which nothing is seen.
        limits: the limits of policy (`MaintenanceLimits`).
        deadline, clock: when to end.
    """

    def __init__(self, hands, limits, deadline, clock):
        """Prepare."""
        self._hands = hands
        self._limits = limits
        self._deadline = deadline
        self._clock = clock
        self._stopped = None

    def run(self, steps):
        """Return a row for each step, in their order; see `row`."""
        return [self._row(step) for step in steps]

    def _row(self, step):
        if step["do"] == LEAVE:
            return row(step, LEFT)
        self._stopped = self._stopped or self.why_not_now()
        if self._stopped:
            return row(step, POSTPONED, self._stopped)
        try:
            came_of_it = self._hands.carry_out(step, self.seconds())
        except PostponedError as error:
            return row(step, POSTPONED, error.message)
        except SqlError as error:
            return row(step, FAILED, "%s (%s)" % (error.message, error.code))
        except SessionError as error:
            self._stopped = "the connection was lost"
            return row(step, FAILED, error.message)
        return dict(row(step, DONE[step["do"]]), **came_of_it)

    def why_not_now(self):
        """Wait for a calm moment and return None, or why nothing more may begin."""
        return self._no_time() or self._too_busy()

    def seconds(self):
        """Return how long a statement may take that begins now."""
        return min(self._limits["statement_seconds"], self._deadline.left())

    def _no_time(self):
        if self._deadline.left() >= self._limits["least_seconds"]:
            return None
        return "less than %d seconds of the window are left" % self._limits["least_seconds"]

    def _too_busy(self):
        """Wait for a calm moment; return why there was none."""
        until = self._clock.now() + self._limits["longest_pause_seconds"]
        while True:
            try:
                busy = self._busy()
            except (SqlError, SessionError) as error:
                return "the load cannot be seen: %s" % error.message
            if not busy or self._clock.now() >= until or self._no_time():
                return busy
            self._clock.sleep(self._limits["pause_seconds"])

    def _busy(self):
        load, limits = self._hands.load(), self._limits
        if load["hidden"]:
            return "what %d sessions do is hidden: grant the role pg_read_all_stats (pg_monitor)" % load["hidden"]
        if load["active"] > limits["active_sessions"]:
            return "%d sessions are at work, %d are allowed" % (load["active"], limits["active_sessions"])
        if load["lag_bytes"] is None:
            return "how far a standby is behind cannot be seen: grant the role pg_monitor"
        if load["lag_bytes"] > limits["replication_lag_bytes"]:
            return "a standby is %d bytes behind, %d are allowed" % (load["lag_bytes"], limits["replication_lag_bytes"])
        return None


def planned(steps):
    """Return the rows of a plan."""
    return [row(step, LEFT if step["do"] == LEAVE else WOULD + step["do"]) for step in steps]


def row(step, status, reason=None):
    """Return the row of a step for people and for the record."""
    kind = "index" if step["kind"] == "i" else "table"
    said = step["why"] if reason is None else "%s; %s" % (step["why"], reason)
    found = {"item": "%s %s" % (kind, step["target"]), "status": status, "reason": said, "before": step["before"]}
    if step["lock"]:
        found.update(lock=step["lock"], space=step["space"])
    if step.get("bytes") is not None:
        found["bytes"] = step["bytes"]
    return found
