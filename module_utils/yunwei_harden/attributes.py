"""ACLs, labels and other extended attributes: Python has no call for them before 3.3, so libc is asked."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import ctypes
import errno
import os

_LIBC = ctypes.CDLL(None, use_errno=True)
_LARGEST = 65536


def copy_attributes(source, target):
    """Give the open file `target` every extended attribute of the open file `source` (descriptors).

    ACLs are attributes too (system.posix_acl_access), and so is the SELinux label. Raises OSError.
    """
    for name in names(source):
        value = _get(source, name)
        if _LIBC.fsetxattr(target, name, value, ctypes.c_size_t(len(value)), 0) != 0:
            raise _error("extended attribute %s cannot be set" % name.decode("ascii", "replace"))


def names(descriptor):
    """Return the names (bytes) of an open file's extended attributes; none where the file system has no such thing."""
    buffer = ctypes.create_string_buffer(_LARGEST)
    size = _LIBC.flistxattr(descriptor, buffer, ctypes.c_size_t(_LARGEST))
    if size < 0:
        if ctypes.get_errno() in (errno.ENOTSUP, errno.ENOSYS):
            return []
        raise _error("extended attributes cannot be listed")
    return [name for name in buffer.raw[:size].split(b"\0") if name]


def _get(descriptor, name):
    buffer = ctypes.create_string_buffer(_LARGEST)
    size = _LIBC.fgetxattr(descriptor, name, buffer, ctypes.c_size_t(_LARGEST))
    if size < 0:
        raise _error("extended attribute %s cannot be read" % name.decode("ascii", "replace"))
    return buffer.raw[:size]


def _error(what):
    number = ctypes.get_errno()
    return OSError(number, "%s: %s" % (what, os.strerror(number)))
