"""File systems: mounted ones that nothing mounts again, an fstab that would stop the start, checks that are due."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re
import time

from .host import finding

_REAL = frozenset([
    "ext2", "ext3", "ext4", "xfs", "btrfs", "jfs", "reiserfs", "f2fs", "vfat", "nfs", "nfs4", "cifs", "smb3",
    "ceph", "glusterfs", "gfs2", "ocfs2", "lustre",
])  # fmt: skip
_BY_NAME = {
    "UUID": "/dev/disk/by-uuid/", "LABEL": "/dev/disk/by-label/",
    "PARTUUID": "/dev/disk/by-partuuid/", "PARTLABEL": "/dev/disk/by-partlabel/",
}  # fmt: skip
_OCTAL = re.compile(r"\\([0-7]{3})")


def mounts(host):
    """Return {mount point: (type, device)} of the file systems that hold data."""
    found = {}
    for line in (host.read("/proc/1/mountinfo") or "").splitlines():
        front, _, back = line.partition(" - ")
        fields, kind = front.split(), back.split()
        if len(fields) > 4 and len(kind) > 1 and kind[0] in _REAL:
            found[_text(fields[4])] = (kind[0], _text(kind[1]))
    return found


def unsaved_mounts(host):
    """Return a finding for every mounted file system that no start mounts again; a container's are its engine's."""
    if host.in_container:
        return []
    wanted = set(line[1] for line in _fstab(host) if len(line) > 1) | _unit_mounts(host) | set(["/"])
    reason = "%s (%s) is mounted, but neither /etc/fstab nor a mount unit has it"
    there = mounts(host)
    return [finding("mount:" + at, reason % (at, there[at][1])) for at in sorted(there) if at not in wanted]


def failing_fstab(host):
    """Return a finding for every line of /etc/fstab that would stop or delay the start."""
    found = []
    for line in _fstab(host):
        shown = " ".join(line)
        if len(line) < 4:
            reason = "the line '%s' of /etc/fstab has %d fields, 4 at least are needed" % (shown, len(line))
            found.append(finding("fstab:" + line[0], reason))
            continue
        device, options = line[0], line[3].split(",")
        if "noauto" in options or "nofail" in options:
            continue
        path = _device_path(device)
        if path is not None and not host.exists(path):
            reason = "the line '%s' of /etc/fstab names %s, which is not there; the start would wait for it and stop"
            found.append(finding("fstab:" + device, reason % (shown, path)))
    return found


def due_checks(host):
    """Return a finding for every ext file system that the next start would check, which takes long, or has errors."""
    found = []
    for at, (kind, device) in sorted(mounts(host).items()):
        if kind.startswith("ext") and device.startswith("/dev/") and host.exists(device):
            found += ext_check(host, at, device)
    return found


def ext_check(host, at, device):
    """Return the findings about one ext file system from what `tune2fs -l` says of its device."""
    code, out, err = host.run(["tune2fs", "-l", device])
    if code != 0:
        return [finding("check:" + at, "could not judge: tune2fs: %s" % err.strip()[-200:])]
    known = dict((key.strip(), value.strip()) for key, _, value in [line.partition(":") for line in out.splitlines()])
    reasons = []
    count, most = known.get("Mount count", "0"), known.get("Maximum mount count", "-1")
    if int(most) > 0 and int(count) >= int(most):
        reasons.append("mounted %s times, checked after %s" % (count, most))
    if known.get("Next check after") and time.time() >= _moment(known["Next check after"]):
        reasons.append("a check is due since %s" % known["Next check after"])
    if "error" in known.get("Filesystem state", ""):
        reasons.append("its state is '%s'" % known["Filesystem state"])
    return [finding("check:" + at, "%s (%s): %s" % (at, device, "; ".join(reasons)))] if reasons else []


def _moment(text):
    return time.mktime(time.strptime(text, "%a %b %d %H:%M:%S %Y"))


def _fstab(host):
    lines = [line.split("#")[0].split() for line in (host.read("/etc/fstab") or "").splitlines()]
    return [[_text(word) for word in line] for line in lines if line]


def _unit_mounts(host):
    found = set()
    for name in host.names("/etc/systemd/system"):
        if name.endswith((".mount", ".automount")):
            found |= set(re.findall(r"(?m)^Where=(.*?)\s*$", host.read("/etc/systemd/system/" + name) or ""))
    return found


def _device_path(device):
    """Return the path that must be there for a device of fstab, None where it is no device or file of this host."""
    name, _, value = device.partition("=")
    if name in _BY_NAME:
        return _BY_NAME[name] + value.strip('"')
    return device if device.startswith("/") and not device.startswith("//") else None


def _text(word):
    return _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), word)
