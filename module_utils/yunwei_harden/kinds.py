"""Each kind of setting: what is in force on a host, and how a change of it is drafted.

A setting is {"kind", "name", "value", "compare", "releases", "owner", "groups"}; each kind says what a name means.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import glob
import grp
import os
import pwd
import stat

from . import edits, revert
from .compare import fits
from .host import demand_one_name, run
from .hosttools import faults

SSHD_CONFIG = "/etc/ssh/sshd_config"
LOGIN_DEFS = "/etc/login.defs"
PWQUALITY = "/etc/security/pwquality.conf"
SYSCTL = "/etc/sysctl.d/99-yunwei.conf"
LOGIN_SHELL = "/etc/profile.d/zz-yunwei-hardening.sh"
AS_WANTED, DIFFERS, NOT_JUDGED, NOT_HERE = "as wanted", "differs", "could not judge", "not on this host"
# Kernel settings that each container has of its own; the others are those of the machine below.
_OWN_OF_CONTAINER = "net."
_PAM_FILES = {
    "debian": {"auth": ["common-auth"], "password": ["common-password"], "account": ["common-account"]},
    "el": dict((stack, ["system-auth", "password-auth"]) for stack in ("auth", "password", "account")),
}


class Looked:
    """What was found of one setting: a verdict of the four above, the value, and why where that is not plain."""

    def __init__(self, verdict, found=None, why=None):
        """Keep the three."""
        self.verdict, self.found, self.why = verdict, found, why


def look(host, setting, exempt):
    """Return a `Looked` of one setting as it is in force."""
    return _KINDS[setting["kind"]][0](host, setting, exempt)


def edit(draft, setting, exempt):
    """Draft the change of one setting that differs; raises FaultError where it cannot be."""
    _KINDS[setting["kind"]][1](draft, setting, exempt)


def _judged(setting, found):
    return Looked(AS_WANTED if fits(setting, found) else DIFFERS, found)


def _look_sshd(host, setting, _exempt):
    """`name`: an option of sshd_config, as sshd itself says what it makes of its configuration."""
    if not host.exists("/usr/sbin/sshd"):
        return Looked(NOT_HERE)
    # sshd names no list that is empty, such as AllowUsers; an option that it does not know it refuses when drafted.
    return _judged(setting, host.sshd().get(setting["name"].lower()))


def _edit_sshd(draft, setting, _exempt):
    text = draft.text(SSHD_CONFIG)
    draft.write(SSHD_CONFIG, edits.with_sshd_option(text, setting["name"], setting["value"]))


def kernel_path(host, name):
    """Return the file below /proc/sys of a kernel setting."""
    return os.path.join(host.root, "proc/sys", *name.split("."))


def _look_sysctl(host, setting, _exempt):
    """`name`: a kernel setting such as net.ipv4.ip_forward; it must be in force and stay so after a restart."""
    name, path = setting["name"], kernel_path(host, setting["name"])
    if host.container and not name.startswith(_OWN_OF_CONTAINER):
        return Looked(NOT_JUDGED, None, "in a container the kernel is another machine's")
    if not os.path.exists(path):
        return Looked(NOT_HERE)
    with open(path) as stream:
        found = " ".join(stream.read().split())
    fit = fits(setting, found)
    if host.container and not _may_write(path):
        why = "this container may not write kernel settings"
        return Looked(AS_WANTED, found, why) if fit else Looked(NOT_JUDGED, found, why)
    kept = edits.assigned(host.read(SYSCTL) or "", name, "=")
    if fit and not fits(setting, kept):
        return Looked(DIFFERS, found, "in force, but not kept over a restart")
    return Looked(AS_WANTED if fit else DIFFERS, found)


def _may_write(path):
    # access() would say yes to root on a file system that is read-only for this container alone.
    try:
        os.close(os.open(path, os.O_WRONLY))
    except EnvironmentError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        return False
    return True


def _edit_sysctl(draft, setting, _exempt):
    draft.write(SYSCTL, edits.with_assignment(draft.text(SYSCTL), setting["name"], "=", setting["value"]))
    draft.kernel[kernel_path(draft.host, setting["name"])] = setting["value"]


def _look_login_defs(host, setting, _exempt):
    """`name`: a key of /etc/login.defs; accounts that exist keep their own ages."""
    return _judged(setting, edits.assigned(host.read(LOGIN_DEFS) or "", setting["name"], " "))


def _edit_login_defs(draft, setting, _exempt):
    _demand_file(draft, LOGIN_DEFS)
    draft.write(LOGIN_DEFS, edits.with_assignment(draft.text(LOGIN_DEFS), setting["name"], " ", setting["value"]))


def _look_pwquality(host, setting, _exempt):
    """`name`: a key of pwquality.conf, which counts only where PAM asks pam_pwquality for new passwords."""
    for name in _pam_files(host, "password"):
        if not edits.pam_values(host.read(name) or "", "password", "pam_pwquality.so", ""):
            return Looked(NOT_JUDGED, None, "%s does not ask pam_pwquality: install and enable it first" % name)
    return _judged(setting, edits.assigned(host.read(PWQUALITY) or "", setting["name"], "="))


def _edit_pwquality(draft, setting, _exempt):
    _demand_file(draft, PWQUALITY)
    draft.write(PWQUALITY, edits.with_assignment(draft.text(PWQUALITY), setting["name"], "=", setting["value"]))


def _pam_files(host, stack):
    family = "debian" if host.release.startswith("debian") else "el"
    return ["/etc/pam.d/" + name for name in _PAM_FILES[family][stack]]


def _look_pam(host, setting, _exempt):
    """`name`: "STACK MODULE OPTION", such as "password pam_unix.so remember"."""
    stack, module, option = setting["name"].split()
    found = []
    for name in _pam_files(host, stack):
        values = edits.pam_values(host.read(name) or "", stack, module, option)
        if not values:
            return Looked(NOT_JUDGED, None, "%s has no line of %s" % (name, module))
        found += values
    wrong = [value for value in found if not fits(setting, value)]
    return Looked(DIFFERS if wrong else AS_WANTED, (wrong or found)[0])


def _edit_pam(draft, setting, _exempt):
    stack, module, option = setting["name"].split()
    value = None if setting["compare"] == "absent" else setting["value"]
    for name in _pam_files(draft.host, stack):
        _demand_file(draft, name)
        draft.write(name, edits.with_pam_option(draft.text(name), stack, module, option, value))


def _look_file_mode(host, setting, _exempt):
    """`name`: a path or glob; `value`: the bits that a file may have; `owner`, `groups`: whose it may be."""
    files = _plain_files(host, setting["name"])
    wrong = [name for name in files if _tightened(name, setting)]
    if not files:
        return Looked(NOT_HERE)
    if not wrong:
        return Looked(AS_WANTED, _shown(files[0]))
    return Looked(DIFFERS, _shown(wrong[0]), None if len(files) == 1 else ", ".join(sorted(wrong)))


def _edit_file_mode(draft, setting, _exempt):
    for name in _plain_files(draft.host, setting["name"]):
        wanted = _tightened(name, setting)
        if wanted:
            demand_one_name(name, os.lstat(name))
            draft.modes[os.path.realpath(name)] = wanted


def _plain_files(host, pattern):
    found = glob.glob(os.path.join(host.root, pattern.lstrip("/")))
    return sorted(name for name in found if stat.S_ISREG(os.lstat(name).st_mode))


def _tightened(name, setting):
    """Return {"before", "after", "inode"} of a file that must change, None where it may stay; no bit is ever added.

    before, after: {"mode", "uid", "gid"}; inode: which file was looked at.
    """
    about = os.lstat(name)
    found = revert.mode(about)
    groups = _gids(setting["groups"])
    wanted = {
        "mode": found["mode"] & int(setting["value"], 8),
        "uid": pwd.getpwnam(setting["owner"]).pw_uid,
        "gid": found["gid"] if found["gid"] in groups else groups[0],
    }
    return None if wanted == found else {"before": found, "after": wanted, "inode": revert.inode(about)}


def _gids(names):
    """Return the ids of those groups that this release has."""
    found = []
    for name in names:
        try:
            found.append(grp.getgrnam(name).gr_gid)
        except KeyError:
            pass  # a group of another release, such as shadow
    return found


def _shown(name):
    about = os.lstat(name)
    return "%04o %d:%d" % (stat.S_IMODE(about.st_mode), about.st_uid, about.st_gid)


def _look_service_off(host, setting, _exempt):
    """`name`: a service (with a suffix: that unit) that neither runs nor starts with the host."""
    found = service_state(host, setting["name"])
    if found is None:
        return Looked(NOT_HERE)
    words = ["enabled"] * found[0] + ["running"] * found[1]
    return Looked(DIFFERS if words else AS_WANTED, ", ".join(words) or "off")


def service_state(host, name):
    """Return (starts with the host, runs now), None where there is no such service."""
    if host.systemd:
        code, said = run(["systemctl", "show", "-p", "LoadState,UnitFileState,ActiveState", "--", unit_name(name)])
        if code:
            raise faults.FaultError("systemctl cannot tell of %s: %s" % (name, said[-300:]))
        told = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        if told.get("LoadState") in ("not-found", "masked"):
            return None
        return told.get("UnitFileState", "").startswith("enabled"), told.get("ActiveState") in ("active", "activating")
    if not host.exists("/etc/init.d/" + name):
        return None
    return run(["chkconfig", name])[0] == 0, run(["service", name, "status"])[0] == 0


def unit_name(name):
    """Return the unit of systemd that a service's name means."""
    return name if "." in name else name + ".service"


