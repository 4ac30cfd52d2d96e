"""The faults that backup modules report: one tree, turned into a module failure in `library/` alone."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type


class FaultError(Exception):
    """Something a person must read: what was found, what is allowed, what to do next."""


class RefusedByPolicyError(FaultError):
    """Policy forbids it now; `why` is one word for programs: `locked`, `permission`, `repository locked`."""

    def __init__(self, why, message):
        """Keep the word for programs beside the text for people."""
        FaultError.__init__(self, message)
        self.why = why


class ProgramFailedError(FaultError):
    """A program ended badly; the message carries the end of what it said."""


class RepositoryAbsentError(FaultError):
    """There is no repository at the place."""


class RepositoryPasswordError(FaultError):
    """The password opens none of the repository's keys."""


class RepositoryUnreachableError(FaultError):
    """The other site does not answer, or the connection was cut."""


class RefusedBySiteError(FaultError):
    """The other site's gate does not allow it: over the quota, or not an appender's to ask."""


class NotAcceptedError(FaultError):
    """What was pulled is no backup; everything of it is given back."""
