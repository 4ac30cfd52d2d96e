"""What a fetch of archived logs may ask for: whole days of policy's time zone, plain names, one system."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.inventories import ESTATE, InventoryCopy
from yunwei.cli import main
from yunwei.errors import UsageError
from yunwei.work import log_fetch_work
from yunwei.work.log_fetch import LogFetchWork

GIVEN = {
    "site": "local",
    "host": "app1",
    "path": "/var/log/mediation",
    "from": "2026-03-01",
    "to": "2026-03-31",
    "into": "/home/me/march",
}
WORDS = ["--path", "/var/log", "--from", "2026-03-01", "--to", "2026-03-31", "--into", "/nowhere/at/all"]


@pytest.fixture
def lab(tmp_path: Path) -> InventoryCopy:
    return InventoryCopy(tmp_path).pin_everything()


def _work(lab: InventoryCopy, **changes: Any) -> LogFetchWork:
    return log_fetch_work(lab.load(), "mediation", {**GIVEN, **changes}, ["0" * 64])


def test_both_days_are_whole_ones_of_policy_s_time_zone(lab):
    found = _work(lab)
    assert set(found) == set(LogFetchWork.__annotations__)
    assert (found["since"], found["until"]) == ("2026-02-28T16:00:00Z", "2026-03-31T16:00:00Z")


@pytest.mark.parametrize(("site", "secret"), [("local", "local-read"), ("miyun", "miyun-read")])
def test_each_site_is_read_by_the_account_that_only_reads(lab, site, secret):
    found = _work(lab, site=site)
    assert (found["site"], found["remote"]["site"], found["remote"]["secret"]) == (site, site, secret)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"from": "2026-04-01"}, "the first day is after the last one"),
        ({"from": "March"}, "from is 'March'; write a day"),
        ({"to": ""}, r"missing: \['to'\]"),
        ({"record": "x"}, r"unknown: \['record'\]"),
        ({"path": "var/log"}, "path is 'var/log'; allowed are absolute paths"),
        ({"into": "/home/me/../you"}, "into is '/home/me/../you'"),
        ({"host": "../app1"}, "it must be a host's name"),
        ({"host": ".."}, "it must be a host's name"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_name(lab, changes, said):
    with pytest.raises(UsageError, match=said):
        _work(lab, **changes)


def test_a_local_site_that_nobody_may_read_is_told(lab):
    lab.edit(ESTATE, "    read_user: yunwei-read\n", "")
    with pytest.raises(UsageError, match=r"set sites\.local\.read_user"):
        _work(lab)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "db9"], "db9 has no rule for logs in any system: name the system with --system"),
        (["--host", "app1", "--system", "mediatoin"], "mediation"),
    ],
)
def test_a_host_that_leaves_the_system_open_needs_it_named(lab, capsys, words, said):
    assert main(["logs", "fetch", *words, *WORDS, "-i", str(lab.folder)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("word", ["yesterday", "2026-02-30", "2026-03-01T00:00:00Z"])
def test_a_day_that_is_none_ends_with_exit_code_2(word):
    with pytest.raises(SystemExit) as ended:
        main(["logs", "fetch", "--host", "app1", *WORDS, "--from", word])
    assert ended.value.code == 2
