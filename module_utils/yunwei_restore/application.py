"""Starts the restored application against the restored database and asks whether it is ready."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import stat
import time

from . import commands
from .errors import BadBackupError, NotJudgedError
from .server import Server

try:
    from urllib.request import ProxyHandler, build_opener  # novm
except ImportError:  # Python 2
    from urllib2 import ProxyHandler, build_opener  # novm

MARK = "YUNWEI_RESTORE"
_ANSWER_LIMIT = 65536
_SHOWN = 300


def run(unit, host, report, work):
    """Start the application in a drill, ask it whether it is ready and stop the clock; returns whether it was started.

    A system without an application is ready when it is verified. In a recovery its services were started before; onto
    other hosts it is not called recovered before something was started there and has answered.
    """
    settings = unit["application"]
    drill = unit["mode"] == "drill"
    with report.phases.run("ready"):
        if settings is None or not (drill or unit["services"]):
            for error in left_undone(unit):
                report.blame(error)
            report.facts.update(probe=None, ready_at=round(time.time(), 3))
            return False
        child = start(work, settings, _server(work, settings)) if drill else None
        found = probe(settings["probe"], child)
    report.facts.update(probe=dict((key, found[key]) for key in ("url", "answer", "ok")), ready_at=found["answered"])
    if not found["ok"]:
        said = "; its last words: %s" % log_tail(work) if drill else ""
        cause = "%s does not answer %r but %r%s" % (found["url"], settings["probe"]["expect"], found["answer"], said)
        raise BadBackupError("application", cause, "look at its log; is everything that it needs in the backup?")
    return drill


def left_undone(unit):
    """Return a NotJudgedError for each thing that a person must do where a recovery went to other hosts unasked.

    In place nobody is told: what ran there before goes on, or was started again.
    """
    beside = unit["part"]["table"] or unit["part"]["files"]
    moved = [item for item in unit["items"] if item["target_host"] != item["source_host"]]
    if unit["mode"] == "drill" or beside or not moved:
        return []
    found = [
        NotJudgedError(
            "%(unit)s on %(host)s" % service,
            "the service was not started: this recovery brings nothing to it",
            "lead it to the new host, then start it",
        )
        for service in unit["left_alone"]
    ]
    if not unit["services"] and not found:
        found.append(NotJudgedError(unit["system"], "nothing was started: policy names no services", "start it"))
    return found + [not_asked(unit)]


def not_asked(unit):
    """Return the NotJudgedError that says that the application was not asked whether it answers."""
    settings = unit["application"]
    if settings is None:
        return NotJudgedError("application", "it was not asked whether it answers: policy names none", "try it out")
    cause = "its health probe %s was not asked" % settings["probe"]["url"]
    return NotJudgedError("application", cause, "ask it once the services run")


def start(work, application, server):
    """Start the application of `work` (WorkDir) and return the child.

    `application` is the policy's part; `server` the restored database's Server or None. It runs as the owner of its
    program, as nobody when root owns that, and is told the database by the PG* variables that every client reads.
    """
    root = work.part("files")
    arguments = [_below(root, word) for word in application["command"]]
    program = _program(root, arguments)
    owner = _owner(program)
    extra = dict(application.get("environment") or {})
    extra.update({MARK: work.restore_id, "YUNWEI_RESTORE_ROOT": root})
    if server is not None:
        # The role is the application's own (or policy's PGUSER); this server asks nobody for a password.
        extra.update(PGHOST=server.socket, PGPORT=str(server.port), PGDATABASE=application["database"])
    log = _log(work)
    try:
        with open(os.devnull, "rb") as nothing:
            user = owner + (_socket_group(server),)
            return commands.start(arguments, user, extra, stdin=nothing, stdout=log, stderr=log, cwd=root)
    finally:
        os.close(log)


def probe(settings, process=None):
    """Return {"url", "answer", "ok", "answered"} once the answer holds `expect`, or when time is up.

    `settings` is the policy's {"url", "expect", "timeout_seconds"}; `process` an open child that must stay alive.
    """
    opener = build_opener(ProxyHandler({}))  # a proxy of the host must not answer for the application
    deadline = time.time() + settings["timeout_seconds"]
    answer = None
    while True:
        answer = _ask(opener, settings["url"])
        if answer is not None and settings["expect"] in answer:
            return {"url": settings["url"], "answer": answer[:_SHOWN], "ok": True, "answered": time.time()}
        if time.time() >= deadline or (process is not None and process.poll() is not None):
            return {"url": settings["url"], "answer": _shown(answer), "ok": False, "answered": time.time()}
        time.sleep(0.1)


def log_tail(work):
    """Return the last line that the application wrote."""
    try:
        with open(work.part("app", "log"), "rb") as stream:
            return commands.last_line(commands.shown(stream.read()))
    except (OSError, IOError):
        return "it wrote no log"


def _server(work, settings):
    kept = work.item("database:%s" % settings["database"]).get("server") if settings["database"] else None
    return Server(**kept) if kept else None


def _below(root, word):
    """Return the word of a command as a path in the restored tree when it names an entry there."""
    if word.startswith(("/", "-")):
        return word
    path = os.path.normpath(os.path.join(root, word))
    return path if path.startswith(root + "/") and os.path.lexists(path) else word


def _program(root, arguments):
    inside = [word for word in arguments if word.startswith(root + "/")]
    if not inside:
        raise BadBackupError(
            "application", "none of %s is in the restored tree" % " ".join(arguments), "is the file set complete?"
        )
    return inside[0]


def _owner(program):
    found = os.lstat(program)
    if not stat.S_ISREG(found.st_mode):
        raise BadBackupError("application", "%s is not a file" % program, "is the file set complete?")
    return (found.st_uid, found.st_gid) if found.st_uid != 0 else (65534, 65534)


def _socket_group(server):
    return [os.stat(server.socket).st_gid] if server is not None else []


def _log(work):
    return os.open(work.part("app", "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)


def _ask(opener, url):
    try:
        return opener.open(url, timeout=5).read(_ANSWER_LIMIT).decode("utf-8", "replace")
    except Exception as error:  # whatever a half-started program does to the connection means "not yet"
        body = getattr(error, "read", None)
        return body(_ANSWER_LIMIT).decode("utf-8", "replace") if body else None


def _shown(answer):
    return None if answer is None else answer[:_SHOWN]
