"""Decides what a log rule takes: which names are its own, what is too young, what goes and why. Touches nothing."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import fnmatch
import re
import stat

from .loglist import ASIDE
from .logwalk import is_protected

DAY = 86400
CLOCK_TOLERANCE_SECONDS = 600


class Rule:
    """A rule of the policy (a `LogRuleWork`) that can be asked about names."""

    def __init__(self, work):
        """Compile the patterns."""
        self.work = work
        self.name = work["name"]
        self.path = work["path"].encode("utf-8")
        self._wanted = _compile(work["patterns"])
        self._excluded = _compile(work["exclude"])

    def takes(self, name):
        """Return whether a file of this name (bytes) belongs to the rule, also one that a dead run set aside."""
        if name.startswith(ASIDE):
            return True
        return bool(self._wanted.match(name)) and not (self._excluded and self._excluded.match(name))

    def holds(self, folder):
        """Return whether files in the folder (bytes, absolute) belong to the rule's place."""
        if folder == self.path:
            return True
        inside = folder.startswith(self.path + b"/") and self.work["below"]
        return inside and not [part for part in folder[len(self.path) :].split(b"/") if is_protected(part)]


def _compile(patterns):
    """Return one expression over bytes for glob patterns; None for none."""
    if not patterns:
        return None
    texts = [fnmatch.translate(pattern.encode("utf-8").decode("latin-1")) for pattern in patterns]
    return re.compile("|".join(["(?:%s)" % text for text in texts]).encode("latin-1"), re.DOTALL)


def why_not(status, place_device, now):
    """Return why an entry of a rule is never touched, or None."""
    if stat.S_ISLNK(status.st_mode):
        return "a symbolic link"
    if not stat.S_ISREG(status.st_mode):
        return "no regular file"
    if status.st_nlink != 1:
        return "has other names (hard links)"
    if status.st_dev != place_device:
        return "on another file system"
    if status.st_mtime > now + CLOCK_TOLERANCE_SECONDS:
        return "its time lies in the future"
    return None


class Disk:
    """The free space of one file system, as it will be once what was chosen is gone."""

    def __init__(self, total, free):
        """Take over both in bytes."""
        self.total = total
        self.free = free

    def short_of(self, rule):
        """Return why the rule wants more space, or None."""
        percent, amount = rule["until_free_percent"], rule["until_free_bytes"]
        if percent is not None and 100 * self.free < percent * self.total:
            return "%d %% of the disk are free, less than %d %%" % (100 * self.free // max(1, self.total), percent)
        if amount is not None and self.free < amount:
            return "%d bytes of the disk are free, less than %d" % (self.free, amount)
        return None


def choose(rule, candidates, total, disk, now):
    """Yield (candidate, why) for what goes under the rule, oldest first.

    Args:
        rule: a `LogRuleWork`.
        candidates: objects with "mtime", "size", "blocks" and "aside", oldest first, none younger than the floor.
        total: bytes of all files of the rule, also of those too young to go.
        disk: the `Disk` of the place.
        now: seconds since 1970.
    """
    for candidate in candidates:
        why = _why(rule, candidate, total, disk, now)
        if why:
            total -= candidate.size
            disk.free += 512 * candidate.blocks
            yield candidate, why


def _why(rule, candidate, total, disk, now):
    age = now - candidate.mtime
    if candidate.aside:
        return "left behind by a run that was killed"
    if rule["after_days"] is not None and age > rule["after_days"] * DAY:
        return "%d days old, older than %d" % (age // DAY, rule["after_days"])
    if rule["max_bytes"] is not None and total > rule["max_bytes"]:
        return "files of the rule take %d bytes, more than %d" % (total, rule["max_bytes"])
    return disk.short_of(rule)
