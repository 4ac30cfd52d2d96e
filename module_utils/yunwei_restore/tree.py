"""A folder tree as root works in it: by open folders, never through a link, never outside.

Python 2 has no dir_fd; /proc/self/fd/N/NAME reaches the same entry through the open folder N, whatever its path has
become in the meantime. Only the last part is ever a name, and it is opened with O_NOFOLLOW.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import ctypes
import errno
import fcntl
import os
import stat

from .errors import NotJudgedError

_CACHE_LIMIT = 64
_AT_FDCWD = -100
_AT_SYMLINK_NOFOLLOW = 0x100


class _Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


class Tree:
    """The tree below `root` (absolute path, text or bytes); paths inside it are bytes beginning with a slash."""

    def __init__(self, root, folder_mode=0o755):
        """Open `root`, which must be a folder and no link; `folder_mode` is that of folders made on the way.

        By default the owners of what is below must pass.
        """
        self._folder_mode = folder_mode
        raw = root if isinstance(root, bytes) else root.encode("utf-8")
        self._root = _open_folder(raw)
        self._cache = {}

    def close(self):
        """Close every folder."""
        for handle in self._cache.values():
            os.close(handle)
        self._cache = {}
        os.close(self._root)

    def at(self, path, create=False):
        """Return the way to the entry `path` through its open parent folder; valid until the next call.

        `create` makes missing parent folders. Raises OSError (ENOTDIR,
        ELOOP) where a parent is a link.
        """
        parent, name = path.rsplit(b"/", 1)
        if name in (b"", b".", b".."):
            raise NotJudgedError(repr(path), "not a path of an entry", "")
        return _through(self._folder(parent, create), name)

    def lstat(self, path):
        """Return the lstat of the entry, None when it is not there."""
        try:
            return os.lstat(self.at(path))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return None
            raise

    def open_file(self, path):
        """Return a descriptor of the regular file for reading."""
        handle = os.open(self.at(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(errno.EINVAL, "not a regular file")
        return handle

    def create_file(self, path):
        """Return a descriptor of the new file (0600) for writing; fails when the name is taken."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        return os.open(self.at(path, create=True), flags, 0o600)

    def link(self, existing, path):
        """Make `path` a second name of the entry `existing` of the same tree."""
        parent, name = existing.rsplit(b"/", 1)
        handle = os.dup(self._folder(parent, False))
        try:
            os.link(_through(handle, name), self.at(path, create=True))
        finally:
            os.close(handle)

    def walk(self, path):
        """Yield (path, lstat) for `path` and everything below it, parents first, in byte order."""
        found = self.lstat(path)
        if found is None:
            return
        yield path, found
        if not stat.S_ISDIR(found.st_mode):
            return
        for name in sorted(os.listdir(_through(self._folder(path, False), b"."))):
            for entry in self.walk(path + b"/" + name):
                yield entry

    def _folder(self, path, create):
        if path == b"":
            return self._root
        if path in self._cache:
            return self._cache[path]
        parent, name = path.rsplit(b"/", 1)
        through = _through(self._folder(parent, create), name)
        try:
            handle = _open_folder(through)
        except OSError as error:
            if error.errno != errno.ENOENT or not create:
                raise
            os.mkdir(through, self._folder_mode)
            os.chmod(through, self._folder_mode)  # whatever umask this runs under
            handle = _open_folder(through)
        if len(self._cache) >= _CACHE_LIMIT:
            self._forget(path)
        self._cache[path] = handle
        return handle

    def _forget(self, path):
        for known in list(self._cache):
            if not path.startswith(known + b"/"):
                os.close(self._cache.pop(known))


def set_time(way, nanoseconds):
    """Set access and modification time of the entry (no link is followed) to `nanoseconds` since the epoch."""
    libc = ctypes.CDLL(None, use_errno=True)  # Python 2 knows neither nanoseconds nor links here
    both = (_Timespec * 2)(*[_Timespec(*divmod(nanoseconds, 1000000000))] * 2)
    if libc.utimensat(_AT_FDCWD, way, both, _AT_SYMLINK_NOFOLLOW) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def modified(found):
    """Return the modification time of an lstat in nanoseconds; on Python 2 exact to a microsecond at best."""
    exact = getattr(found, "st_mtime_ns", None)
    return exact if exact is not None else int(round(found.st_mtime * 1000000)) * 1000


def _through(handle, name):
    return ("/proc/self/fd/%d/" % handle).encode("ascii") + name


def _open_folder(way):
    handle = os.open(way, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    # Python 2 passes descriptors on to children unless told otherwise.
    fcntl.fcntl(handle, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    return handle
