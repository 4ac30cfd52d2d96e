"""The command line: parse, call, show. The only place where an error becomes an exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from yunwei.cli.parser import build_parser
from yunwei.errors import YunweiError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (0 done, 1 failed, 2 usage, 3 refused, 4 could not be judged)."""
    options = build_parser().parse_args(arguments)
    try:
        return int(options.handler(options))
    except YunweiError as error:
        _say_error(error, as_json=getattr(options, "json", False))
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except KeyboardInterrupt as interrupt:
        print(f"yunwei: interrupted {interrupt}".rstrip(), file=sys.stderr)
        return 1


def _say_error(error: YunweiError, *, as_json: bool) -> None:
    print(f"yunwei: {error}", file=sys.stderr)
    if as_json:
        document = {"error": {"kind": type(error).__name__, "message": str(error), "exit_code": error.exit_code}}
        print(json.dumps(document, ensure_ascii=False))
