# -*- coding: utf-8 -*-
# This file also runs on Python 2.7, on legacy1:
# ruff: noqa: UP009, UP010, UP012, UP030, UP031, UP032
# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False
"""Makes the lab's application files, the same on every run; runs as root on a lab host: files.py mediation|portal.

Every path is bytes: the names are meant to be hard, and one of them is not UTF-8.
"""

from __future__ import unicode_literals

import binascii
import grp
import os
import pwd
import random
import shutil
import socket
import stat
import sys

DICE = random.Random(20260101)  # noqa: S311 - data that must be the same on every run, not a secret
EPOCH = 1735689600  # 2025-01-01 00:00 UTC
DAY = 86400
LONG = 255

ODD_NAMES = [
    "带 空格 的 文件.txt".encode("utf-8"),
    "“引号”‘单’.doc".encode("utf-8"),
    "emoji 📁 and 𠮷.txt".encode("utf-8"),
    "e\u0301 decomposed".encode("utf-8"),
    "\u00e9 composed".encode("utf-8"),
    "中文名称.txt".encode("gbk"),
    b"not utf-8 \xff\xfe\x80.bin",
    b"new\nline.txt",
    b"tab\tand\rreturn",
    b"escape \x1b[31m and bell \x07",
    b"single ' quote",
    b'double " quote',
    b"back\\slash and \\n",
    b"-rf",
    b"--checkpoint-action=exec=false",
    b"* ? [a] {b} ~ $HOME `id` $(id)",
    b" leading and trailing ",
    b"percent %41 %2F %",
    b"...",
    b"#comment; semi & amp | pipe > out < in",
    b"n" * LONG,
    "长".encode("utf-8") * 85,
]


def noise(count):
    """Return `count` bytes that do not compress."""
    if count == 0:
        return b""
    text = "%0*x" % (2 * count, DICE.getrandbits(8 * count))
    return binascii.unhexlify(text.encode("ascii"))


def write(path, content, mode=0o644, owner=(0, 0), when=EPOCH):
    """Write one file with its mode, owner (uid, gid) and time (seconds)."""
    with open(path, "wb") as handle:
        handle.write(content)
    os.chown(path, owner[0], owner[1])
    os.chmod(path, mode)
    os.utime(path, (when, when))


def folder(*parts):
    """Make a folder with its parents and return its path."""
    path = os.path.join(*parts)
    if not os.path.isdir(path):
        os.makedirs(path)
    return path


def owned_folder(owner, *parts):
    """Make a folder that its account may write in, and return its path."""
    path = folder(*parts)
    os.chown(path, owner[0], owner[1])
    return path


def account(name):
    """Return (uid, gid) of an account of the host."""
    found = pwd.getpwnam(name)
    return found.pw_uid, found.pw_gid


