"""Holds a new backup against the one before it, to find mass deletion and mass encryption; decides only.

A backup that lost more than policy allows is kept all the same: it may be all there is. Its record says what was found
and names the last good backups before it; retention, at either site, keeps all of them until a person releases the
record by policy. The record itself is the hold, so there is no moment at which the backup is there and the hold is not.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from .frames import clean_text
from .records import is_named

# A rewritten share is only odd against what is usual here: two weeks of daily backups hold every weekday twice.
HISTORY = 14
ENOUGH_HISTORY = 5
_TOLD = 10
_HELD_LIMIT = 100


def stored(new_bytes, size, former):
    """Return what the record keeps about deduplication: {"bytes", "new_bytes", "rewritten_percent"}.

    Args:
        new_bytes: what the payload added to the repository.
        size: bytes of the whole item: of the dump, or of all files.
        former: the record before, where both were stored the same way, else None: a full reading of a file set puts
            files side by side that lay apart before, so its share tells nothing.

    Growth is not counted as rewritten: only what came in place of something that was there before.
    """
    share = None
    if former and former.get("stored") and size:
        growth = max(0, size - former["stored"]["bytes"])
        share = round(100.0 * min(size, max(0, new_bytes - growth)) / size, 1)
    return {"bytes": size, "new_bytes": new_bytes, "rewritten_percent": share}


def judge(changes, found, history, former, rules):
    """Return what the record says: {"compared_with": record id | None, "findings": [...], "holds": [record ids]}.

    Args:
        changes: the `Changes` that the new lines were shown to.
        found: what `stored` returned.
        history: the good records of the item before this one, oldest first.
        former: the record that the new one was compared with, or None.
        rules: a `TripwireWork`.
    """
    findings = changes.findings(rules) + _rewritten(found, history, rules)
    if len(findings) > _TOLD:
        more = {"rule": "more", "text": "%d more findings" % (len(findings) - _TOLD)}
        findings = findings[:_TOLD] + [more]
    return {
        "compared_with": former["record_id"] if former else None,
        "findings": findings,
        "holds": [record["record_id"] for record in history[-rules["hold"] :]] if findings else [],
    }


def open_trips(records, releases):
    """Return the suspicious records among `records` that no entry of `releases` ({"item", "record"}) names."""
    return [record for record in records if _findings(record) and not _is_released(record, releases)]


def is_held_by(record, trip):
    """Return whether the suspicious record `trip` holds `record`; at the second site the first life's ids count."""
    names = trip["tripwire"]["holds"]
    return record["item"] == trip["item"] and (record["record_id"] in names or record.get("first_id") in names)


def told(record):
    """Return one line about a suspicious record for people."""
    what = "; ".join(finding["text"] for finding in _findings(record))
    return "record %s of %s: %s" % (record["record_id"][:12], record["accepted_at"], what)


def learned(value):
    """Return a record's tripwire as another site wrote it, its texts made safe; raises ValueError for anything else."""
    if value is None:
        return None
    findings, holds = list(value["findings"]), list(value["holds"])
    if len(findings) > _TOLD + 1 or len(holds) > _HELD_LIMIT:
        raise ValueError("its tripwire names more than one can")
    return {
        "compared_with": value.get("compared_with"),
        "findings": [{"rule": clean_text(one["rule"]), "text": clean_text(one["text"])} for one in findings],
        "holds": ["%s" % (name,) for name in holds],
    }


def _findings(record):
    return (record.get("tripwire") or {}).get("findings") or []


def _is_released(record, releases):
    return bool([one for one in releases if one["item"] == record["item"] and is_named(record, one["record"])])


def _rewritten(found, history, rules):
    shares = [(record.get("stored") or {}).get("rewritten_percent") for record in history]
    usual = [share for share in shares if share is not None][-HISTORY:]
    share = found["rewritten_percent"]
    if share is None or len(usual) < ENOUGH_HISTORY or found["bytes"] < rules["minimum_bytes"]:
        return []
    if share <= max(usual) + rules["rewritten_points"]:
        return []
    text = (
        "%.1f %% of its bytes were rewritten, at most %.1f %% in the %d backups before (policy allows %d points more)"
    )
    return [_finding("rewritten_points", text % (share, max(usual), len(usual), rules["rewritten_points"]))]


class Changes:
    """What the lines of a new manifest say against those of the one before; this one has nothing to compare with."""

    def take(self, line):
        """Look at a line of the new manifest."""

    def findings(self, rules):
        """Return what is beyond `rules`, the worst first: [{"rule", "text"}]."""
        return []


