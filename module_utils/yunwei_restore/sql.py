"""Text of SQL: cutting a script into statements, quoting names, reading names back."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

_TOKEN = re.compile(
    r"""
    (?P<comment>--[^\n]*|^\\(?:un)?restrict\ [A-Za-z0-9]*$)
  | (?P<escaped>\b[eE]'(?:[^'\\]|\\.|'')*')
  | (?P<string>'(?:[^']|'')*')
  | (?P<name>"(?:[^"]|"")*")
  | (?P<end>;)
  | (?P<other>[^-;'"eE\\]+|.)
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_ROLE = re.compile(r'\A\s*(CREATE|ALTER|GRANT|COMMENT ON)\s+(?:ROLE\s+)?("(?:[^"]|"")*"|[^\s;"]+)', re.DOTALL)


def statements(script):
    """Return the statements of `script` (text) without comments and without the closing semicolons."""
    found, current = [], []
    for token in _TOKEN.finditer(script):
        if token.group("end"):
            found.append("".join(current).strip())
            current = []
        elif not token.group("comment"):
            current.append(token.group(0))
    found.append("".join(current).strip())
    return [statement for statement in found if statement]


def has_command(statement):
    """Return whether psql would find a command of its own (a backslash outside of quotes) in the statement."""
    return bool([token for token in _TOKEN.finditer(statement) if token.group("other") == "\\"])


def quote_name(name):
    """Return `name` as a quoted identifier."""
    return '"%s"' % name.replace('"', '""')


def quote_text(text):
    """Return `text` as a string literal that reads the same with and without standard_conforming_strings."""
    return " E'%s'" % text.replace("\\", "\\\\").replace("'", "''")


def unquote_name(word):
    """Return the name that an identifier of a dump stands for."""
    return word[1:-1].replace('""', '"') if word.startswith('"') else word


def role_of(statement):
    """Return (verb, role) that a statement of `pg_dumpall --globals-only` is about; (None, None) for any other.

    For a GRANT of membership it is the role that is granted, for ALTER and CREATE the role itself.
    """
    found = _ROLE.match(statement)
    if not found or (found.group(1) in ("CREATE", "ALTER") and not re.match(r"\s*\w+\s+ROLE\s", statement)):
        return None, None
    return found.group(1), unquote_name(found.group(2))


def member_of_grant(statement):
    """Return the role that a `GRANT a TO b` gives membership to."""
    found = re.match(r'\A\s*GRANT\s+(?:"(?:[^"]|"")*"|[^\s"]+)\s+TO\s+("(?:[^"]|"")*"|[^\s;"]+)', statement, re.DOTALL)
    return unquote_name(found.group(1)) if found else None
