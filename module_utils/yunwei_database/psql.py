"""A session with a PostgreSQL server: psql on the host, fed by its standard input."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import binascii
import ctypes
import glob
import grp
import json
import os
import pwd
import re
import select
import signal
import subprocess

from .faults import SessionError, SqlError, as_text

_DEATH_SIGNAL = 1
_ERROR = re.compile(r"\A\S+?:\s+([0-9A-Z]{5}): (.*)\Z")
_HARMLESS = ("00", "01")
_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin")
_READ_BYTES = 1 << 16
# Questions over a catalog of many tables look costly, and would be compiled (version 11 and later) for longer than they
# run.
_FIRST = """
SELECT set_config(name, 'off', false) FROM pg_settings WHERE name = 'jit';
SELECT json_build_array(pg_backend_pid());
"""
# What stands for bytes that are no text.
_NO_TEXT = b"\xef\xbf\xbd".decode("utf-8")


class Session:
    """One connection that stays open, also after an error.

    Args:
        login: {"database", "port", "socket", "os_user", "role"}: `socket` None is the client's own folder, `role` None
            the role of the account's name.
        name: what the server shows as the application's name.
        settings: settings of the session, such as {"statement_timeout": "60s"}.

    Raises SessionError with the client's own words where no session begins.
    """

    def __init__(self, login, name, settings):
        """Connect."""
        self.name = login["database"]
        self._buffer = b""
        # Nobody can guess it: a name in a message of the server must not end an answer.
        self._mark = b"-- end " + binascii.hexlify(os.urandom(8)) + b" --\n"
        self._child = _start(_command(login), login["os_user"], _environment(login, name, settings))
        self._output = self._child.stdout.fileno()
        try:
            self.process_id = self.rows(_FIRST)[0][0]
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        """Return itself."""
        return self

    def __exit__(self, *_):
        """End the connection."""
        self.close()

    def close(self):
        """End the client; what it was at is cancelled in the server."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGINT)  # cancels a statement; an idle client only clears its line
        try:
            self._child.stdin.close()
        except EnvironmentError:
            pass
        self._child.stdout.close()
        self._child.wait()

    def rows(self, sql, meanwhile=None, every_seconds=0.5):
        """Run statements, each with its semicolon, and return their rows: every row is one JSON array.

        Args:
            sql: text.
            meanwhile: called without arguments every so often while the server is at work.
            every_seconds: how often.

        Raises SqlError for the first statement that the server refused, SessionError when the connection was cut.
        """
        self._send(sql)
        return _parse(self._answer(meanwhile, every_seconds))

    def _send(self, sql):
        text = "%s\n\\echo %s\n" % (sql, self._mark.decode("ascii").strip())
        try:
            data = text.encode("utf-8")
            while data:
                data = data[os.write(self._child.stdin.fileno(), data) :]
        except EnvironmentError:
            pass  # it has ended: the end of its output and its words follow

    def _answer(self, meanwhile, every_seconds):
        while not (self._buffer == self._mark or self._buffer.endswith(b"\n" + self._mark)):
            if not select.select([self._output], [], [], every_seconds)[0]:
                self._look(meanwhile)
                continue
            piece = os.read(self._output, _READ_BYTES)
            if not piece:
                raise SessionError(self._last_words())
            self._buffer += piece
        answer, self._buffer = self._buffer[: -len(self._mark)], b""
        return answer

    def _look(self, meanwhile):
        try:
            if meanwhile:
                meanwhile()
        except SqlError as error:
            # The answer is still to come: it would be taken for that to the next question.
            self.close()
            raise SessionError("the session that looks on failed: %s" % error.message)

    def _last_words(self):
        code = self._child.wait()
        lines = [line.strip() for line in self._buffer.decode("utf-8", "replace").split("\n") if line.strip()]
        told = [found.group(2) for found in [_ERROR.match(line) for line in lines] if found]
        return "%s (psql ended with %d)" % (" ".join(told or lines[-3:]) or "the connection was cut", code)


def literal(text):
    """Return a text as an SQL literal, whatever standard_conforming_strings says."""
    return "E'%s'" % text.replace("\\", "\\\\").replace("'", "''")


def _parse(answer):
    """Return the rows of an answer (bytes); raises SqlError for the first error in it."""
    rows = []
    for line in answer.decode("utf-8", "replace").split("\n"):
        if line.startswith("["):
            rows.append(_row(line))
            continue
        found = _ERROR.match(line)
        if found and found.group(1)[:2] not in _HARMLESS:
            raise SqlError(found.group(1), found.group(2))
    return rows


def _row(line):
    if _NO_TEXT in line:
        raise SqlError("22021", "a name in the catalog is not valid text: correct the name, or the client's encoding")
    try:
        return json.loads(line)
    except ValueError:
        raise SqlError("22023", "the server sent what is no row: %s" % line[:200])


def _command(login):
    words = [_find_psql(), "-XqAtw", "-v", "VERBOSITY=verbose", "-v", "ON_ERROR_STOP=0"]
    for key, option in (("port", "-p"), ("socket", "-h"), ("role", "-U")):
        if login.get(key):
            words += [option, "%s" % login[key]]
    # As a connection string a name cannot be mistaken for one.
    return words + ["-d", "dbname='%s'" % re.sub(r"(['\\])", r"\\\1", login["database"])]


def _find_psql():
    """Return the newest psql: a newer client speaks with every older server."""
    found = [path for folder in _FOLDERS for path in glob.glob(os.path.join(folder, "psql"))]
    if not found:
        return "psql"
    return sorted(found, key=lambda path: [int(part) for part in re.findall(r"\d+", path)])[-1]


def _environment(login, name, settings):
    options = " ".join("-c %s=%s" % (key, settings[key]) for key in sorted(settings))
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": os.path.expanduser("~" + login["os_user"]),
        "LC_ALL": "C",
        "PGCONNECT_TIMEOUT": "10",
        "PGCLIENTENCODING": "UTF8",
        "PGAPPNAME": name,
        "PGOPTIONS": options,
    }


def _start(command, account, environment):
    try:
        prepare = _become(account)
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
            env=environment, close_fds=True, preexec_fn=prepare,  # noqa: PLW1509 one thread, nothing is locked
        )  # fmt: skip
    except KeyError:
        raise SessionError("account %s does not exist on this host: correct os_user in the policy" % account)
    except Exception as error:  # OSError, or whatever the version at hand makes of an error before exec
        raise SessionError("%s cannot be started as %s: %s" % (command[0], account, as_text(error)))


def _become(account):
    """Return what the client does before it starts: become `account`, and die with this process."""
    entry = pwd.getpwnam(account)
    groups = [entry.pw_gid] + [group.gr_gid for group in grp.getgrall() if account in group.gr_mem]
    library = ctypes.CDLL(None)

    def prepare():
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        if os.geteuid() != entry.pw_uid:
            os.setgroups(groups)
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
        # After the change of account, which clears it. SIGINT: psql cancels what the server is doing for it.
        library.prctl(_DEATH_SIGNAL, int(signal.SIGINT), 0, 0, 0)

    return prepare
