"""Makes the README's picture of a drill report: `python tools/picture_report.py build/demo/drill.html OUT.png`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.chromium import Chromium, find_chromium

WIDTH, HEIGHT = 920, 1300  # the sheet with a little margin, down to the timeline


def main(report: Path, picture: Path) -> int:
    """Photograph the first screen of a report."""
    program = find_chromium()
    if program is None:
        print("chromium is not installed: apt-get install chromium fonts-noto-cjk", file=sys.stderr)
        return 2
    with Chromium(program) as browser:
        browser.open(report.resolve(), WIDTH)
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(browser.picture({"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT}))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
