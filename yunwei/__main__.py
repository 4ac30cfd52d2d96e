"""`python -m yunwei`: the command, for an interpreter that has no `yunwei` beside it."""

import sys

from yunwei.cli import main

sys.exit(main())
