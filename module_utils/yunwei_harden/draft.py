"""A change before it is made: files with their text of before and after, modes, kernel settings, services."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import difflib
import hashlib
import json


class Draft:
    """Collects what a change would do; settings of one file are edited on top of each other."""

    def __init__(self, host):
        """Begin with nothing to do on `host`."""
        self.host = host
        self.before = {}
        self.after = {}
        self.modes = {}
        self.kernel = {}
        self.services = []

    def text(self, name):
        """Return a file's text as the change leaves it so far; "" where there is no file."""
        if name not in self.after:
            self.before[name] = self.host.read(name)
            self.after[name] = self.before[name] or ""
        return self.after[name]

    def write(self, name, text):
        """Let a file have a text."""
        self.text(name)
        self.after[name] = text

    def files(self):
        """Return the names of the files whose text changes, in order."""
        return sorted(name for name in self.after if self.after[name] != (self.before[name] or ""))

    def is_empty(self):
        """Tell whether there is nothing to do."""
        return not (self.files() or self.modes or self.kernel or self.services)

    def digest(self):
        """Return the SHA-256 of what would be done: the same as long as what it would be done to is as it was."""
        files = dict((name, [self.before[name], self.after[name]]) for name in self.files())
        # Not which inode: a file that was written anew by its own program has the same mode to lose.
        modes = dict((path, [self.modes[path]["before"], self.modes[path]["after"]]) for path in self.modes)
        text = json.dumps([files, modes, self.kernel, self.services], sort_keys=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    def differences(self):
        """Return {name: unified diff} of every file."""
        return dict((name, self._difference(name)) for name in self.files())

    def _difference(self, name):
        before = (self.before[name] or "").splitlines()
        # Without the lines around: what a file says elsewhere is nobody's business in a report.
        lines = difflib.unified_diff(before, self.after[name].splitlines(), name, name, lineterm="", n=0)
        return "\n".join(lines)
