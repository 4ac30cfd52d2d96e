"""How much of a B-tree index is waste: remembered from a rebuild or a measurement, or else estimated."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

# https://www.postgresql.org/docs/current/storage-page-layout.html: header and special space of a B-tree page, a line
# pointer and a tuple's header, and the alignment of tuples.
_PAGE_OVERHEAD, _POINTER, _HEADER, _ALIGNMENT = 40, 4, 8, 8
_MEASURED_FULL = 90.0
REMEMBERED, ESTIMATED = "remembered", "estimated"


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
        index: {"bytes", "density": percent of the leaves' room that entries take, "NaN" in an empty index; "leaves",
            "empty", "deleted": pages}.
        block_bytes: bytes of a page.
    """
    density = 0.0 if index["density"] in (None, "NaN") else float(index["density"])
    used = index["leaves"] * min(1.0, density / _MEASURED_FULL)
    waste = (index["leaves"] - used + index["empty"] + index["deleted"]) * block_bytes
    return int(index["bytes"] - waste)


def waste_percent(bytes_now, bytes_wanted):
    """Return how much of the size is waste, 0 to 100."""
    if not bytes_now:
        return 0
    return max(0, int(100.0 * (bytes_now - bytes_wanted) / bytes_now))


def is_wasteful(size, wanted, limits):
    """Tell whether so much of an index is waste that it is too much by `limits`."""
    return waste_percent(size, wanted) >= limits["bloat_percent"] and size - wanted >= limits["bloat_bytes"]


def _aligned(length):
    return -(-int(length + 0.999) // _ALIGNMENT) * _ALIGNMENT
