"""Forecasts when a site's disk is full, from what each retention run saw of it; decides only.

The disk as a whole is looked at, whatever fills it: every system of the site gets the same answer.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DAY = 86400
REMEMBERED_DAYS = 90
# Less than a week says nothing: weekends differ from workdays.
ENOUGH_DAYS = 7


def remember(samples, now, used):
    """Return `samples` ([[seconds since 1970, used bytes]]) with one of now added: one a day, none too old."""
    days = dict((int(at // DAY), [at, size]) for at, size in samples if now - REMEMBERED_DAYS * DAY <= at <= now)
    days[int(now // DAY)] = [int(now), used]
    return [days[day] for day in sorted(days)]


def forecast(samples, free, alert_days):
    """Return {"free", "growth_a_day", "days_until_full", "alert"}; bytes and days, None where nothing can be said.

    Args:
        samples: as `remember` returns them.
        free: free bytes of the disk.
        alert_days: an alert is due when the disk is full in so many days or less.
    """
    growth = _slope(samples)
    days = int(free / growth) if growth and growth > 0 else None
    return {
        "free": free,
        "growth_a_day": None if growth is None else int(growth),
        "days_until_full": days,
        "alert": days is not None and days <= alert_days,
    }


def _slope(samples):
    """Return bytes a day by least squares, None while too little was seen."""
    if len(samples) < 3 or samples[-1][0] - samples[0][0] < ENOUGH_DAYS * DAY:
        return None
    days = [(at - samples[0][0]) / float(DAY) for at, _ in samples]
    sizes = [size for _, size in samples]
    middle, mean = sum(days) / len(days), sum(sizes) / float(len(sizes))
    spread = sum((day - middle) ** 2 for day in days)
    return sum((day - middle) * (size - mean) for day, size in zip(days, sizes)) / spread  # noqa: B905 unknown to Python 2
