"""When a disk is full, told in time and not guessed from too little."""

from yunwei_host.capacity import DAY, forecast, remember

NOW = 20_000 * DAY
GIB = 1 << 30


def seen(*sizes, step=1):
    """Return samples of one size each `step` days, the last of now."""
    return [[NOW - (len(sizes) - 1 - number) * step * DAY, size * GIB] for number, size in enumerate(sizes)]


def test_steady_growth_is_foretold():
    found = forecast(seen(*range(10, 20)), 45 * GIB, 30)
    assert found == {"free": 45 * GIB, "growth_a_day": GIB, "days_until_full": 45, "alert": False}
    assert forecast(seen(*range(10, 20)), 45 * GIB, 45)["alert"] is True
    assert forecast(seen(*range(10, 20)), 45 * GIB, 44)["alert"] is False


def test_removals_in_between_do_not_hide_growth():
    saw = [100 + number // 2 + (0 if number % 7 else -3) for number in range(60)]
    assert 30 <= forecast(seen(*saw), 20 * GIB, 30)["days_until_full"] <= 50


def test_what_does_not_grow_is_never_full():
    for sizes in ([5] * 10, range(20, 10, -1)):
        found = forecast(seen(*sizes), GIB, 30)
        assert (found["days_until_full"], found["alert"]) == (None, False)


def test_a_few_days_say_nothing():
    for samples in ([], seen(1), seen(1, 2, step=10), seen(1, 2, 3, 4, 5, 6, 7)):
        assert forecast(samples, GIB, 30)["growth_a_day"] is None
    assert forecast(seen(1, 2, 3, 4, 5, 6, 7, 8), GIB, 30)["days_until_full"] == 1


def test_a_full_disk_is_full_today():
    found = forecast(seen(*range(10)), 0, 1)
    assert (found["days_until_full"], found["alert"]) == (0, True)


def test_one_sample_a_day_is_remembered_for_ninety_days():
    samples = []
    for hour in range(24 * 100):
        samples = remember(samples, NOW + hour * 3600, hour)
    assert len(samples) == 91
    assert samples[-1] == [NOW + (24 * 100 - 1) * 3600, 24 * 100 - 1]
    assert [size for _, size in samples[:2]] == [24 * 10 - 1, 24 * 11 - 1]


def test_samples_of_the_future_are_forgotten():
    assert remember([[NOW + DAY, 5], [NOW - DAY, 4]], NOW, 6) == [[NOW - DAY, 4], [NOW, 6]]
