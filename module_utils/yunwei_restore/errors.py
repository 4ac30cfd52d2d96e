"""What can end a restore, by what it says about the backup.

RestoreError           base: names the object, the cause and what to do next
+-- BadBackupError     the backup itself is bad: verdict `failed`
+-- NotJudgedError     something else was in the way: verdict `could not judge`
+-- RefusedError       policy or the state of the target forbids it: nothing was changed
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

PASSED = "passed"
FAILED = "failed"
NOT_JUDGED = "could not judge"
REFUSED = "refused"


class RestoreError(Exception):
    """Something that a person must read: which object, what was found, what to do next."""

    verdict = NOT_JUDGED

    def __init__(self, thing, cause, next_step=""):
        """Keep the object's name, the cause and the next step, all as one line of text each."""
        Exception.__init__(self, "%s: %s" % (thing, cause))
        self.thing = thing
        self.cause = cause
        self.next_step = next_step

    def as_reason(self):
        """Return {"object", "cause", "next", "verdict"} for the module's summary."""
        return {"object": self.thing, "cause": self.cause, "next": self.next_step, "verdict": self.verdict}


class BadBackupError(RestoreError):
    """The backup is bad; the only kind of failure that speaks about the backup."""

    verdict = FAILED


class NotJudgedError(RestoreError):
    """The backup could not be checked: a host, a tool, space or the network was in the way."""

    verdict = NOT_JUDGED


class RefusedError(RestoreError):
    """The target is not as it must be; nothing was changed on it."""

    verdict = REFUSED