def ordinary(root, count, owner, largest):
    """Make `count` files of up to `largest` bytes in dated folders, every fiftieth of them empty."""
    for number in range(count):
        day = number * 360 // count
        month = "{0:02d}月".format(day // 30 + 1).encode("utf-8")
        place = folder(root, b"upload", b"2025", month, b"%02d" % (day % 30))
        name = "{0:05d} 调解协议.pdf".format(number).encode("utf-8") if number % 3 else b"IMG_%05d.jpg" % number
        size = 0 if number % 50 == 0 else 100 + DICE.randrange(largest)
        mode = (0o644, 0o640, 0o600, 0o664)[number % 4]
        write(os.path.join(place, name), noise(size), mode, owner, EPOCH + day * DAY + number % DAY)


def odd(root, owner):
    """Make files and folders whose names programs trip over."""
    place = folder(root, b"odd")
    for number, name in enumerate(ODD_NAMES):
        write(os.path.join(place, name), b"odd name %d\n" % number + noise(40 + number), 0o644, owner, EPOCH + number)
    inner = folder(place, "目录 ".encode("utf-8") + b"\xff\n", b"deep")
    write(os.path.join(inner, b"inner \xe4.txt"), b"inner", 0o644, owner)
    deep = place
    for level in range(24):
        deep = folder(deep, "第{0:02d}层很深的目录".format(level).encode("utf-8"))
    write(os.path.join(deep, b"bottom.txt"), b"bottom", 0o644, owner)
    folder(place, b"empty folder")


def links(root, owner):
    """Make symbolic links of every kind, and hard links within and across folders."""
    place = folder(root, b"links")
    other = folder(root, b"links", b"other")
    first = os.path.join(place, b"hard first")
    write(first, noise(5000), 0o640, owner)
    os.link(first, os.path.join(place, b"hard second"))
    os.link(first, os.path.join(other, "硬链接".encode("utf-8")))
    empty = os.path.join(other, b"a empty")
    write(empty, b"", 0o644, owner)
    os.link(empty, os.path.join(place, b"z empty"))
    targets = [
        (b"relative", b"other/a empty"),
        (b"absolute", os.path.join(root, b"odd", b"-rf")),
        (b"to folder", b"other"),
        (b"dangling", b"no/such/file"),
        (b"loop", b"loop"),
        (b"outside", b"/etc/hostname"),
        (b"odd target", b"../odd/not utf-8 \xff\xfe\x80.bin"),
        (b"newline target", b"new\nline"),
    ]
    for name, target in targets:
        os.symlink(target, os.path.join(place, name))
    os.lchown(os.path.join(place, b"relative"), owner[0], owner[1])


def modes(root, owner, group):
    """Make files of every kind of mode, owner and time; a pipe and a socket too."""
    place = folder(root, b"modes")
    kinds = [0o000, 0o400, 0o444, 0o600, 0o755, 0o4755, 0o2755, 0o1644, 0o666]
    for number, mode in enumerate(kinds):
        write(os.path.join(place, b"mode %05o" % mode), noise(64), mode, owner, EPOCH - number * 1000 * DAY)
    write(os.path.join(place, b"nobody's number"), b"x", 0o644, (54321, 54322), EPOCH + 0.123456)
    write(os.path.join(place, b"before 1970"), b"x", 0o644, owner, -DAY)
    write(os.path.join(place, b"after 2038"), b"x", 0o644, owner, 2**31 + DAY)
    write(os.path.join(place, b"of the group"), b"x", 0o660, (owner[0], group))
    with open(os.path.join(place, b"sparse"), "wb") as handle:
        handle.write(b"start")
        handle.seek(4 * 1024 * 1024)
        handle.write(b"end")
    os.mkfifo(os.path.join(place, b"pipe"), 0o620)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    os.chdir(place)
    listener.bind("socket")
    listener.close()
    shared = folder(place, b"shared folder")
    os.chown(shared, owner[0], group)
    os.chmod(shared, stat.S_ISVTX | stat.S_ISGID | 0o770)  # noqa: S103 - restored modes must be seen to be odd
    os.chmod(folder(place, b"closed folder"), 0o000)


def large(root, owner, megabytes):
    """Make one large file, written megabyte by megabyte."""
    path = os.path.join(folder(root, b"data"), "庭审录像 01.bin".encode("utf-8"))
    with open(path, "wb") as handle:
        for _ in range(megabytes):
            handle.write(noise(1024 * 1024))
    os.chown(path, owner[0], owner[1])
    os.utime(path, (EPOCH, EPOCH))


def clear(root):
    """Remove what is below `root`, except the folders bin and etc."""
    for name in os.listdir(folder(root)):
        if name not in (b"bin", b"etc"):
            path = os.path.join(root, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def make(root, user, count, largest):
    """Make a whole tree below `root` for an account: `count` ordinary files of up to `largest` bytes, and odd ones."""
    owner, group = account(user), grp.getgrnam("archive").gr_gid
    clear(root)
    write(
        os.path.join(owned_folder(owner, root, b"data"), b"dictionary.txt"),
        "调解\n司法\n".encode("utf-8"),
        0o644,
        owner,
    )
    write(os.path.join(owned_folder(owner, root, b"log"), b"service.log"), b"started\n", 0o644, owner)
    ordinary(root, count, owner, largest)
    odd(root, owner)
    links(root, owner)
    modes(root, owner, group)


def main(kind):
    """Make the tree of one system; $PERCENT of the full number of ordinary files and of the large one's megabytes."""
    percent = int(os.environ["PERCENT"])
    if kind == "mediation":
        make(b"/srv/mediation", "mediation", 10000 * percent // 100, 6000)
        large(b"/srv/mediation", account("mediation"), 110 * percent // 100)
    else:
        make(b"/srv/portal", "portal", 1000 * percent // 100, 9000)


if __name__ == "__main__":
    main(sys.argv[1])
