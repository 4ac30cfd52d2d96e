"""Which part of a repository is read next: what was read longest ago, so a missed turn delays no more than itself."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

from .faults import FaultError
from .frames import clean_text

_ALL = "all"
_PARTS = re.compile(r"\A(?:all|next/[1-9][0-9]{0,2}|[1-9][0-9]{0,2}/[1-9][0-9]{0,2})\Z")
_MOST = 256  # a pack's part is told by the first byte of its name


def demand_part(part):
    """Raise FaultError unless `part` is `n/t`, `next/t` or `all`."""
    number, _, total = part.partition("/")
    if _PARTS.match(part) and (part == _ALL or _is_part(number, int(total))):
        return
    said = "part %s is not known; allowed are n/t, such as 1/12 (t at most %d), next/t and all"
    raise FaultError(said % (clean_text(part), _MOST))


def _is_part(number, total):
    return total <= _MOST and (number == "next" or int(number) <= total)


def choose_part(part, reads):
    """Return `n/t` for `next/t`: the part of t that was read longest ago, first those that never were; else `part`.

    Args:
        part: what `demand_part` allows.
        reads: {"n/t" or "all": when it was last read} as `RecordStore.reads` returns it.
    """
    number, _, total = part.partition("/")
    if number != "next":
        return part
    parts = ["%d/%s" % (one, total) for one in range(1, int(total) + 1)]
    return min(parts, key=lambda one: max(reads.get(one, ""), reads.get(_ALL, "")))
