"""Nothing is left of what a rule sends away by age, but what must not be touched; nothing is left half done."""

import base64
import fnmatch
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from yunwei import policy

POLICY = policy.load(Path(os.environ["YUNWEI_INVENTORY"]))
AS_OF = datetime.fromisoformat(os.environ.get("YUNWEI_AS_OF") or datetime.now(UTC).isoformat())
SYSTEMS = [name for name in os.environ.get("YUNWEI_SYSTEMS", "").split(",") if name] or list(POLICY.systems)


@pytest.fixture
def rules(host):
    """The log rules of these systems for this host."""
    here = host.backend.get_hostname()
    return [rule for name in SYSTEMS for rule in POLICY.systems[name].logs if here in rule.hosts]


def _find(host, rule, *tests):
    """Return the paths (bytes) of plain files in the rule's place that fit its patterns and `tests`."""
    depth = "" if rule.goes_below else "-maxdepth 1"
    found = host.check_output(
        f"find {rule.path} -xdev {depth} -type f -links 1 {' '.join(tests)} -printf '%T@ %p\\0' | base64"
    )
    entries = [entry.split(b" ", 1) for entry in base64.b64decode(found).split(b"\0") if entry]
    return [path for _, path in sorted(entries) if _fits(rule, os.fsdecode(path.rsplit(b"/", 1)[1]))]


def _fits(rule, name):
    wanted = any(fnmatch.fnmatchcase(name, pattern) for pattern in rule.all_patterns)
    return wanted and not any(fnmatch.fnmatchcase(name, pattern) for pattern in rule.exclude)


def _is_open(host, path):
    return bool(host.run("find -L /proc/[0-9]*/fd -maxdepth 1 -samefile %s", os.fsdecode(path)).stdout)


def test_nothing_is_left_that_is_older_than_a_rule_allows(host, rules):
    with host.sudo():
        for rule in rules:
            if rule.after_days is None:
                continue
            newest = _find(host, rule)[-rule.keep_newest :] if rule.keep_newest else []
            # A day more than the rule: what became due after the job's plan was made is the next run's.
            limit = int(AS_OF.timestamp()) - (rule.after_days + 1) * 86400
            late = [path for path in _find(host, rule, f"! -newermt @{limit}") if path not in newest]
            assert [path for path in late if not _is_open(host, path)] == [], rule.name


def test_nothing_is_half_done(host, rules):
    with host.sudo():
        for rule in rules:
            assert host.check_output("find %s -xdev -name '.yunwei-retire-*'", rule.path) == ""


def test_every_place_of_a_rule_is_there_and_is_no_link(host, rules):
    with host.sudo():
        for rule in rules:
            place = host.file(rule.path)
            assert place.is_directory, rule.path
            assert host.check_output("readlink -f %s", rule.path) == rule.path
