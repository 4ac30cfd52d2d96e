"""What policy makes of the schedule: which timers a system has, when, with which login."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.inventories import ESTATE, InventoryCopy
from yunwei import vault_policies, work
from yunwei.cli.parser import build_parser
from yunwei.errors import UsageError
from yunwei.policy.timers import TIMED_JOBS
from yunwei.work.watch import watch_rules


@pytest.fixture
def lab(tmp_path: Path) -> InventoryCopy:
    return InventoryCopy(tmp_path)


def test_backups_run_when_their_items_are_due_and_the_others_as_the_estate_says(lab: InventoryCopy) -> None:
    made = work.timers_work(lab.load(), "mediation")
    moments = {
        timer["name"]: [(one["every"], one["day"], one["at"]) for one in timer["moments"]] for timer in made["timers"]
    }
    assert moments == {
        "back-up-mediation": [("day", None, "01:30"), ("day", None, "02:00")],
        "sync-to-miyun-mediation": [("day", None, "04:00")],
        "retire-backups-mediation": [("day", None, "05:00")],
        "verify-backups-mediation": [("day", None, "07:00")],
        "inspect-backup-sites-mediation": [("month", 1, "08:00")],
    }


def test_a_timer_starts_its_job_for_its_system_with_a_login_of_its_own(lab: InventoryCopy) -> None:
    timers = {timer["name"]: timer for timer in work.timers_work(lab.load(), "mediation")["timers"]}
    inspect = timers["inspect-backup-sites-mediation"]
    place = ["--system", "mediation", "--inventory", "/etc/yunwei/inventory"]
    teller = ["/usr/libexec/yunwei-tell/yunwei_tell.py", "run"]
    told = [*teller, "inspect-backup-sites", "mediation"]
    assert inspect["command"] == [*told, "/usr/local/bin/yunwei", "inspect", "backup-sites", *place, "--json"]
    assert inspect["environment"]["YUNWEI_LOGIN_FILE"] == "/run/yunwei/logins/inspect-mediation.json"
    verify = timers["verify-backups-mediation"]
    told = [*teller, "verify-backups", "mediation"]
    assert verify["command"] == [*told, "/usr/local/bin/yunwei", "backups", "verify", *place, "--json"]
    assert verify["environment"]["YUNWEI_LOGIN_FILE"] == "/run/yunwei/logins/verify-backups-mediation.json"


def test_what_a_timer_starts_prints_the_document_that_people_are_told_from(lab: InventoryCopy) -> None:
    commands = [timer["command"] for timer in work.timers_work(lab.load(), "mediation")["timers"]]
    assert len(commands) == len(TIMED_JOBS)
    for command in commands:
        program = command.index("/usr/local/bin/yunwei")
        assert build_parser().parse_args(command[program + 1 :]).json


def test_every_timers_login_can_be_handed_out() -> None:
    text = vault_policies.render("set-timers", "mediation")
    for job in TIMED_JOBS:
        assert f'"auth/approle/role/{vault_policies.policy_name(job, "mediation")}/secret-id"' in text


def test_a_system_that_backs_nothing_up_has_no_timer_and_is_not_watched(lab: InventoryCopy) -> None:
    loaded = lab.load()
    bare = loaded.systems["mediation"].model_copy(update={"databases": [], "file_sets": []})
    changed = replace(loaded, systems={**loaded.systems, "mediation": bare})
    assert work.timers_work(changed, "mediation")["timers"] == []
    assert [system["id"] for system in watch_rules(changed)["systems"]] == ["legalservice"]


def test_the_watchs_limit_is_the_items_own_recovery_point_and_the_grace(tmp_path: Path) -> None:
    (mediation,) = [
        one for one in watch_rules(InventoryCopy(tmp_path, "example").load())["systems"] if one["id"] == "mediation"
    ]
    limits = {item["item"]: item["limit_seconds"] for item in mediation["items"]}
    assert limits == {"database:mediation": 86400 + 43200, "files:app": 2678400 + 43200, "files:portal": 86400 + 43200}


@pytest.mark.parametrize("part", ["timers", "alerts"])
def test_a_policy_that_says_nothing_is_usable_and_says_what_is_missing(lab: InventoryCopy, part: str) -> None:
    content = yaml.safe_load((lab.folder / ESTATE).read_text(encoding="utf-8"))
    del content[part]
    lab.write(ESTATE, yaml.safe_dump(content))
    problem = lab.only_problem()
    assert (problem.path, problem.stops) == (part, False)
    with pytest.raises(UsageError, match=f"has no `{part}`"):
        work.timers_work(lab.load(), "mediation") if part == "timers" else watch_rules(lab.load())


def test_timers_without_a_controller_are_a_problem(lab: InventoryCopy) -> None:
    lab.edit("hosts.yml", "    controllers:\n", "    controler:\n")
    problem = lab.only_problem()
    assert (problem.path, problem.hint) == ("timers", "Did you mean 'controler'?")
