"""The throw-away database server of a drill: made below the work folder, reachable only through its own socket."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import pwd

from . import commands
from .errors import NotJudgedError
from .server import Server, bin_dir

OS_USER = "postgres"
PORT = 55432

# A drill's data may be lost at any moment, so nothing waits for a disk; a recovery never uses these.
_SETTINGS = """
listen_addresses = ''
port = %(port)d
unix_socket_directories = '%(socket)s'
unix_socket_permissions = 0770
cluster_name = 'yunwei-%(restore_id)s'
logging_collector = off
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 4GB
checkpoint_timeout = 30min
autovacuum = off
shared_buffers = %(buffers)dMB
maintenance_work_mem = %(maintenance)dMB
max_connections = 40
# In files of the data folder, so that a killed server leaves none in /dev/shm.
dynamic_shared_memory_type = mmap
"""


def create(work, major, superuser):
    """Make, start and return the Server of this restore in `work` (WorkDir): `major` is "15", `superuser` a role.

    Raises NotJudgedError when the host lacks the version or the server does not start.
    """
    folder = bin_dir(major)
    server = Server(folder, work.part("pg", "socket"), PORT, superuser, OS_USER)
    owner = _owner()
    os.chown(work.part("pg"), *owner)
    os.chmod(work.part("pg"), 0o750)  # noqa: S103 - clients come in by their group
    os.mkdir(server.socket, 0o750)
    os.chown(server.socket, *owner)
    data = work.part("pg", "data")
    try:
        server.run("initdb", ["-D", data, "-U", superuser, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"])
        with open(os.path.join(data, "postgresql.conf"), "a") as stream:
            stream.write(_settings(work, server))
        start(work, server)
    except commands.CommandError as error:
        raise NotJudgedError("drill instance", str(error), "look at the host: %s" % _log_tail(work))
    return server


def start(work, server):
    """Start the instance and wait until it answers."""
    arguments = ["-D", work.part("pg", "data"), "-l", work.part("pg", "log"), "-w", "-t", "60", "start"]
    with open(os.devnull, "wb") as nowhere:
        child = commands.start(
            [server.program("pg_ctl")] + arguments, OS_USER, stdin=nowhere, stdout=nowhere, stderr=nowhere
        )
        if child.wait() != 0:
            raise commands.CommandError("pg_ctl", child.returncode, _log_tail(work))


def stop(work):
    """Stop the instance at once when it runs; returns whether there was one."""
    data = work.part("pg", "data")
    if not os.path.exists(os.path.join(data, "postmaster.pid")):
        return False
    with open(os.path.join(data, "PG_VERSION")) as stream:
        folder = bin_dir(stream.read().strip())
    try:
        commands.run([os.path.join(folder, "pg_ctl"), "-D", data, "-m", "immediate", "-w", "stop"], OS_USER)
    except commands.CommandError:
        return False  # the scan for processes that follows tells the truth
    return True


def _settings(work, server):
    megabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 20)
    values = {
        "port": server.port,
        "socket": server.socket,
        "restore_id": work.restore_id[:40],
        "buffers": max(64, min(1024, megabytes // 16)),
        "maintenance": max(64, min(512, megabytes // 32)),
    }
    return _SETTINGS % values


def _owner():
    try:
        entry = pwd.getpwnam(OS_USER)
    except KeyError:
        raise NotJudgedError(OS_USER, "the host has no such account", "install the database's server package")
    return entry.pw_uid, entry.pw_gid


def _log_tail(work):
    try:
        with open(work.part("pg", "log"), "rb") as stream:
            return commands.last_line(commands.shown(stream.read()))
    except (OSError, IOError):
        return "it wrote no log"
