"""Counts what was compared: how many were expected, how many are equal, and the first differences by name."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DIFFERENCES_SHOWN = 100


class Tally:
    """One kind of thing: tables, files, objects, sequences, roles or indexes."""

    def __init__(self):
        """Begin with nothing compared."""
        self.expected = 0
        self.equal = 0
        self.different = 0
        self.differences = []
        self.extra = {}

    def same(self):
        """Count one that was expected and is equal."""
        self.expected += 1
        self.equal += 1

    def differs(self, name, expected, found, was_expected=True):
        """Count one that is not as expected; `was_expected` is False for something that should not be there."""
        self.expected += 1 if was_expected else 0
        self.different += 1
        if len(self.differences) < DIFFERENCES_SHOWN:
            self.differences.append({"object": name, "expected": expected, "found": found})

    def compare(self, name, expected, found):
        """Count `found` (None: absent) against `expected`."""
        if expected == found:
            self.same()
        else:
            self.differs(name, expected, found)

    def add(self, key, amount):
        """Add `amount` to the sum `key` (rows, bytes)."""
        self.extra[key] = self.extra.get(key, 0) + amount

    def as_dict(self):
        """Return {"expected", "equal", "different", "differences"} and the sums."""
        told = {
            "expected": self.expected,
            "equal": self.equal,
            "different": self.different,
            "differences": self.differences,
        }
        told.update(self.extra)
        return told
