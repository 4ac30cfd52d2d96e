"""Decides which of the stored role definitions are carried out on a cluster."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from . import sql
from .errors import BadBackupError


def superuser(lines):
    """Return the name of the account that a scratch cluster is made with: `postgres` or the first superuser.

    `lines` are the manifest's lines of kind "role". The same name keeps ownership and grants as they were.
    """
    named = sorted(line["name"] for line in lines if (line.get("attributes") or {}).get("rolsuper"))
    return "postgres" if "postgres" in named or not named else named[0]


def plan(script, item, present):
    """Return the statements that make the roles of `script` on a cluster that already has the roles `present`.

    An existing role is left as it is: its password and its settings may be newer than the backup. Memberships are
    granted when either side of them is new. Raises BadBackupError for a statement that is none of a globals dump.
    """
    chosen = []
    for statement in sql.statements(script):
        verb, role = sql.role_of(statement)
        if verb == "GRANT":
            wanted = role not in present or sql.member_of_grant(statement) not in present
        elif verb is not None:
            wanted = role not in present
        elif statement.upper().startswith("SET "):
            wanted = True
        elif statement.upper().startswith(("CREATE TABLESPACE", "ALTER TABLESPACE", "GRANT ALL ON TABLESPACE")):
            wanted = False
        else:
            raise BadBackupError(item, "the stored role definitions hold %r" % statement[:60], "make a new backup")
        if wanted:
            chosen.append(statement)
    return chosen
