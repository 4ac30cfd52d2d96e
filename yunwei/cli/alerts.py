"""`yunwei alerts`."""

from __future__ import annotations

import argparse
import json

from yunwei import policy
from yunwei.report.render import write_page
from yunwei.work.watch import watch_rules


def rules(options: argparse.Namespace) -> int:
    """Write what the second site's watch goes by, from policy; exit 0."""
    text = json.dumps(watch_rules(policy.load(options.inventory)), ensure_ascii=False, indent=2) + "\n"
    if options.output:
        write_page(text, options.output)
    else:
        print(text, end="")
    return 0
