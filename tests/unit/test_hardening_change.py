"""A change of a host's settings: planned, made whole, kept when confirmed, taken back when not, undone exactly."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from yunwei_harden import candidates, change, guard, kinds, release, revert
from yunwei_harden.host import Host
from yunwei_host.faults import FaultError, RefusedByPolicyError

from tests.harden_world import AGE, EMPTY, HISTORY, LOGIN_DEFS, RUN, World, rule, setting, wait_for

LATER = "r-20260302T013000-bbbbbb"
EA = "user.yunwei-test"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def statuses(summary: dict) -> dict[str, str]:
    return {row["rule"]: row["status"] for row in summary["items"]}


def test_a_check_says_what_would_change_and_changes_nothing(world: World):
    before = world.picture()
    summary, changed = world.harden(check=True)
    assert changed
    assert set(statuses(summary).values()) == {"would change"}
    assert "-PASS_MAX_DAYS 99999" in summary["differences"]["/etc/login.defs"]
    assert "+PASS_MAX_DAYS 90" in summary["differences"]["/etc/login.defs"]
    assert {row["rule"]: row["reason"] for row in summary["items"]}["history"] == "found nothing; becomes 5"
    assert world.picture() == before
    assert not (world.root / "var/lib/yunwei").exists()


def test_a_change_keeps_mode_and_attributes_and_the_second_run_finds_nothing(world: World):
    path = world.root / "etc/pam.d/common-auth"
    path.chmod(0o604)
    os.setxattr(path, EA, b"kept")
    summary, changed = world.harden()
    assert changed
    assert set(statuses(summary).values()) == {"changed"}
    assert world.read("etc/pam.d/common-auth").splitlines()[0].endswith("pam_unix.so")
    assert (path.stat().st_mode & 0o7777, os.getxattr(path, EA)) == (0o604, b"kept")
    assert (world.root / "etc/login.defs").stat().st_mode & 0o7777 == 0o640
    assert world.read("proc/sys/net/ipv4/conf/all/accept_redirects").strip() == "0"
    assert "net.ipv4.conf.all.accept_redirects = 0" in world.read("etc/sysctl.d/99-yunwei.conf")
    assert world.guard("confirm").returncode == 0
    again, changed = world.harden(LATER)
    assert not changed
    assert set(statuses(again).values()) == {"as wanted"}
    assert not world.folder(LATER).exists()


def test_an_undone_change_leaves_everything_as_it_was(world: World):
    os.setxattr(world.root / "etc/login.defs", EA, b"kept")
    before = world.picture()
    world.confirmed()
    planned, changed = world.undo(check=True)
    assert changed
    assert {item["status"] for item in planned["items"]} == {"would be put back"}
    done, changed = world.undo()
    assert changed
    assert {item["status"] for item in done["items"]} == {"put back"}
    assert world.picture() == before
    assert os.getxattr(world.root / "etc/login.defs", EA) == b"kept"
    assert world.undo()[1] is False
    assert world.undo("r-20260302T013000-nothing")[0]["items"][0]["status"] == "nothing to undo"


def test_a_change_that_nobody_confirms_is_taken_back_by_the_host(world: World):
    before = world.picture()
    world.seconds = 2
    world.harden()
    assert world.picture() != before
    wait_for(lambda: world.state() == "reverted")
    assert world.picture() == before
    assert "too late: the change is reverted" in world.guard("confirm").stderr


def test_a_confirmed_change_outlives_its_guard(world: World):
    world.confirmed()
    held = world.picture()
    wait_for(lambda: guard.revert.hold(str(world.folder())) is not None)
    assert (world.state(), world.picture()) == ("confirmed", held)


def test_while_a_change_waits_no_other_begins(world: World):
    world.harden()
    with pytest.raises(RefusedByPolicyError, match="waits on this host for its confirmation"):
        world.harden(LATER)
    with pytest.raises(RefusedByPolicyError, match="waits for its confirmation"):
        world.undo()
    assert world.guard("confirm").returncode == 0


def test_a_host_that_restarts_while_armed_takes_the_change_back(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(guard, "start", lambda *_: None)  # the process ends with the host
    before = world.picture()
    world.harden()
    assert world.guard("boot").returncode == 0
    assert (world.state(), world.picture()) == ("reverted", before)


STEPS = ("write", "validate", "replace", "armed", "kernel")


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_the_same_command_ends_well(world: World, monkeypatch: pytest.MonkeyPatch, step: str):
    before = world.picture()
    child = os.fork()
    if child == 0:
        _die_at(step, monkeypatch)
        world.harden()
        os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    if world.state() == "armed":
        assert world.guard("boot").returncode == 0
        assert world.picture() == before
    summary, changed = world.harden(LATER)
    assert changed
    assert set(statuses(summary).values()) == {"changed"}
    assert world.guard("confirm", LATER).returncode == 0
    assert world.undo(LATER)[1]
    assert world.picture() == before


def _die_at(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process killed when a step has half been done: after its first file."""
    monkeypatch.setattr(guard, "start", lambda *_: None)
    seen: list[int] = []

    def dying(real):
        def call(*arguments):
            if seen:
                os.kill(os.getpid(), signal.SIGKILL)
            seen.append(1)
            return real(*arguments)

        return call

    if step == "armed":
        monkeypatch.setattr(change, "_carry_out", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    elif step == "kernel":
        seen.append(1)
        monkeypatch.setattr(Host, "login_shell", None)
        real = change._carry_out
        monkeypatch.setattr(change, "_carry_out", lambda *all_of: (real(*all_of), os.kill(os.getpid(), signal.SIGKILL)))
    else:
        monkeypatch.setattr(candidates, step, dying(getattr(candidates, step)))


@pytest.mark.parametrize(
    ("step", "before_the_look"), [(1, True), (4, True), (6, True), (2, False), (4, False), (5, False), (6, False)]
)
def test_what_the_guard_takes_back_while_it_is_made_is_not_made_on(
    world: World, monkeypatch: pytest.MonkeyPatch, step: int, before_the_look: bool
):
    """Four files, a mode, a kernel setting, and the end; also where the guard comes between the look and the step."""
    monkeypatch.setattr(guard, "start", lambda *_: None)
    before, looks, real = world.picture(), [], revert.state

    def look(folder: str) -> str | None:
        looks.append(folder)
        found: str | None = real(folder)
        if len(looks) == step + 1:
            assert revert.watch(folder, 0) == 0
        return real(folder) if before_the_look else found

    monkeypatch.setattr(change.revert, "state", look)
    said = "the host took the change back .reverted. before all of it was made.*" if before_the_look else ""
    with pytest.raises(FaultError, match=rf"{said}; all of it was taken back$"):
        world.harden()
    monkeypatch.undo()
    assert (world.state(), world.picture()) == ("reverted", before)


def test_what_does_not_come_into_force_is_taken_back_at_once(world: World, monkeypatch: pytest.MonkeyPatch):
    before = world.picture()
    monkeypatch.setattr(kinds.edits, "with_pam_option", lambda text, *_: text + "# nothing of use\n")
    with pytest.raises(FaultError, match=r"not in force after the change: empty: .*; all of it was taken back"):
        world.harden()
    assert (world.state(), world.picture()) == ("reverted", before)


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(guard, "start", lambda *_: world.write("etc/pam.d/common-auth", "# by hand\n"))
    with pytest.raises(
        FaultError, match=r"common-auth was changed by somebody else meanwhile.*all of it was taken back"
    ):
        world.harden()
    assert world.read("etc/pam.d/common-auth") == "# by hand\n"
    assert world.read("etc/login.defs") == LOGIN_DEFS
    assert [path.name for path in (world.root / "etc").rglob(".yunwei-*")] == []


def test_a_pam_module_that_is_not_there_is_found_before_anything_changes(world: World):
    world.write("etc/pam.d/common-auth", "auth required pam_unix.so nullok\nauth required pam_nowhere.so\n")
    before = world.picture()
    with pytest.raises(FaultError, match=r"would name pam_nowhere\.so, which is not installed; nothing was changed"):
        world.harden()
    assert world.picture() == before
    assert not world.folder().exists()


def test_what_cannot_be_undone_needs_to_be_accepted_by_name(world: World):
    world.rules = [AGE, {**EMPTY, "undo": "none"}]
    before = world.picture()
    with pytest.raises(RefusedByPolicyError, match=r"empty cannot be undone.*--accept-irreversible empty"):
        world.harden()
    assert world.picture() == before
    assert statuses(world.harden(check=True)[0])["empty"] == "would change"
    world.accepted = ["empty"]
    assert statuses(world.harden()[0]) == {"age": "changed", "empty": "changed"}


def test_what_was_changed_since_is_not_undone(world: World):
    world.confirmed()
    world.write("etc/login.defs", "PASS_MAX_DAYS 60\n")
    with pytest.raises(FaultError, match=r"changed since this change: .*/etc/login\.defs; undo what was changed later"):
        world.undo()
    assert world.state() == "confirmed"


def test_two_changes_are_undone_in_the_order_of_time(world: World):
    before = world.picture()
    world.rules = [AGE]
    world.confirmed()
    world.rules = [AGE, rule("warn", setting("login_defs", "PASS_WARN_AGE", "7", "at_least"))]
    world.confirmed(LATER)
    with pytest.raises(FaultError, match="undo what was changed later first"):
        world.undo()
    world.undo(LATER)
    world.undo()
    assert world.picture() == before


def test_a_waived_rule_and_one_for_another_release_are_named_and_not_touched(world: World):
    world.rules = [
        {**AGE, "waived": "why (owner, until 2027-01-01)"},
        rule("old", setting("login_defs", "PASS_MIN_LEN", "8", "at_least", releases=["el6"])),
    ]
    summary, changed = world.harden()
    assert not changed
    assert statuses(summary) == {"age": "waived", "old": "for another release"}
    assert summary["items"][0]["reason"] == "why (owner, until 2027-01-01)"


def test_what_cannot_be_judged_is_never_good(world: World):
    world.rules = [rule("quality", setting("pwquality", "minlen", "8", "at_least"))]
    summary, changed = world.harden()
    assert (changed, summary["verdict"]) == (False, "could not judge")
    assert "does not ask pam_pwquality" in summary["items"][0]["reason"]
    world.rules = [AGE, *world.rules]
    summary, _ = world.harden()
    assert [line.partition(":")[0] for line in summary["handed_on"]["armed"]["not_judged"]] == ["quality"]


def test_kernel_settings_of_the_machine_below_are_not_judged_in_a_container(world: World):
    world.write("run/.containerenv", "")
    world.write("proc/sys/kernel/randomize_va_space", "0\n")
    world.rules = [rule("aslr", setting("sysctl", "kernel.randomize_va_space", "2"))]
    summary, changed = world.harden()
    assert (changed, statuses(summary)) == (False, {"aslr": "could not judge"})
    assert world.read("proc/sys/kernel/randomize_va_space") == "0\n"
    assert not (world.root / "etc/sysctl.d/99-yunwei.conf").exists()


def test_a_setting_in_force_that_a_restart_would_lose_is_kept(world: World):
    world.write("proc/sys/net/ipv4/conf/all/accept_redirects", "0\n")
    world.rules = [rule("redirects", setting("sysctl", "net.ipv4.conf.all.accept_redirects", "0"))]
    summary, changed = world.harden(check=True)
    assert changed
    assert summary["items"][0]["reason"].endswith("in force, but not kept over a restart")


def test_files_that_others_can_change_are_refused(world: World):
    os.link(world.root / "etc/login.defs", world.root / "etc/second")
    with pytest.raises(FaultError, match=r"login\.defs has 2 names"):
        world.harden()
    (world.root / "etc/second").unlink()
    (world.root / "etc/pam.d").chmod(0o777)
    with pytest.raises(FaultError, match=r"pam\.d can be changed by others than root"):
        world.harden()


def test_a_link_within_its_folder_is_followed_and_stays(world: World):
    """authconfig keeps /etc/pam.d/system-auth as a link to the file that it writes."""
    os.rename(world.root / "etc/pam.d/common-auth", world.root / "etc/pam.d/common-auth-ac")
    os.symlink("common-auth-ac", world.root / "etc/pam.d/common-auth")
    world.rules = [EMPTY, HISTORY]
    world.confirmed()
    assert (world.root / "etc/pam.d/common-auth").is_symlink()
    assert "nullok" not in world.read("etc/pam.d/common-auth-ac")


def test_modes_are_only_ever_narrowed(world: World):
    (world.root / "etc/login.defs").chmod(0o400)
    world.rules = [rule("mode", setting("file_mode", "/etc/login.defs", "0640"))]
    assert world.harden()[1] is False
    assert (world.root / "etc/login.defs").stat().st_mode & 0o7777 == 0o400
    os.symlink("/etc/passwd", world.root / "etc/link")
    world.rules = [rule("mode", setting("file_mode", "/etc/link", "0600"))]
    assert statuses(world.harden(LATER)[0]) == {"mode": "not on this host"}


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"etc/os-release": 'ID="debian"\nVERSION_ID="11"\n'}, "debian11"),
        ({"etc/redhat-release": "CentOS Linux release 7.9.2009 (Core)\n"}, "el7"),
        ({"etc/redhat-release": "NeoKylin Linux Advanced Server release 6.5 (Beryllium)\n"}, "el6"),
        (
            {
                "etc/os-release": 'ID="neokylin"\nVERSION_ID="V7Update6"\n',
                "etc/redhat-release": "NeoKylin Linux Advanced Server release V7Update6 (Chromium)\n",
            },
            "el7",
        ),
    ],
)
def test_the_release_is_told_by_what_the_host_says(tmp_path: Path, files: dict[str, str], found: str):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert release.detect(str(tmp_path)) == found


def test_an_unknown_release_is_refused(tmp_path: Path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('ID=debian\nVERSION_ID="13"\n', encoding="utf-8")
    with pytest.raises(FaultError, match="this host runs debian13, for which there are no rules"):
        release.detect(str(tmp_path))


def test_the_hook_of_a_host_without_systemd_is_cron_s(world: World):
    world.confirmed()
    assert "@reboot root" in world.read("etc/cron.d/yunwei-revert")
    assert world.read("etc/cron.d/yunwei-revert").strip().endswith("/var/lib/yunwei/hardening/revert.py boot")
    assert RUN in str(world.folder())
