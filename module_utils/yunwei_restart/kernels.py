"""Kernels on the disk: the newest, the one that the next start takes, and whether all that it needs is there."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import re

from .host import finding

_RESCUE = re.compile(r"rescue|\.old\Z|\.hmac\Z")
_INITRAMFS = ("/boot/initramfs-%s.img", "/boot/initrd.img-%s", "/boot/initrd-%s.img")


def installed(host):
    """Return the versions of the kernels in /boot, the newest last."""
    found = [name[len("vmlinuz-") :] for name in host.names("/boot") if name.startswith("vmlinuz-")]
    return sorted([version for version in found if not _RESCUE.search(version)], key=version_key)


def version_key(version):
    """Return what orders versions as packagers mean it: runs of digits as numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|[A-Za-z]+", version)]


def running():
    """Return the version of the kernel that runs."""
    return os.uname()[2]


def missing_boot_files(host, free_bytes):
    """Return the findings about the next start's kernel, its initramfs, and the room in /boot.

    `free_bytes` is what must be free there. A host without any kernel in /boot is a container, or a finding.
    """
    versions = installed(host)
    if not versions:
        reason = "there is no kernel in /boot; install one, or look where this host starts from"
        return [] if host.in_container else [finding("boot:kernel", reason)]
    return _default_kernel(host, versions) + _room(host, free_bytes)


def _default_kernel(host, versions):
    path = _named_default(host) or "/boot/vmlinuz-%s" % versions[-1]
    version = os.path.basename(path).partition("-")[2]
    found = []
    if not _has_content(host, path):
        found.append(finding("boot:kernel", "the default kernel %s is missing or empty; install it again" % path))
    tried = [pattern % version for pattern in _INITRAMFS]
    if not [one for one in tried if _has_content(host, one)]:
        reason = "the default kernel %s has no initramfs (looked for %s); make it again with dracut or update-initramfs"
        found.append(finding("boot:initramfs", reason % (version, ", ".join(tried))))
    return found


def _named_default(host):
    """Return the path of the kernel that the boot loader names as its default, None where it cannot be asked."""
    if host.has("grubby"):
        code, out, _ = host.run(["grubby", "--default-kernel"])
        path = out.strip().splitlines()[-1] if code == 0 and out.strip() else ""
        return path if path.startswith("/boot/") else None
    return _old_grub(host.read("/boot/grub/grub.conf") or "")


def _old_grub(text):
    """Return the default kernel of GRUB 0.97, as NeoKylin 6 has it."""
    number = re.search(r"(?m)^\s*default=(\d+)", text)
    kernels = re.findall(r"(?m)^\s*kernel\s+(?:\([^)]*\))?(\S+)", text)
    wanted = int(number.group(1)) if number else 0
    if wanted >= len(kernels):
        return None
    return kernels[wanted] if kernels[wanted].startswith("/boot/") else "/boot" + kernels[wanted]


def _has_content(host, path):
    try:
        return os.path.getsize(host.path(path)) > 0
    except EnvironmentError:
        return False


def _room(host, free_bytes):
    found = os.statvfs(host.path("/boot"))
    free = found.f_bavail * found.f_frsize
    if free >= free_bytes:
        return []
    reason = "/boot has %d MiB free, %d are wanted; remove old kernels" % (free >> 20, free_bytes >> 20)
    return [finding("boot:full", reason)]
