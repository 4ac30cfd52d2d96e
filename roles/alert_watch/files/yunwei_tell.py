#!/usr/bin/python3
"""Starts a job for its timer and tells people when it did not end well.

`run JOB SYSTEM COMMAND...` starts the command, which prints one JSON document, and ends with its exit code. A mark lies
on disk from before the start until every channel was told, or all was well; so a run that was killed, or that nobody
could be told of, is told by a later look. Without words it looks: that is what its own timer does, every few minutes.
Exit codes of a look: 0 everybody was told, 1 a channel could not be told, 2 the rules are wrong.
Standard library only, Python 2.6 and later; it needs nothing of the program that it starts.
"""

from __future__ import absolute_import, division, print_function, unicode_literals

import fcntl
import io
import json
import os
import subprocess
import sys
import time
import unicodedata

import watch_judge
import watch_telling

RULES = "/etc/yunwei-tell/rules.json"
STATE = "/var/lib/yunwei-tell"
REMEDY = "run the job set-timers"
MOST_BYTES = 1 << 24
MOST_CHARACTERS = 300
ENDS = {2: "unusable", 3: "refused", 4: "unjudged"}


class Mark:
    """A run's mark: locked for as long as this process is there, replaced whole by what came of the run."""

    def __init__(self, run):
        """Put it there."""
        self._path = os.path.join(STATE, "runs", "%d-%d.json" % (time.time(), os.getpid()))
        self._run = run
        self._locked = self._write({"kind": None})

    def _write(self, more):
        stream = io.open(self._path + ".new", "wb")  # noqa: SIM115 - it stays open, for it holds the lock
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX)
        stream.write(json.dumps(dict(self._run, **more)).encode("ascii"))
        stream.flush()
        os.fsync(stream.fileno())
        os.rename(self._path + ".new", self._path)
        return stream

    def ended(self, outcome):
        """Keep what came of the run; nothing where all was well."""
        if outcome["kind"] == watch_judge.GOOD:
            os.unlink(self._path)
        else:
            self._write(outcome).close()


def read_marks():
    """Return {name: finding} of every run that is over and not told to everybody."""
    found = {}
    folder = os.path.join(STATE, "runs")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".json") and not _is_running(os.path.join(folder, name)):
            mark = _read_mark(os.path.join(folder, name))
            if mark is not None:
                found["run/" + name] = dict(mark, once=True)
    return found


def _is_running(path):
    try:
        with io.open(path, "rb") as stream:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (IOError, OSError):  # held, or gone because the run has just ended well
        return True
    return False


def _read_mark(path):
    """Return what is known of a run, None where its mark is gone; read after the lock, so it is the last word."""
    blank = {"job": "?", "system": "?", "began": "?", "kind": None, "run": None, "exit_code": None, "reason": None}
    try:
        with io.open(path, "rb") as stream:
            mark = dict(blank, **json.loads(stream.read(MOST_BYTES).decode("ascii")))
    except (IOError, OSError):
        return None
    except (ValueError, TypeError):
        mark = dict(blank, reason="its mark cannot be read: %s" % path)
    return mark if mark["kind"] else dict(mark, kind="interrupted", reason=mark["reason"] or "its process is gone")


def start(command):
    """Run a command with its output going where ours goes; return its exit code and its standard output."""
    try:
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
    except OSError as error:
        return 1, json.dumps({"reason": "%s cannot be started: %s" % (command[0], error.strerror)}).encode("ascii")
    kept, size = [], 0
    for line in iter(child.stdout.readline, b""):
        size += len(line)
        if size <= MOST_BYTES:
            kept.append(line)
        _pass_on(line)
    child.stdout.close()
    return child.wait(), b"".join(kept)


def _pass_on(line):
    """Write a line where our output goes; nobody there is no reason to stop the job."""
    out = getattr(sys.stdout, "buffer", sys.stdout)
    try:
        out.write(line)
        out.flush()
    except (IOError, OSError):
        return


def outcome_of(exit_code, output):
    """Return {"kind", "exit_code", "run", "reason"} of a command from its exit code and the document it printed."""
    if exit_code == 0:
        return {"kind": watch_judge.GOOD}
    try:
        document = dict(json.loads(output.decode("utf-8")))
        run, reason = document.get("run_id") or document.get("evidence_id"), _reason(document)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        run = reason = None
    reason = reason or ("it was ended by signal %d" % -exit_code if exit_code < 0 else "it gave no reason")
    kind = ENDS.get(exit_code, "failed")
    return {"kind": kind, "exit_code": exit_code, "run": cleaned(run) if run else None, "reason": cleaned(reason)}


