"""Removes archived files from a host: only what is exactly as it was planned and archived, and never through a link.

A file is first renamed within its folder, then looked at again, and removed only when it is still the archived one and
no process has it open; else it gets its name back. What rotates a log at this very moment so loses nothing: the name
may be taken over by another file, the renamed one cannot.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import os

from .acting import demand_planned
from .faults import FaultError
from .hostlock import HostLock
from .loglist import ASIDE, is_plain, key_of, lasting, unpack, what_goes
from .logplan import demand_permission, identity, told
from .logrules import Rule
from .names import decode_absolute_path
from .openfiles import open_files
from .trail import ActingAs, account_number, open_folder

_CHANGED = "is not as it was planned"


def retire(work, host, permit, planned, archived):
    """Remove the files of `archived` from this host and return (summary, changed).

    Args:
        work: a `LogWork`.
        host: this host's name in the inventory.
        permit: what the gate issued.
        planned: {"packed", "sha256"}: the list that this host gave.
        archived: {"packed", "sha256"}: of these the files that the backup server read back.

    Raises FaultError for a list that this policy does not give, RefusedByPolicyError for one that the permit's stored
    plan does not have, before anything is touched.
    """
    rules = dict((one["name"], Rule(one)) for one in work["rules"].get(host, []))
    for rule in rules.values():
        demand_permission(rule.work, work["today"])
    wanted = unpack(planned["packed"], planned["sha256"])
    demand_planned(permit, work["system"], host, what_goes(wanted))
    entries = _of_these(unpack(archived["packed"], archived["sha256"]), wanted)
    folders = _by_folder(entries, rules)
    with HostLock(work["system"], permit):
        for raw in sorted(folders):
            Retirement(raw, folders[raw], rules).run()
    gone = [entry for entry in entries if entry["status"] == "retired"]
    summary = {
        "system": work["system"],
        "retired": {"files": len(gone), "bytes": sum(entry["size"] for entry in gone)},
        "left": len(entries) - len(gone),
        "items": told([entry for entry in entries if entry["status"] != "retired"] + gone),
        "verdict": "failed" if [entry for entry in entries if entry["status"] == "failed"] else "passed",
    }
    return summary, bool(gone)


def _of_these(entries, wanted):
    """Return `entries`; raises FaultError for one that was not planned."""
    known = set((entry["p"], entry["key"], entry["acting"], entry["rule"]) for entry in wanted)
    for entry in entries:
        if (entry["p"], entry["key"], entry["acting"], entry["rule"]) not in known:
            raise FaultError("%s was archived but not planned: start the job again" % entry["p"])
    return entries


def _by_folder(entries, rules):
    """Return {folder: entries}; raises FaultError for an entry that lies in no place of its rule."""
    folders = {}
    for entry in entries:
        folder, _, name = decode_absolute_path(entry["p"]).rpartition(b"/")
        rule = rules.get(entry["rule"])
        if rule is None or not rule.holds(folder) or not rule.takes(name):
            said = "%s is in no place of rule %s on this host: the plan is not this policy's; start the job again"
            raise FaultError(said % (entry["p"], entry["rule"]))
        entry["name"] = name
        folders.setdefault(folder, []).append(entry)
    return folders


class Retirement:
    """The files of one folder on their way out."""

    def __init__(self, folder, entries, rules):
        """Prepare; every entry gets a "status" and its reason in "why"."""
        self._path = folder
        self._entries = entries
        self._rules = rules

    def run(self):
        """Go through all of them."""
        try:
            folder = open_folder(self._path)
        except FaultError as error:
            self._leave_all("%s" % error)
            return
        try:
            folder.enter()
            for acting in sorted(set(entry["acting"] for entry in self._entries)):
                ours = [entry for entry in self._entries if entry["acting"] == acting]
                self._retire_as(folder, acting, ours)
        finally:
            folder.close()
            os.chdir("/")

    def _retire_as(self, folder, acting, entries):
        account = account_number(self._rules[entries[0]["rule"]].work["account"])
        uid, fault = folder.acting(account)
        if uid != acting:
            self._leave_all(fault or "its folder has another owner than when it was planned", entries)
            return
        opened = open_files(set(identity(entry["key"]) for entry in entries))
        with ActingAs(uid):
            aside = [entry for entry in entries if _set_aside(entry, opened)]
        # Nobody can open them by their names any more: who has them open now is all who ever will.
        opened = open_files(set(identity(entry["key"]) for entry in aside))
        with ActingAs(uid):
            for entry in aside:
                _settle(entry, opened)

    def _leave_all(self, reason, entries=None):
        for entry in entries or self._entries:
            entry.update(status="left", why=reason)


def _aside_name(entry):
    return ASIDE + entry["key"].split(":")[2].encode("ascii")


def _set_aside(entry, opened):
    """Rename the file if it is the planned one and closed; return whether it was done, else say why not."""
    name, aside = entry["name"], _aside_name(entry)
    try:
        who = opened.get(identity(entry["key"]))
        status = os.lstat(name)
        if who:
            entry.update(status="left", why="open in %s" % who)
        elif key_of(status) != entry["key"] or not is_plain(status):
            entry.update(status="left", why=_CHANGED)
        elif name != aside and _exists(aside):
            entry.update(status="left", why="%s is in its way: look at it" % aside.decode("ascii"))
        else:
            os.rename(name, aside)
            return True
    except EnvironmentError as error:
        _fail(entry, error)
    return False


def _settle(entry, opened):
    """Remove the renamed file if it is the archived one and closed, or give it its name back."""
    aside = _aside_name(entry)
    try:
        status = os.lstat(aside)
        who = opened.get(identity(entry["key"]))
        if is_plain(status) and lasting(key_of(status)) == lasting(entry["key"]) and not who:
            os.unlink(aside)
            entry.update(status="retired")
            return
        entry.update(status="left", why="open in %s" % who if who else _CHANGED)
        if aside != entry["name"]:
            os.link(aside, entry["name"])
            os.unlink(aside)
    except EnvironmentError as error:
        _fail(entry, error)


def _fail(entry, error):
    if error.errno == errno.ENOENT:
        entry.update(status="left", why="is not there any more")
        return
    entry.update(status="failed", why="%s; what was renamed is %s" % (error.strerror, _aside_name(entry).decode()))


def _exists(name):
    try:
        os.lstat(name)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return False
        raise
    return True
