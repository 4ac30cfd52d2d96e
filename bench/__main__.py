"""Run parts of the measurements: a line of JSON each on standard output, and a line for every aim that is missed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence

from bench import commands, databases, jobs, scans, sizes
from bench.figures import Result
from bench.ground import Ground, Wish
from yunwei.errors import YunweiError
from yunwei.lab.topology import DEFAULT_SLOT, SLOTS, Slot

PARTS: Mapping[str, Callable[[Ground, Wish], Result]] = {
    "backup": jobs.back_up,
    "files": jobs.unchanged_files,
    "sync": jobs.sync,
    "drill": jobs.drill,
    "help": commands.start_up,
    "plan": commands.plan,
    "sizes": sizes.sizes,
    "inspection": databases.inspection,
    "scan-import": scans.scan_import,
}
WITHOUT_LAB = {"help", "scan-import"}
MEASURED_GIGABYTES = (0.3, 0.5, 0.7)
PREDICTED_GIGABYTES = 1.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; return 0 when every aim is met, 1 when one is missed, else the code of what went wrong."""
    options = _parser().parse_args(arguments)
    ground = Ground(Slot(options.slot))
    wish = Wish(options.size, options.files, options.repeat, options.sizes, options.predict)
    missed: list[str] = []
    parts = options.parts or list(PARTS)
    try:
        if not WITHOUT_LAB.issuperset(parts):
            ground.demand_up()
        for name in parts:
            _say(f"== {name}: {(PARTS[name].__doc__ or '').splitlines()[0]}")
            result = PARTS[name](ground, wish)
            print(result.line(), flush=True)
            missed += result.missed
    except YunweiError as error:
        _say(f"bench: {error}")
        return error.exit_code
    _say("\n".join(missed) or "every aim is met")
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure yunwei on a lab that is up.")
    parser.add_argument("parts", nargs="*", type=_part, metavar="PART", help=f"{', '.join(PARTS)}; default: all")
    parser.add_argument("--slot", choices=SLOTS, default=DEFAULT_SLOT, help="the lab (default: %(default)s)")
    parser.add_argument(
        "--size", type=float, default=1.0, metavar="GB", help="size of the database (default: %(default)s)"
    )
    parser.add_argument("--files", type=int, default=100_000, metavar="N", help="how many files (default: %(default)s)")
    parser.add_argument(
        "--repeat", type=int, default=3, metavar="N", help="turns; figures are medians (default: %(default)s)"
    )
    parser.add_argument(
        "--sizes",
        type=float,
        nargs="+",
        default=MEASURED_GIGABYTES,
        metavar="GB",
        help="sizes that a forecast is made of",
    )
    parser.add_argument(
        "--predict", type=float, default=PREDICTED_GIGABYTES, metavar="GB", help="the size that it is held against"
    )
    return parser


def _part(word: str) -> str:
    if word not in PARTS:
        raise argparse.ArgumentTypeError(f"there is no part {word!r}; allowed: {', '.join(PARTS)}")
    return word


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
