"""Tells each channel what it has not been told yet, and remembers it. Standard library only, Python 2.6 and later."""

from __future__ import absolute_import, division, print_function

import json
import os
import socket
import sys

import watch_channels
import watch_judge
import watch_words

KINDS = ("mail", "webhook", "file")


class RulesError(Exception):
    """The rules cannot be used."""


def read_rules(path, remedy):
    """Return the rules of a file, or raise RulesError naming it and the next step, which is the remedy."""
    try:
        with open(path, "rb") as stream:
            rules = json.loads(stream.read().decode("utf-8"))
        wrong = rules["format"] != 1 or not rules["systems"] or not set(rules["channels"]) <= set(KINDS)
        if wrong or not rules["channels"] or rules["language"] not in ("zh", "en") or rules["repeat_seconds"] < 1:
            raise ValueError("format, systems, channels, language or repeat_seconds are not as they are written")
    except (IOError, OSError, ValueError, KeyError, TypeError) as error:
        raise RulesError("%s cannot be used: %s; %s" % (path, error, remedy))
    return rules


def read_told(folder):
    """Return what each channel was told: {channel: {key: {"kind", "at"}}}; nothing where that cannot be read."""
    try:
        with open(os.path.join(folder, "told.json"), "rb") as stream:
            return dict(json.loads(stream.read().decode("ascii"))["told"])
    except (IOError, OSError, ValueError, KeyError, TypeError):
        return {}


def keep_told(folder, told, now):
    """Keep what each channel was told, and when was looked, whole or not at all."""
    path = os.path.join(folder, "told.json")
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
            print("channel %s: %s" % (name, self.failures[name]), file=sys.stderr)
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