def _edit_service_off(draft, setting, _exempt):
    draft.services.append(setting["name"])


def _look_login_shell(host, setting, _exempt):
    """`name`: umask, or TMOUT in seconds; as an interactive login shell has it."""
    found = host.login_shell()[setting["name"]]
    if setting["name"] == "umask":
        kept = int(found, 8) & int(setting["value"], 8) == int(setting["value"], 8)
        return Looked(AS_WANTED if kept else DIFFERS, found)
    return _judged(setting, found)


def _edit_login_shell(draft, setting, exempt):
    values = edits.login_shell_values(draft.text(LOGIN_SHELL))
    values[setting["name"]] = setting["value"]
    draft.write(LOGIN_SHELL, edits.login_shell(values, exempt))


def _demand_file(draft, name):
    if draft.host.read(name) is None:
        raise faults.FaultError("%s is not there; install what brings it, or waive the rule" % name)


_KINDS = {
    "sshd": (_look_sshd, _edit_sshd),
    "sysctl": (_look_sysctl, _edit_sysctl),
    "login_defs": (_look_login_defs, _edit_login_defs),
    "pwquality": (_look_pwquality, _edit_pwquality),
    "pam": (_look_pam, _edit_pam),
    "file_mode": (_look_file_mode, _edit_file_mode),
    "service_off": (_look_service_off, _edit_service_off),
    "login_shell": (_look_login_shell, _edit_login_shell),
}
