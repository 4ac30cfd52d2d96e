"""What a module hands back: phases with their times, findings, and a verdict that is never better than the worst."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from .errors import FAILED, NOT_JUDGED, PASSED, REFUSED
from .workdir import Phases

# A bad backup stays bad whatever else could not be checked; not knowing outweighs every pass.
_WORST_FIRST = (FAILED, REFUSED, NOT_JUDGED, PASSED)


EXIT_CODES = {PASSED: 0, FAILED: 1, REFUSED: 3, NOT_JUDGED: 4}


class Report:
    """Collects the public summary of one module on one host; `facts` are further keys of it."""

    def __init__(self, work, host):
        """Begin the summary of `work` (the unit of work) on `host`."""
        self.phases = Phases()
        self.reasons = []
        self.facts = {}
        self._head = {
            "system": work["system"],
            "restore_id": work["restore_id"],
            "mode": work["mode"],
            "site": work["site"],
            "target": host,
        }

    def blame(self, error):
        """Keep a RestoreError as a reason; the same object and cause only once."""
        reason = error.as_reason()
        if reason not in self.reasons:
            self.reasons.append(reason)

    def verdict(self):
        """Return the worst verdict of all reasons, `passed` without any."""
        found = [reason["verdict"] for reason in self.reasons] + [PASSED]
        return [verdict for verdict in _WORST_FIRST if verdict in found][0]

    def summary(self):
        """Return the summary as plain data."""
        told = dict(self._head, verdict=self.verdict(), reasons=self.reasons, phases=self.phases.done)
        told.update(self.facts)
        if self.reasons:
            told.update(exit_code=EXIT_CODES[self.verdict()], reason=self.message())
        if self.verdict() == REFUSED:
            told["refused"] = self.message()
        return told

    def message(self):
        """Return one line for the person who reads the task's failure."""
        told = ["%(object)s: %(cause)s%(next)s" % dict(one, next=_next(one)) for one in self.reasons]
        return "%s: %s" % (self.verdict(), "; ".join(told)) if told else self.verdict()


def _next(reason):
    return " (next: %s)" % reason["next"] if reason["next"] else ""
