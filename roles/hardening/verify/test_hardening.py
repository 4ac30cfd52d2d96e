"""What is in force on a host is what the rules of its systems want, asked of the programs themselves."""

import json
import os
import shlex
from datetime import datetime
from pathlib import Path

import pytest

from yunwei import policy
from yunwei.policy.catalogue import read_catalogue
from yunwei.work.hardening import rules_on

POLICY = policy.load(Path(os.environ["YUNWEI_INVENTORY"]))
CATALOGUE = read_catalogue(POLICY.inventory_dir)[0]
TODAY = datetime.fromisoformat(os.environ["YUNWEI_AS_OF"]).date() if "YUNWEI_AS_OF" in os.environ else None
SYSTEMS = [name for name in os.environ.get("YUNWEI_SYSTEMS", "").split(",") if name] or list(POLICY.systems)
CHOSEN = (
    json.loads(Path(os.environ["YUNWEI_CHOSEN"]).read_text(encoding="utf-8")) if "YUNWEI_CHOSEN" in os.environ else None
)
DEBIAN_PAM = {"auth": "common-auth", "password": "common-password"}


@pytest.fixture(scope="module")
def release(host):
    """Return the release, such as debian12 or el7."""
    kernel = host.check_output("uname -r")
    for name in ("el6", "el7"):
        if f".{name}" in kernel and not host.file("/etc/debian_version").exists:
            return name
    return host.check_output(". /etc/os-release; echo $ID$VERSION_ID")


@pytest.fixture
def wanted(host, release):
    """Return a function from a kind to the settings that hold on this host."""
    name = host.backend.get_hostname()
    of_run = [POLICY.systems[one] for one in SYSTEMS]
    hardened = any(system.hardening and name in system.hosts for system in of_run)
    today = TODAY or datetime.now(POLICY.estate.zone).date()
    rules = rules_on(POLICY, CATALOGUE, name, today, CHOSEN) if hardened else []
    settings = [one for rule in rules if not rule["waived"] for one in rule["settings"]]
    return lambda kind: [
        one for one in settings if one["kind"] == kind and (not one["releases"] or release in one["releases"])
    ]


def is_good(setting, found):
    """Tell whether a value in force is as good as the rule wants it."""
    how, value = setting["compare"], setting["value"]
    if how == "at_least":
        return int(found) >= int(value)
    if how == "at_most":
        return int(found) <= int(value) and (int(value) < 0 or int(found) > 0)
    if how == "within":
        return set(found.split(",")) <= set(value.split(","))
    return found.lower() == value.lower()


def wrong(settings, found):
    """Return the settings, each with what was found, that are not as wanted."""
    pairs = [(one, found.get(one["name"].lower(), found.get(one["name"]))) for one in settings]
    return [(one["name"], value) for one, value in pairs if value is None or not is_good(one, value)]


def test_sshd_does_what_is_wanted(host, wanted):
    with host.sudo():
        said = host.check_output("/usr/sbin/sshd -T -C user=nobody,host=localhost,addr=127.0.0.1").splitlines()
    found = dict(line.split(" ", 1) for line in said if " " in line)
    assert wrong(wanted("sshd"), found) == []


def test_the_kernel_does_what_is_wanted(host, wanted):
    settings = wanted("sysctl")
    shared = [one["name"] for one in settings if not one["name"].startswith("net.")]
    assert wrong([one for one in settings if one["name"].startswith("net.")], _kernel(host, settings)) == []
    if shared and host.file("/run/.containerenv").exists:
        raise RuntimeError(f"in a container the kernel is another machine's: {', '.join(shared)}")
    assert wrong([one for one in settings if one["name"] in shared], _kernel(host, settings)) == []


def _kernel(host, settings):
    """Return kernel settings by name; one that this kernel does not have has the value that is wanted of it."""
    found = {}
    for one in settings:
        path = "/proc/sys/" + one["name"].replace(".", "/")
        found[one["name"]] = host.check_output("cat %s", path) if host.file(path).exists else one["value"]
    return found


def test_login_shells_begin_as_wanted(host, wanted):
    settings = {one["name"]: one for one in wanted("login_shell")}
    with host.sudo():
        said = host.check_output("env -i HOME=/root bash -lic 'umask; echo ${TMOUT:-0}' 2>/dev/null").split()
    umask, timeout = int(said[-2], 8), said[-1]
    if "umask" in settings:
        bits = int(settings["umask"]["value"], 8)
        assert umask & bits == bits
    if "TMOUT" in settings:
        assert is_good(settings["TMOUT"], timeout)


def test_new_accounts_get_what_is_wanted(host, wanted):
    found = {}
    for line in host.file("/etc/login.defs").content_string.splitlines():
        words = line.split()
        if len(words) == 2 and not line.startswith("#"):
            found[words[0]] = words[1]
    assert wrong(wanted("login_defs"), found) == []


def test_pam_asks_for_what_is_wanted(host, wanted, release):
    for setting in wanted("pam"):
        stack, module, option = setting["name"].split()
        files = [DEBIAN_PAM[stack]] if release.startswith("debian") else ["system-auth", "password-auth"]
        lines = host.check_output(f"cd /etc/pam.d; cat {' '.join(files)}").splitlines()
        asked = [line.split() for line in lines if line.split()[:1] == [stack] and module in line]
        assert asked, setting["name"]
        for words in asked:
            values = [word.partition("=")[2] for word in words if word.partition("=")[0] == option]
            if setting["compare"] == "absent":
                assert values == [], setting["name"]
            else:
                assert [is_good(setting, value) for value in values] == [True], setting["name"]


def test_passwords_are_judged_as_wanted(host, wanted):
    settings = wanted("pwquality")
    lines = host.check_output("cat /etc/security/pwquality.conf").splitlines() if settings else []
    pairs = [line.partition("=") for line in lines if not line.lstrip().startswith("#")]
    assert wrong(settings, {name.strip(): value.strip() for name, _, value in pairs}) == []


def test_files_are_no_wider_than_wanted(host, wanted):
    with host.sudo():
        for setting in wanted("file_mode"):
            # A shell of root opens the glob; a name without a match stays as it is and is not there.
            said = host.run(f"for f in {setting['name']}; do [ -f $f ] && stat -c '%a %U %G' $f; done").stdout
            for mode, owner, group in (line.split() for line in said.splitlines()):
                assert int(mode, 8) & ~int(setting["value"], 8) == 0, setting["name"]
                assert owner == setting["owner"], setting["name"]
                assert group in setting["groups"], setting["name"]


def test_services_are_off(host, wanted):
    if not host.file("/run/systemd/system").is_directory:
        for setting in wanted("service_off"):
            assert host.run("service %s status", setting["name"]).rc != 0
        return
    names = [one["name"] if "." in one["name"] else one["name"] + ".service" for one in wanted("service_off")]
    for name in names:
        assert host.run(f"systemctl is-enabled {shlex.quote(name)}").stdout.strip() != "enabled", name
        assert host.run(f"systemctl is-active {shlex.quote(name)}").stdout.strip() != "active", name


def test_no_change_waits_for_its_confirmation(host):
    with host.sudo():
        assert host.run("ls /var/lib/yunwei/hardening/*/armed /var/lib/yunwei/hardening/*/reverting").stdout == ""
