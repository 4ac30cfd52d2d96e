"""One host's plan of what goes: every configured place walked once, nothing changed, memory bounded."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import heapq
import os

from .clock import moment
from .faults import FaultError, RefusedByPolicyError
from .loglist import ASIDE, key_of, pack, to_line, what_goes
from .logrules import DAY, Disk, Rule, choose, why_not
from .logwalk import walk
from .names import display_name, encode_name
from .openfiles import open_files
from .trail import account_number, open_folder

# The oldest so many files of a rule in one run; what is beyond goes with the next one.
MOST_FILES = 20000
_TOLD_BYTES = 600000
_TOLD_SKIPPED = 100


class Candidate:
    """A file that may go: what the choice needs and what its entry says; small, for there may be many."""

    __slots__ = ("path", "key", "mtime", "size", "blocks", "owner", "acting", "aside")

    def __init__(self, folder, name, status, acting):
        """Take what `status` says."""
        self.path = _path(folder, name)
        self.key = key_of(status)
        self.mtime, self.size, self.blocks = status.st_mtime, status.st_size, status.st_blocks
        self.owner = (status.st_mode & 0o7777, status.st_uid, status.st_gid)
        self.acting = acting
        self.aside = name.startswith(ASIDE)

    def entry(self, rule, why):
        """Return its entry in the list."""
        mode, uid, gid = self.owner
        entry = {"p": self.path, "key": self.key, "size": self.size, "mtime": int(self.mtime)}
        return dict(entry, mode=mode, uid=uid, gid=gid, acting=self.acting, rule=rule, why=why)


class Place:
    """The files of one rule, as the walk shows them."""

    def __init__(self, rule, now, skipped):
        """Prepare to look at the place of `rule` at the time `now`."""
        self._rule = rule
        self._now = now
        self._skipped = skipped
        self._account = account_number(rule.work["account"])
        self._oldest, self._newest = [], []
        self._order = 0
        self._acting = (None, None)
        self.device = None
        self.files, self.bytes, self.beyond = 0, 0, 0

    def look(self):
        """Walk it; return the `Disk` that it is on."""
        folder = open_folder(self._rule.path)
        self.device = folder.status.st_dev
        folder.enter()
        found = os.statvfs(".")
        walk(folder, self._rule.work["below"], self._visit, self._skipped.add)
        return Disk(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)

    def candidates(self):
        """Return what may go, oldest first; never the newest files that the rule keeps."""
        kept = set(path for _, path in self._newest)
        found = [candidate for _, _, candidate in sorted(self._oldest, reverse=True)]
        return [candidate for candidate in found if candidate.path not in kept]

    def _visit(self, folder, name, status):
        if not self._rule.takes(name):
            return
        fault = why_not(status, self.device, self._now)
        uid, unsafe = self._acting_in(folder)
        if fault or unsafe:
            self._skipped.add(_path(folder, name), fault or unsafe)
            return
        self.files += 1
        self.bytes += status.st_size
        self._remember_newest(folder, name, status)
        if self._now - status.st_mtime >= self._rule.work["keep_days"] * DAY:
            self._remember(folder, name, status, uid)

    def _acting_in(self, folder):
        """Return as whom to act in the folder; asked once for all of its files."""
        if self._acting[0] is not folder:
            self._acting = (folder, folder.acting(self._account))
        return self._acting[1]

    def _remember_newest(self, folder, name, status):
        keep = self._rule.work["keep_newest"]
        if keep:
            heapq.heappush(self._newest, (status.st_mtime, _path(folder, name)))
            if len(self._newest) > keep:
                heapq.heappop(self._newest)

    def _remember(self, folder, name, status, uid):
        if len(self._oldest) == MOST_FILES:
            self.beyond += 1
            if -status.st_mtime <= self._oldest[0][0]:
                return
            heapq.heappop(self._oldest)
        self._order += 1
        candidate = Candidate(folder, name, status, uid)
        heapq.heappush(self._oldest, (-candidate.mtime, -self._order, candidate))


class Skipped:
    """What was left out, counted by reason; only the first ones are named."""

    def __init__(self):
        """Nothing yet."""
        self.reasons = {}
        self.named = []

    def add(self, path, reason):
        """Count one."""
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        if len(self.named) < _TOLD_SKIPPED:
            self.named.append({"path": display_name(path), "reason": reason})


def plan(work, host, listed):
    """Return (summary, packed list) of what goes on this host under the rules of one system.

    Args:
        work: a `LogWork`.
        host: this host's name in the inventory.
        listed: whether the summary has a row for each file: that is what check mode shows.

    Raises RefusedByPolicyError for a rule whose permission has expired, FaultError for a place that is not there.
    """
    now, skipped, disks, taken = moment(work["time"]), Skipped(), {}, set()
    entries, rules = [], []
    for rule in [Rule(one) for one in work["rules"].get(host, [])]:
        demand_permission(rule.work, work["today"])
        place = Place(rule, now, skipped)
        try:
            disk = place.look()
        except FaultError as error:
            raise FaultError("rule %s: %s" % (rule.name, error))
        disk = disks.setdefault(place.device, disk)
        chosen = _chosen(rule.work, place, disk, now, taken)
        entries += chosen
        rules.append(_figures(rule.name, place, chosen))
    entries, left = _without_open(entries)
    entries.sort(key=lambda entry: (entry["mtime"], entry["p"]))
    packed = pack(to_line(entry) for entry in entries)
    summary = {
        "system": work["system"],
        "plan": {
            "digest": what_goes(entries),
            "sha256": packed["sha256"],
            "files": len(entries),
            "bytes": sum(entry["size"] for entry in entries),
        },
        "rules": rules,
        "skipped": {"reasons": skipped.reasons, "named": skipped.named},
        "items": told(left) + (told(entries, "would archive and retire") if listed else []),
    }
    return summary, packed


def demand_permission(rule, today):
    """Raise RefusedByPolicyError unless the rule (a `LogRuleWork`) names a written permission valid on `today`."""
    permission = rule.get("permission") or {}
    if not permission.get("reference") or (permission.get("expires") or "") < today:
        said = "REFUSED: rule %s has no valid written permission (%s, last day %s): ask the client for a new one"
        what = (rule["name"], permission.get("reference"), permission.get("expires"))
        raise RefusedByPolicyError("permission", said % what)


def told(entries, status=None):
    """Return rows for people, for as many entries as a record can hold; the last row counts the others."""
    rows, size = [], 0
    for number, entry in enumerate(entries):
        row = {
            "item": display_name(entry["p"]),
            "status": status or entry["status"],
            "reason": entry["why"],
            "bytes": entry["size"],
        }
        size += len(to_line(row))
        if size > _TOLD_BYTES:
            more = entries[number:]
            total = sum(entry["size"] for entry in more)
            rows.append({"item": "%d more files" % len(more), "status": rows[-1]["status"], "bytes": total})
            break
        rows.append(row)
    return rows


def _chosen(rule, place, disk, now, taken):
    """Return the entries that go under a rule and under none before it."""
    free = [one for one in place.candidates() if one.path not in taken]
    entries = [one.entry(rule["name"], why) for one, why in choose(rule, free, place.bytes, disk, now)]
    taken.update(entry["p"] for entry in entries)
    return entries


def _without_open(entries):
    """Return (entries that nobody has open, those that somebody has)."""
    opened = open_files(set(identity(entry["key"]) for entry in entries))
    closed, left = [], []
    for entry in entries:
        who = opened.get(identity(entry["key"]))
        if who:
            left.append(dict(entry, status="left", why="open in %s" % who))
        else:
            closed.append(entry)
    return closed, left


def identity(key):
    """Return (device, inode) of a key."""
    device, _, inode = key.split(":")[:3]
    return int(device), int(inode)


def _figures(name, place, chosen):
    return {
        "rule": name,
        "files": place.files,
        "bytes": place.bytes,
        "go": len(chosen),
        "go_bytes": sum(entry["size"] for entry in chosen),
        "beyond": place.beyond,
    }


def _path(folder, name):
    return encode_name(folder.path.rstrip(b"/") + b"/" + name)
