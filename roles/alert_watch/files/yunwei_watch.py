#!/usr/bin/python3
"""Alerts when the newest accepted and verified copy of a system grows too old, whatever became of the controller.

Run by its own timer on a host that the controller cannot change. It reads the signed statements of copies that lie at
this site, and the rules that were made from policy; nothing else decides. Exit codes: 0 everything was judged and
everybody told, 1 a channel could not be told, 2 the rules are wrong, 4 the age of a copy could not be judged.
Standard library only, Python 2.6 and later.
"""

from __future__ import absolute_import, division, print_function

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import watch_judge
import watch_telling
import watch_words

RULES = "/etc/yunwei-watch/rules.json"
SIGNING_KEY = "/etc/yunwei-watch/signing_key.pub"
COPIES = "/srv/miyun_copies"
STATE = "/var/lib/yunwei-watch"
NAMESPACE = "yunwei-copies"
MOST_BYTES = 1 << 20
REMEDY = "run the role alert_watch with rules made from policy"


def read_statement(system):
    """Return the copies that a system's signed statement names, {} where none was made yet, or the text why not."""
    path = os.path.join(COPIES, system + ".json")
    if not os.path.lexists(path):
        return {}
    try:
        with open(path, "rb") as stream:
            kept = json.loads(stream.read(MOST_BYTES).decode("ascii"))
        verify(kept["copies"].encode("ascii"), kept["signature"].encode("ascii"))
        told = json.loads(kept["copies"])
        if (told["format"], told["system"]) != (1, system):
            raise ValueError("it is of another system or format")
        return dict(told["copies"])
    except (IOError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return "%s: %s" % (path, error or type(error).__name__)


def verify(text, signature):
    """Raise ValueError unless the text is signed by the pinned key."""
    with open(SIGNING_KEY, "rb") as stream:
        key = stream.read().strip()
    folder = tempfile.mkdtemp(prefix="yunwei-watch-")
    try:
        for name, content in (("allowed", b"receipt " + key + b"\n"), ("signature", signature)):
            with open(os.path.join(folder, name), "wb") as stream:
                stream.write(content)
        command = ["ssh-keygen", "-q", "-Y", "verify", "-n", NAMESPACE, "-I", "receipt"]
        command += ["-f", os.path.join(folder, "allowed"), "-s", os.path.join(folder, "signature")]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        child.communicate(text)
        if child.returncode:
            raise ValueError("the statement is not signed by the pinned key")
    finally:
        shutil.rmtree(folder)


def look(rules, now, check):
    """Judge every copy, tell every channel, keep what was told; return the exit code."""
    systems = rules["systems"]
    findings = watch_judge.judge(systems, dict((one["id"], read_statement(one["id"])) for one in systems), now)
    telling = watch_telling.Telling(rules, watch_telling.read_told(STATE), now, check)
    telling.tell_all(findings)
    telling.tell_all(watch_judge.undelivered(telling.failures))
    for key in sorted(findings) if check else []:
        print("%s: %s" % (key, _figures(findings[key])))
    if not check:
        watch_telling.keep_told(STATE, watch_telling.forget_others(telling.told, findings), now)
    if [why for why in telling.failures.values() if why]:
        return 1
    return 4 if [key for key in findings if findings[key]["kind"] == watch_judge.UNREAD] else 0


def _figures(finding):
    return "%(kind)s, age %(age_seconds)s s, limit %(limit_seconds)s s" % finding


def test(rules, now):
    """Send a test to every channel; return the exit code."""
    telling = watch_telling.Telling(rules, {}, now, check=False)
    subject, text = watch_words.test_message(rules["language"], socket.gethostname())
    message = telling.message(subject, [{"event": "test", "text": text}])
    return 0 if all([telling.send(name, message) for name in rules["channels"]]) else 1


def main(words):
    """Look once and return the exit code; `--check` only says what would be told, `--test` tries every channel."""
    if words not in ([], ["--check"], ["--test"]):
        print("yunwei_watch: usage: yunwei_watch.py [--check | --test]", file=sys.stderr)
        return 2
    try:
        rules = watch_telling.read_rules(RULES, REMEDY)
        if words == ["--check"]:
            return look(rules, time.time(), check=True)
        with open(os.path.join(STATE, "lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return test(rules, time.time()) if words else look(rules, time.time(), check=False)
    except watch_telling.RulesError as error:
        print("yunwei_watch: %s" % error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
