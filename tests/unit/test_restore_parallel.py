"""Two jobs at a time, results in order, no error lost."""

import threading

import pytest
from yunwei_restore import parallel


def test_results_come_in_the_order_of_the_jobs():
    meeting = threading.Barrier(2, timeout=5)
    assert parallel.both([lambda: (meeting.wait(), 1)[1], lambda: (meeting.wait(), 2)[1], lambda: 3]) == [1, 2, 3]
    assert parallel.both([]) == []


def test_an_error_ends_it_and_starts_nothing_new():
    started = []

    def fail():
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        parallel.both([fail, fail, lambda: started.append(1), lambda: started.append(2)])
    assert started in ([], [1])
