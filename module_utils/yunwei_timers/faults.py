"""The fault of a set of timers, turned into a module failure in `library/` alone."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type


class TimerError(Exception):
    """Something a person must read: what was found, what is allowed, what to do next."""
