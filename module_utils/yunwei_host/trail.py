"""Ways to a folder that nobody can bend: opened part by part without links, with who could change it on the way.

Root follows only what root alone can change. Where a folder belongs to an account, the work in it is done as that
account: then a trick of that account reaches nothing that it could not reach by itself.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import grp
import os
import pwd
import stat

from .faults import FaultError
from .frames import clean_text
from .names import encode_name

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_NOBODY = 65534


class Folder:
    """An open folder: `descriptor`, `path` (bytes), `status`, and `above`, the trust in the way to it."""

    def __init__(self, descriptor, path, above):
        """Take over the descriptor."""
        self.descriptor = descriptor
        self.path = path
        self.above = above
        self.status = os.fstat(descriptor)

    def enter(self):
        """Make it the working directory."""
        os.fchdir(self.descriptor)

    def below(self, name, status):
        """Open its folder `name`, if it is still the one of `status`; None when it was replaced or is gone.

        The folder itself must be the working directory.
        """
        try:
            descriptor = os.open(name, FOLDER_FLAGS)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ESTALE):
                return None
            raise
        found = Folder(descriptor, self.path.rstrip(b"/") + b"/" + name, self.trust())
        if status and (found.status.st_dev, found.status.st_ino) != (status.st_dev, status.st_ino):
            found.close()
            return None
        return found

    def trust(self):
        """Return (owner, fault) of the way up to and through this folder, for what lies in its folders."""
        owner, fault = self.above
        if fault:
            return self.above
        mode = self.status.st_mode
        if mode & _BY_OTHERS and not mode & stat.S_ISVTX:
            return owner, "%s on the way to it can be changed by others (mode %04o)" % (self.shown(), mode & 0o7777)
        return _joined(owner, self.status.st_uid, self.shown())

    def acting(self, account=None):
        """Return (uid, fault): as whom entries of this folder may be changed, or why they may not.

        Args:
            account: the uid that policy names, or None: then the folder's owner.
        """
        if account is not None:
            return account, None
        owner, fault = self.above
        if not fault:
            owner, fault = _joined(owner, self.status.st_uid, self.shown())
        if fault:
            return None, fault
        if owner == 0 and self.status.st_mode & _BY_OTHERS:
            said = "%s belongs to root and can be changed by others (mode %04o, group %s): name in the rule's `account`"
            mode = self.status.st_mode & 0o7777
            return None, (said + " as whom to act") % (self.shown(), mode, _group(self.status.st_gid))
        return owner, None

    def shown(self):
        """Return its path for messages."""
        return encode_name(self.path)

    def close(self):
        """Close the descriptor."""
        os.close(self.descriptor)


def open_folder(path):
    """Return the `Folder` at `path` (bytes, absolute), reached through no link; the working directory changes.

    Raises FaultError naming the part that is missing or is no folder.
    """
    folder = Folder(os.open(b"/", FOLDER_FLAGS), b"/", (0, None))
    for part in [part for part in path.split(b"/") if part]:
        folder.enter()
        try:
            found = folder.below(part, None)
        finally:
            folder.close()
        if found is None:
            said = "%s is not there, or is a link or no folder: name the real folder in the policy"
            raise FaultError(said % encode_name(folder.path.rstrip(b"/") + b"/" + part))
        folder = found
    return folder


def account_number(name):
    """Return the uid of the account `name`; None for None. Raises FaultError where there is none, or it is root."""
    if name is None:
        return None
    try:
        number = pwd.getpwnam(name).pw_uid
    except KeyError:
        raise FaultError("account %s does not exist on this host; correct the rule's `account`" % clean_text(name))
    if number == 0:
        raise FaultError("account %s is root; a rule's `account` must be another" % clean_text(name))
    return number


class ActingAs:
    """Work on files as the account with this uid for as long as the with block lasts; as oneself: nothing happens."""

    def __init__(self, uid):
        """Remember as whom."""
        self._uid = uid
        self._groups = None

    def __enter__(self):
        """Give root up, the groups first."""
        if self._uid == os.geteuid():
            return self
        self._groups = os.getgroups()
        gid, groups = _groups_of(self._uid)
        os.setgroups(groups)
        os.setegid(gid)
        os.seteuid(self._uid)
        return self

    def __exit__(self, *_):
        """Take root back."""
        if self._groups is not None:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(self._groups)


def _groups_of(uid):
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return _NOBODY, []
    return entry.pw_gid, [entry.pw_gid] + [group.gr_gid for group in grp.getgrall() if entry.pw_name in group.gr_mem]


def _joined(owner, uid, shown):
    """Add `uid`, the owner of a folder on the way, to the one account that may be there beside root."""
    if uid in (0, owner):
        return owner, None
    if owner == 0:
        return uid, None
    return owner, "%s belongs to another account (%d) than a folder above it (%d)" % (shown, uid, owner)


def _group(gid):
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return "%d" % gid