class NotCompared(Changes):
    """The manifest before could not be read: that itself is a finding."""

    def __init__(self, record, error):
        """Keep which one and why."""
        self._text = "the manifest of record %s before it cannot be read: %s" % (record["record_id"][:12], error)

    def findings(self, rules):
        """Return it."""
        return [_finding("comparison", self._text)]


class TableChanges(Changes):
    """Rows and tables that are gone; a table whose rows are there under another name is not."""

    def __init__(self, former):
        """Compare with `former`: {(schema, name): (rows, digest)}."""
        self._former = dict(former)
        self._values = set(former.values())
        self._rows = sum(rows for rows, _ in former.values())
        # Of new tables only those that may be a former one: memory must not grow with what a source says.
        self._moved = set()
        self._smaller = []

    def take(self, line):
        """Look at a line of the new manifest."""
        if line["t"] != "table":
            return
        key = table_key(line)
        if key not in self._former:
            self._moved.update(self._values.intersection([table_value(line)]))
            return
        rows = self._former.pop(key)[0]
        if line["rows"] < rows:
            self._smaller.append((rows - line["rows"], rows, key))

    def findings(self, rules):
        """Return what is beyond `rules`, the worst first."""
        gone = [(rows, key) for key, (rows, digest) in self._former.items() if (rows, digest) not in self._moved]
        lost = sum(rows for rows, _ in gone) + sum(rows for rows, _, _ in self._smaller)
        return self._gone(gone, rules) + self._all_rows(lost, rules) + self._shrunk(rules)

    def _gone(self, gone, rules):
        counted = sorted([pair for pair in gone if pair[0] >= rules["minimum_rows"]], reverse=True)
        if len(counted) <= rules["tables_gone"]:
            return []
        names = ", ".join("%s of %d rows" % (_table(key), rows) for rows, key in counted[:3])
        text = "%d tables are gone (%s%s; policy allows %d)"
        more = ", ..." if len(counted) > 3 else ""
        return [_finding("tables_gone", text % (len(counted), names, more, rules["tables_gone"]))]

    def _all_rows(self, lost, rules):
        if self._rows < rules["minimum_rows"] or not _beyond(lost, self._rows, rules["all_rows_percent"]):
            return []
        text = "%s rows of the database vanished" % _share(lost, self._rows, rules["all_rows_percent"])
        return [_finding("all_rows_percent", text)]

    def _shrunk(self, rules):
        limit = rules["table_rows_percent"]
        worst = [one for one in self._smaller if one[1] >= rules["minimum_rows"] and _beyond(one[0], one[1], limit)]
        return [
            _finding("table_rows_percent", "%s rows of table %s vanished" % (_share(lost, rows, limit), _table(key)))
            for lost, rows, key in sorted(worst, reverse=True)
        ]


class FileChanges(Changes):
    """Files whose content is in the new backup nowhere: changed, or removed. What was only renamed is not gone."""

    def __init__(self, former):
        """Compare with `former`: {path: (payload, SHA-256)}, as the baseline is."""
        self._former = former
        self._missing = set(digest for _, digest in former.values())
        self._paths = set(former)

    def take(self, line):
        """Look at a line of the new manifest."""
        if line["t"] == "file" and line.get("k") == "f":
            self._paths.discard(line["p"])
            self._missing.discard("%s" % (line.get("sha256"),))

    def findings(self, rules):
        """Return what is beyond `rules`."""
        gone = [path for path, (_, digest) in self._former.items() if digest in self._missing]
        limit = rules["files_percent"]
        if len(self._former) < rules["minimum_files"] or not _beyond(len(gone), len(self._former), limit):
            return []
        removed = len([path for path in gone if path in self._paths])
        text = "the content of %s files is gone: %d changed, %d removed, such as %s" % (
            _share(len(gone), len(self._former), limit),
            len(gone) - removed,
            removed,
            clean_text(min(gone)),
        )
        return [_finding("files_percent", text)]


def table_key(line):
    """Return what a table's line is known by; whatever a stranger wrote there becomes text."""
    return clean_text(line.get("schema")), clean_text(line.get("name"))


def table_value(line):
    """Return (rows, digest) of a table's line."""
    return line["rows"], clean_text(line.get("digest"))


def _table(key):
    return "%s.%s" % key


def _beyond(part, whole, percent):
    return 100 * part > percent * whole


def _share(part, whole, percent):
    return "%d of %d (%.1f %%; policy allows %d %%)" % (part, whole, 100.0 * part / whole, percent)


def _finding(rule, text):
    return {"rule": rule, "text": text[:500]}