def _reason(document):
    """Return why, from the document of a run, of an inspection or of an error."""
    if document.get("error"):
        return document["error"]["message"]
    if document.get("reason"):
        return document["reason"]
    if document.get("verification"):
        unproven = document["verification"]["not_passed"][0]
        return "%s %s: %s" % (unproven["role"], unproven["test"], unproven["reason"])
    found = [check for check in document.get("checks", []) if check["status"] in ("finding", "unknown")]
    return "%d findings; the first: %s %s" % (len(found), found[0]["place"], found[0]["cause"]) if found else None


def cleaned(text):
    """Return a text as one short line: no control, no direction mark, nothing that could look like another line."""
    plain = "".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in "%s" % text)
    line = " ".join(plain.split()).rstrip(".")
    return line if len(line) <= MOST_CHARACTERS else line[: MOST_CHARACTERS - 1] + "\u2026"


def look(rules, now):
    """Tell every channel of each run that it was not told of; return the exit code."""
    with io.open(os.path.join(STATE, "lock"), "w") as lock:
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX)
        findings = _named(rules, read_marks())
        telling = watch_telling.Telling(rules, watch_telling.read_told(STATE), now, check=False)
        telling.tell_all(findings)
        telling.tell_all(watch_judge.undelivered(telling.failures))
        watch_telling.keep_told(STATE, telling.told, now)
        over = [key for key in findings if all([key in told for told in telling.told.values()])]
        for key in over:
            os.unlink(os.path.join(STATE, "runs", key[len("run/") :]))
        left = dict((key, findings[key]) for key in findings if key not in over)
        watch_telling.keep_told(STATE, watch_telling.forget_others(telling.told, left), now)
    return 1 if [why for why in telling.failures.values() if why] else 0


def tell_once(rules, now, finding):
    """Tell every channel of a run that could leave no mark: now or never."""
    watch_telling.Telling(rules, {}, now, check=False).tell_all(_named(rules, {"run": finding}))


def _named(rules, findings):
    """Return findings with the names of their systems."""
    names = dict((system["id"], system["name"]) for system in rules["systems"])
    for finding in findings.values():
        finding["name"] = names.get(finding["system"], {"zh": finding["system"], "en": finding["system"]})
    return findings


def run(job, system, command):
    """Run a timer's job, tell what became of it, and return its exit code; what cannot be told does not stop it."""
    about = {"job": job, "system": system, "began": watch_judge.stamp(time.time())}
    mark = _mark(about)
    exit_code, output = start(command)
    outcome = outcome_of(exit_code, output)
    kept = mark is not None and _attempt(lambda: mark.ended(outcome))
    if outcome["kind"] != watch_judge.GOOD:
        _attempt(lambda: _tell(None if kept else dict(about, **outcome)))
    return exit_code if exit_code >= 0 else 128 - exit_code


def _tell(unmarked):
    rules, now = watch_telling.read_rules(RULES, REMEDY), time.time()
    if unmarked:
        tell_once(rules, now, unmarked)
    else:
        look(rules, now)


def _mark(about):
    try:
        return Mark(about)
    except (IOError, OSError) as error:
        print("yunwei_tell: this run leaves no mark, so it is told at once or never: %s" % error, file=sys.stderr)
        return None


def _attempt(action):
    """Do something without which the job goes on; tell whether it was done."""
    try:
        action()
    except (IOError, OSError, watch_telling.RulesError) as error:
        print("yunwei_tell: %s" % error, file=sys.stderr)
        return False
    return True


def main(words):
    """Start a job, or look once; return the exit code."""
    if words[:1] == ["run"] and len(words) > 3:
        return run(words[1], words[2], words[3:])
    if words:
        print("yunwei_tell: usage: yunwei_tell.py [run JOB SYSTEM COMMAND...]", file=sys.stderr)
        return 2
    try:
        return look(watch_telling.read_rules(RULES, REMEDY), time.time())
    except watch_telling.RulesError as error:
        print("yunwei_tell: %s" % error, file=sys.stderr)
        return 2
    except (IOError, OSError) as error:
        print("yunwei_tell: %s; %s" % (error, REMEDY), file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
