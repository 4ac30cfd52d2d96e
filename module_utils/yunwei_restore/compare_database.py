"""Compares the manifest's lines with those of the restored database: decides only, reads nothing.

Tables by rows and digest; schema objects by the digest of their definition; sequences by an interval, because they
ignore snapshots; roles by attributes and memberships. A line on one side only is a difference, too.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from .tally import Tally

_DATABASE_KEYS = ("engine", "encoding", "collate", "ctype", "locale_provider", "icu_locale")


def compare(expected, found, ignore_roles=()):
    """Return {"tables", "objects", "sequences", "roles"} as Tally objects for two lists of manifest lines.

    `ignore_roles` names accounts that the target brings itself. Digests are compared only when both sides used the
    same method; otherwise each table differs by its method, because nothing was proven.
    """
    tallies = {"tables": Tally(), "objects": Tally(), "sequences": Tally(), "roles": Tally()}
    methods = [_first(lines, "database").get("digest") for lines in (expected, found)]
    _tables(tallies["tables"], expected, found, methods)
    objects = tallies["objects"]
    _database(objects, _first(expected, "database"), _first(found, "database"))
    _keyed(objects, _by(expected, "object", _object_name), _by(found, "object", _object_name), ("sha256",))
    _keyed(objects, _by(expected, "extension", _extension), _by(found, "extension", _extension), ("version",))
    _sequences(tallies["sequences"], _by(expected, "sequence", _plain), _by(found, "sequence", _plain))
    _roles(tallies["roles"], _by(expected, "role", _role), _by(found, "role", _role), ignore_roles)
    return tallies


def effective(position, sign=1):
    """Return a number for [last value, is called]: [5, false] lies half a step before [5, true]; `sign` is its way."""
    last, called = position
    return last if called else last - 0.5 * sign


def _tables(tally, expected, found, methods):
    ours, theirs = _by(expected, "table", _plain), _by(found, "table", _plain)
    ours.update(_by(expected, "large_objects", lambda line: "large objects"))
    theirs.update(_by(found, "large_objects", lambda line: "large objects"))
    for name in sorted(ours):
        wanted = _told(ours[name], ("rows", "digest"))
        got = _told(theirs.get(name), ("rows", "digest"))
        if methods[0] != methods[1] and got is not None:
            wanted, got = dict(wanted, method=methods[0]), dict(got, method=methods[1])
        tally.compare(name, wanted, got)
        tally.add("rows", ours[name].get("rows") or 0)
    for name in sorted(set(theirs) - set(ours)):
        tally.differs(name, None, _told(theirs[name], ("rows", "digest")), was_expected=False)


def _database(tally, expected, found):
    for key in _DATABASE_KEYS:
        tally.compare("database %s" % key, expected.get(key), found.get(key))


def _keyed(tally, expected, found, keys):
    for name in sorted(expected):
        tally.compare(name, _told(expected[name], keys), _told(found.get(name), keys))
    for name in sorted(set(found) - set(expected)):
        tally.differs(name, None, _told(found[name], keys), was_expected=False)


def _sequences(tally, expected, found):
    for name in sorted(expected):
        wrong = _sequence_wrong(expected[name], found.get(name))
        if wrong is None:
            tally.same()
        else:
            tally.differs(name, wrong[0], wrong[1])
    for name in sorted(set(found) - set(expected)):
        tally.differs(name, None, found[name].get("after"), was_expected=False)


def _sequence_wrong(line, restored):
    """Return None, or (what was allowed, what was found) for one sequence."""
    before, after = line.get("before"), line.get("after")
    if restored is None:
        return {"between": [before, after]}, None
    value, sign = restored.get("after"), -1 if (line.get("increment") or 1) < 0 else 1
    low, high = [sign * effective(position, sign) for position in (before, after)]
    found = sign * effective(value, sign)
    # One that cycles may have begun again while the dump ran.
    inside = low <= found <= high or (line.get("cycle") and low > high and (found >= low or found <= high))
    if not inside:
        return {"between": [before, after]}, value
    furthest = line.get("column_max")
    if furthest is not None and not line.get("cycle") and found < sign * furthest:
        return {"at least" if sign > 0 else "at most": furthest, "column": "%(table)s.%(column)s" % line}, value
    return None


def _roles(tally, expected, found, ignore):
    for name in sorted(expected):
        tally.compare("role %s" % name, _role_facts(expected[name]), _role_facts(found.get(name)))
    for name in sorted(set(found) - set(expected) - set(ignore)):
        tally.differs("role %s" % name, None, _role_facts(found[name]), was_expected=False)


def _role_facts(line):
    if line is None:
        return None
    return {"attributes": line.get("attributes"), "member_of": sorted(line.get("member_of") or [], key=str)}


def _told(line, keys):
    return None if line is None else dict((key, line.get(key)) for key in keys)


def _first(lines, kind):
    for line in lines:
        if line.get("t") == kind:
            return line
    return {}


def _by(lines, kind, name):
    found = {}
    for line in lines:
        if line.get("t") == kind:
            found[_unused(name(line), found)] = line
    return found


def _unused(name, found):
    """Return `name`, numbered when a line of the same name came before: no line may hide another."""
    number, candidate = 1, name
    while candidate in found:
        number += 1
        candidate = "%s (%d)" % (name, number)
    return candidate


def _plain(line):
    return "%s.%s" % (line.get("schema"), line.get("name"))


def _object_name(line):
    return "%s %s.%s" % (str(line.get("kind")).lower(), line.get("schema"), line.get("name"))


def _extension(line):
    return "extension %s" % line.get("name")


def _role(line):
    return line.get("name")
