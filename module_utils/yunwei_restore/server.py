"""A PostgreSQL server on this host: where its programs are and how it is asked; the only file that calls psql."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import glob
import json
import os
import re

from . import commands, sql
from .errors import NotJudgedError

BIN_PATTERNS = ("/usr/lib/postgresql/%s/bin", "/usr/pgsql-%s/bin")
SOCKET_FOLDERS = ("/var/run/postgresql", "/run/postgresql", "/tmp")  # noqa: S108 - where servers listen
DISK_FULL = "No space left on device"
_NOT_THE_BACKUP = (
    DISK_FULL,
    "could not extend file",
    "out of memory",
    "out of shared memory",
    "server closed the connection",
    "terminating connection",
    "could not connect",
    "connection to server",
    "too many clients",
    "invalid locale name",
    "server version mismatch",
)


class Server:
    """A cluster reached over its socket folder; `user` is the superuser's role, `os_user` the account that asks."""

    def __init__(self, bin_dir, socket, port, user="postgres", os_user="postgres"):
        """Keep where the server is; nothing is contacted."""
        self.bin_dir = bin_dir
        self.socket = socket
        self.port = port
        self.user = user
        self.os_user = os_user

    def as_dict(self):
        """Return what Server(**...) needs to point at the same server again."""
        return {
            "bin_dir": self.bin_dir,
            "socket": self.socket,
            "port": self.port,
            "user": self.user,
            "os_user": self.os_user,
        }

    def environment(self):
        """Return the PG* variables that lead a client to this server."""
        return {"PGHOST": self.socket, "PGPORT": str(self.port), "PGUSER": self.user, "PGCONNECT_TIMEOUT": "20"}

    def program(self, name):
        """Return the absolute path of one of the server's own programs."""
        return os.path.join(self.bin_dir, name)

    def run(self, name, arguments, given=None):
        """Return what the program `name` writes; raises CommandError."""
        return commands.run([self.program(name)] + arguments, self.os_user, self.environment(), given)

    def script(self, text, database="postgres", single=False):
        """Run the statements of `text` (text) up to the first error and return the output as text."""
        arguments = ["-X", "-qAt", "-w", "-v", "ON_ERROR_STOP=1", "-d", connection(database)]
        arguments += ["--single-transaction"] if single else []
        return self.run("psql", arguments, given=text.encode("utf-8")).decode("utf-8", "replace")

    def rows(self, query, database="postgres"):
        """Return the rows of `query` (one statement) as a list of dicts."""
        # The alias must be no column's name: PostgreSQL would silently take that column alone.
        whole = "SELECT coalesce(json_agg(row_to_json(yunwei_row)), '[]') FROM (%s) AS yunwei_row;\n"
        text = whole % query.rstrip("; \n")
        return json.loads(self.script("SET client_encoding = 'UTF8';\n" + text, database))

    def databases(self):
        """Return the names of the databases that a person made."""
        query = "SELECT datname FROM pg_catalog.pg_database WHERE NOT datistemplate AND datname <> 'postgres'"
        return sorted(row["datname"] for row in self.rows(query))

    def roles(self):
        """Return the names of all roles but the built-in ones."""
        query = "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_'"
        return set(row["rolname"] for row in self.rows(query))

    def version_num(self):
        """Return the server's version as a number, 150018 for 15.18."""
        return int(self.script("SHOW server_version_num;"))

    def exists(self, database):
        """Return whether the server has a database of this name."""
        query = "SELECT 1 AS one FROM pg_catalog.pg_database WHERE datname =%s" % sql.quote_text(database)  # noqa: S608
        return bool(self.rows(query))

    def takes_sessions(self, database):
        """Return whether a database that exists may be connected to."""
        query = "SELECT datallowconn FROM pg_catalog.pg_database WHERE datname =%s" % sql.quote_text(database)  # noqa: S608
        return self.rows(query)[0]["datallowconn"]


def connection(database):
    """Return `database` as a connection string, so that no name is taken for one."""
    return "dbname='%s'" % database.replace("\\", "\\\\").replace("'", "\\'")


def bin_dir(major):
    """Return the folder of the server programs of this major version (text such as "15" or "9.6")."""
    tried = [pattern % major for pattern in BIN_PATTERNS]
    for folder in tried:
        if os.path.exists(os.path.join(folder, "initdb")):
            return folder
    raise NotJudgedError(
        "PostgreSQL %s" % major,
        "the backup needs server programs of this major version; this host has %s" % (", ".join(majors()) or "none"),
        "install the server package of version %s (looked in %s)" % (major, ", ".join(tried)),
    )


def majors():
    """Return the major versions whose server programs this host has."""
    found = set()
    for pattern in BIN_PATTERNS:
        for folder in glob.glob(pattern % "*"):
            if os.path.exists(os.path.join(folder, "initdb")):
                found.add(re.split(r"pgsql-|/postgresql/", folder)[1].split("/")[0])
    return sorted(found)


def major_of(version_num):
    """Return the major version of a server_version_num: "15" of 150018, "9.6" of 90624."""
    number = int(version_num)
    return str(number // 10000) if number >= 100000 else "%d.%d" % (number // 10000, number // 100 % 100)


def existing(port, os_user="postgres"):
    """Return the Server that runs on this host at `port`; raises NotJudgedError when none answers."""
    for socket in SOCKET_FOLDERS:
        if os.path.exists(os.path.join(socket, ".s.PGSQL.%d" % port)):
            break
    else:
        raise NotJudgedError("port %d" % port, "no database server runs here", "start or create the cluster first")
    found = majors()
    if not found:
        raise NotJudgedError("port %d" % port, "the server's programs are not on this host", "install them")
    server = Server(bin_dir(found[-1]), socket, port, os_user, os_user)
    try:
        server.bin_dir = bin_dir(major_of(server.version_num()))
    except commands.CommandError as error:
        raise NotJudgedError("port %d" % port, "the server does not answer: %s" % error, "look at its log")
    return server


def is_not_the_backup(stderr):
    """Return whether an error text of a database program speaks about the host or the server, not the backup."""
    return bool([word for word in _NOT_THE_BACKUP if word in stderr])
