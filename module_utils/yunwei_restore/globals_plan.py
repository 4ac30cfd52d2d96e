"""Decides which of the stored role definitions are carried out on a cluster."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from . import sql
from .errors import BadBackupError

_CLUSTER_WIDE = (
    "SET ",
    "CREATE TABLESPACE",
    "ALTER TABLESPACE",
    "GRANT ALL ON TABLESPACE",
    "GRANT CREATE ON TABLESPACE",
)


def superuser(lines):
    """Return the name of the account that a scratch cluster is made with: `postgres` or the first superuser.

    `lines` are the manifest's lines of kind "role". The same name keeps ownership and grants as they were.
    """
    named = sorted(line["name"] for line in lines if (line.get("attributes") or {}).get("superuser"))
    return "postgres" if "postgres" in named or not named else named[0]


def plan(script, item, wanted, present):
    """Return the statements that make the roles `wanted` on a cluster that already has the roles `present`.

    `script` is the globals dump of the whole source cluster: roles that this database does not need belong to other
    systems and are left out. A present role is left as it is: its password may be newer than the backup. Memberships
    are granted when either side of them is new. Raises BadBackupError for a statement that is none of a globals dump,
    and for a wanted role that the dump does not define.
    """
    chosen, defined = [], set(present)
    for statement in sql.statements(script):
        verb, role = sql.role_of(statement)
        if sql.has_command(statement):
            raise BadBackupError(
                item, "the stored role definitions hold a command: %r" % statement[:60], "do not use it"
            )
        if verb is None:
            _demand_known(statement, item)
            if statement.upper().startswith("SET "):
                chosen.append(statement)
            continue
        sides = set([role, sql.member_of_grant(statement)] if verb == "GRANT" else [role])
        if verb == "CREATE":
            defined.add(role)
        if not sides - wanted and sides - present:
            chosen.append(statement)
    for role in sorted(wanted - defined):
        raise BadBackupError(
            "role %s" % role, "%s needs it and the stored role definitions do not have it" % item, "make a new backup"
        )
    return chosen


def fresh(script, item, wanted, bootstrap):
    """Return the statements for a cluster that has only the role `bootstrap`, which gets its settings, too."""
    found = plan(script, item, wanted, set())
    return [statement for statement in found if sql.role_of(statement) != ("CREATE", bootstrap)]


def _demand_known(statement, item):
    if not statement.upper().startswith(_CLUSTER_WIDE):
        raise BadBackupError(item, "the stored role definitions hold %r" % statement[:60], "make a new backup")
