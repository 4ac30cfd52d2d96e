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

import watch_channels
import watch_judge
import watch_words

RULES = "/etc/yunwei-watch/rules.json"
SIGNING_KEY = "/etc/yunwei-watch/signing_key.pub"
COPIES = "/srv/miyun_copies"
STATE = "/var/lib/yunwei-watch"
NAMESPACE = "yunwei-copies"
MOST_BYTES = 1 << 20
KINDS = ("mail", "webhook", "file")


class RulesError(Exception):
    """The rules cannot be used."""


def read_rules():
    """Return the rules, or raise RulesError naming file and next step."""
    try:
        with open(RULES, "rb") as stream:
            rules = json.loads(stream.read().decode("utf-8"))
        wrong = rules["format"] != 1 or not rules["systems"] or not set(rules["channels"]) <= set(KINDS)
        if wrong or not rules["channels"] or rules["language"] not in ("zh", "en") or rules["repeat_seconds"] < 1:
            raise ValueError("format, systems, channels, language or repeat_seconds are not as they are written")
    except (IOError, OSError, ValueError, KeyError, TypeError) as error:
        raise RulesError("%s cannot be used: %s; run the role alert_watch with rules made from policy" % (RULES, error))
    return rules


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


def read_told():
    """Return what each channel was told: {channel: {key: {"kind", "at"}}}; nothing where that cannot be read."""
    try:
        with open(os.path.join(STATE, "told.json"), "rb") as stream:
            return dict(json.loads(stream.read().decode("ascii"))["told"])
    except (IOError, OSError, ValueError, KeyError, TypeError):
        return {}


def keep_told(told, now):
    """Keep what each channel was told, and when was looked, whole or not at all."""
    path = os.path.join(STATE, "told.json")
    with open(path + ".new", "wb") as stream:
        stream.write(json.dumps({"looked": watch_judge.stamp(now), "told": told}, sort_keys=True).encode("ascii"))
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(path + ".new", path)


class Telling:
    """Tells the channels what each of them has not been told yet."""

    def __init__(self, rules, told, now, check):
        """Remember what was told; nothing is sent yet."""
        self._rules, self._now, self._check = rules, now, check
        self.told = dict((name, told.get(name, {})) for name in rules["channels"])
        self.failures = {}

    def tell_all(self, findings):
        """Tell every channel that works what it has to know of the findings."""
        for name in KINDS:
            if name in self._rules["channels"] and not self.failures.get(name):
                self._tell(name, findings)

    def _tell(self, name, findings):
        before = dict((key, self.told[name][key]) for key in self.told[name] if key in findings)
        alerts, recovered = watch_judge.choose(findings, before, self._rules["repeat_seconds"], self._now)
        if alerts or recovered:
            chosen = [dict(findings[key], key=key) for key in alerts + recovered]
            if not self.send(name, self._message(chosen[: len(alerts)], chosen[len(alerts) :])):
                return
        after = watch_judge.remember(findings, before, alerts, recovered, self._now)
        others = dict((key, self.told[name][key]) for key in self.told[name] if key not in before)
        self.told[name] = dict(others, **after)

    def send(self, name, message):
        """Deliver a message, or print it in a check; tell whether that went well."""
        if self._check:
            print("%s: %s" % (name, "\n  ".join([message["subject"]] + message["lines"])))
            return True
        try:
            watch_channels.deliver(name, self._rules["channels"][name], message)
            self.failures[name] = None
        except Exception as error:  # whatever a channel fails with, the others go on
            self.failures[name] = ("%s: %s" % (type(error).__name__, error))[:300]
            print("yunwei_watch: %s: %s" % (name, self.failures[name]), file=sys.stderr)
        return not self.failures[name]

    def message(self, subject, events):
        """Return a message as channels take it; each event has its text."""
        host, at = socket.gethostname(), watch_judge.stamp(self._now)
        footer = watch_words.footer(self._rules["language"], host, at)
        lines = [event["text"] for event in events]
        return {"subject": subject, "lines": lines, "footer": footer, "host": host, "time": at, "events": events}

    def _message(self, alerts, recovered):
        language = self._rules["language"]
        events = [dict(finding, event="alert") for finding in alerts]
        events += [dict(finding, event="recovered") for finding in recovered]
        for event in events:
            event["text"] = watch_words.tell(event, language)
        return self.message(watch_words.subject(alerts, recovered, language), events)


def forget_others(told, findings):
    """Return what was told without the items and channels that the rules name no more."""
    known = set(findings) | set("channel/%s" % name for name in told)
    return dict((name, dict((key, told[name][key]) for key in told[name] if key in known)) for name in told)


def look(rules, now, check):
    """Judge every copy, tell every channel, keep what was told; return the exit code."""
    systems = rules["systems"]
    findings = watch_judge.judge(systems, dict((one["id"], read_statement(one["id"])) for one in systems), now)
    telling = Telling(rules, read_told(), now, check)
    telling.tell_all(findings)
    telling.tell_all(watch_judge.undelivered(telling.failures))
    for key in sorted(findings) if check else []:
        print("%s: %s" % (key, _figures(findings[key])))
    if not check:
        keep_told(forget_others(telling.told, findings), now)
    if [why for why in telling.failures.values() if why]:
        return 1
    return 4 if [key for key in findings if findings[key]["kind"] == watch_judge.UNREAD] else 0


def _figures(finding):
    return "%(kind)s, age %(age_seconds)s s, limit %(limit_seconds)s s" % finding


def test(rules, now):
    """Send a test to every channel; return the exit code."""
    telling = Telling(rules, {}, now, check=False)
    subject, text = watch_words.test_message(rules["language"], socket.gethostname())
    message = telling.message(subject, [{"event": "test", "text": text}])
    return 0 if all([telling.send(name, message) for name in rules["channels"]]) else 1


def main(words):
    """Look once and return the exit code; `--check` only says what would be told, `--test` tries every channel."""
    if words not in ([], ["--check"], ["--test"]):
        print("yunwei_watch: usage: yunwei_watch.py [--check | --test]", file=sys.stderr)
        return 2
    try:
        rules = read_rules()
        if words == ["--check"]:
            return look(rules, time.time(), check=True)
        with open(os.path.join(STATE, "lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return test(rules, time.time()) if words else look(rules, time.time(), check=False)
    except RulesError as error:
        print("yunwei_watch: %s" % error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
