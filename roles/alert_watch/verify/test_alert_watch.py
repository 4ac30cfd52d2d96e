"""The watch is root's, is run by its timer, and judges every system. Run by the second site's administrator."""

import json
import time

FOLDER = "/usr/libexec/yunwei-watch"
PROGRAMS = ("yunwei_watch.py", "watch_telling.py", "watch_judge.py", "watch_words.py", "watch_channels.py")
CONFIGURATION = ("/etc/yunwei-watch/rules.json", "/etc/yunwei-watch/signing_key.pub")


def test_programs_rules_and_key_belong_to_root_and_nobody_else_may_change_them(host):
    paths = [FOLDER, *[f"{FOLDER}/{name}" for name in PROGRAMS], *CONFIGURATION]
    found = [line.split() for line in host.check_output(f"stat -c '%n %U %G %a' {' '.join(paths)}").splitlines()]
    assert [name for name, *_ in found] == paths
    assert [one for one in found if one[1:3] != ["root", "root"] or int(one[3], 8) & 0o022] == []


def test_the_account_opens_nothing(host):
    with host.sudo():
        assert host.user("yunwei-watch").password == "*"  # noqa: S105 - a password that fits nothing
        assert host.user("yunwei-watch").shell == "/usr/sbin/nologin"
        assert host.run("sudo -n -l -U yunwei-watch").stdout.count("NOPASSWD") == 0


def test_the_timer_is_on_and_nothing_changes_it(host):
    shown = host.check_output(
        "systemctl show -p UnitFileState,ActiveState,FragmentPath,DropInPaths,NeedDaemonReload yunwei-watch.timer"
    )
    found = dict(line.split("=", 1) for line in shown.splitlines())
    assert found == {
        "UnitFileState": "enabled",
        "ActiveState": "active",
        "FragmentPath": "/etc/systemd/system/yunwei-watch.timer",
        "DropInPaths": "",
        "NeedDaemonReload": "no",
    }
    rules = json.loads(host.file("/etc/yunwei-watch/rules.json").content_string)
    timer = host.file("/etc/systemd/system/yunwei-watch.timer").content_string
    assert f"OnCalendar=*:0/{rules['look_minutes']}\n" in timer
    assert "Persistent=true\n" in timer
    service = host.file("/etc/systemd/system/yunwei-watch.service").content_string
    assert "\nUser=yunwei-watch\n" in service
    assert f"\nExecStart={FOLDER}/yunwei_watch.py\n" in service


def test_a_look_can_judge_every_item_of_the_rules(host):
    """What is late is the copies' fault and not the watch's; that it cannot be judged would be."""
    rules = json.loads(host.file("/etc/yunwei-watch/rules.json").content_string)
    with host.sudo():
        found = host.run(f"sudo -n -u yunwei-watch {FOLDER}/yunwei_watch.py --check")
    assert found.rc == 0, found.stderr + found.stdout
    for system in rules["systems"]:
        for item in system["items"]:
            assert f"\n{system['id']}/{item['item']}: " in f"\n{found.stdout}"


def test_the_last_look_is_not_older_than_two_intervals(host):
    """A host that has just been set up may not have looked yet."""
    with host.sudo():
        told = host.file("/var/lib/yunwei-watch/told.json")
        looked = told.mtime.timestamp() if told.exists else None
    since = host.check_output("systemctl show -p ActiveEnterTimestampMonotonic --value yunwei-watch.timer")
    uptime = float(host.file("/proc/uptime").content_string.split()[0])
    rules = json.loads(host.file("/etc/yunwei-watch/rules.json").content_string)
    limit = 2 * 60 * rules["look_minutes"]
    assert (looked is not None and time.time() - looked < limit) or uptime - int(since) / 1e6 < limit
