"""Several sizes: peak memory of a backup, and whether drills of the smaller ones foretell the largest."""

from __future__ import annotations

import json

from bench import data
from bench.figures import Aim, Result, forecast_error, growth, median
from bench.ground import Ground, Wish
from bench.jobs import BACK_UP, DRILL, SYNC
from bench.memory import watched
from yunwei.drill.forecast import Row, row_of
from yunwei.errors import LabError


def sizes(ground: Ground, wish: Wish) -> Result:
    """Peak memory and drills at several sizes, and how well the smaller ones foretell the largest."""
    peaks: dict[str, dict[float, int]] = {"controller": {}, "backup_server": {}}
    rows: list[Row] = []
    measured: list[Row] = []
    for size in (*wish.sizes, wish.predicted):
        with ground.own_stores(), data.table(ground, size):
            ground.empty()
            with watched(ground) as watches:
                ground.yunwei(*BACK_UP)
            for place, watch in watches.items():
                peaks[place][size] = watch.peak
            ground.yunwei(*SYNC)
            (rows if size != wish.predicted else measured).extend(_drilled(ground) for _ in range(wish.turns))
    target = (measured[0][0], median([seconds for _, seconds in measured]))
    predicted, error = forecast_error(rows, target)
    figures = {
        **{f"{place}_peak_bytes": {f"{size:g}": peak for size, peak in by.items()} for place, by in peaks.items()},
        **{f"{place}_growth": growth(by) for place, by in peaks.items()},
        "drills": rows,
        "predicted_seconds": predicted,
        "measured_seconds": target[1],
        "forecast_error": error,
    }
    aims = [Aim("controller_growth", 1.25), Aim("backup_server_growth", 1.25), Aim("forecast_error", 0.2)]
    about = {"gigabytes": [*wish.sizes, wish.predicted], "turns": wish.turns}
    return Result("sizes", about, figures, aims)


def _drilled(ground: Ground) -> Row:
    document, _ = ground.yunwei(*DRILL)
    row = row_of(document)
    if row is None:
        raise LabError(f"a drill was not measured: {json.dumps(document['reasons'])}")
    return row
