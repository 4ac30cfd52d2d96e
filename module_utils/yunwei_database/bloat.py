"""How much of a B-tree index is waste: measured where it can be, remembered from a rebuild, or else estimated."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

# https://www.postgresql.org/docs/current/storage-page-layout.html: header and special space of a B-tree page, a line
# pointer and a tuple's header, and the alignment of tuples.
_PAGE_OVERHEAD, _POINTER, _HEADER, _ALIGNMENT = 40, 4, 8, 8
_MEASURED_FULL = 90.0


def estimate(tuples, width, nulls, fill_percent, block_bytes):
    """Return the bytes that a B-tree of `tuples` entries would take when it was just built.

    It knows nothing of equal keys that share an entry (version 13 and later), so it is too high for them: such an index
    is called bloated later than it could be, never earlier.

    Args:
        tuples: entries.
        width: bytes of the average key.
        nulls: the largest share of null among its columns.
        fill_percent: how full pages are made.
        block_bytes: bytes of a page.
    """
    header = _HEADER + (_ALIGNMENT if nulls else 0)
    entry = _POINTER + _aligned(header + width)
    per_page = max(1, int((block_bytes - _PAGE_OVERHEAD) * fill_percent / 100.0 / entry))
    leaves = -(-int(tuples) // per_page)
    inner = -(-leaves // per_page) if leaves > 1 else 0
    return (leaves + inner + 1) * block_bytes


def remembered(tuples, bytes_then, tuples_then):
    """Return the bytes that the index would take if each entry took what it took after its last rebuild."""
    return int(bytes_then * float(max(1, tuples)) / max(1, tuples_then))


def measured(index, block_bytes):
    """Return the bytes that the index would take, from what pgstatindex measured of it.

    Args:
        index: {"bytes", "density": percent of the leaves' room that entries take, None in an empty index; "leaves",
            "empty", "deleted": pages}.
        block_bytes: bytes of a page.
    """
    used = index["leaves"] * min(1.0, (index["density"] or 0.0) / _MEASURED_FULL)
    waste = (index["leaves"] - used + index["empty"] + index["deleted"]) * block_bytes
    return int(index["bytes"] - waste)


def waste_percent(bytes_now, bytes_wanted):
    """Return how much of the size is waste, 0 to 100."""
    if not bytes_now:
        return 0
    return max(0, int(100.0 * (bytes_now - bytes_wanted) / bytes_now))


def _aligned(length):
    return -(-int(length + 0.999) // _ALIGNMENT) * _ALIGNMENT
