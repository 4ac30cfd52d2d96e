"""One database's dump on this host with what its manifest says."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import pwd

from . import server
from .errors import BadBackupError
from .manifest import Manifest


class Dump:
    """`item` is the item's id, `name` the database's; `lines` are the manifest's, `payload` is the dump's path."""

    def __init__(self, item, state):
        """Read the manifest of `item` (part of the unit of work) as the fetching step left it in `state`."""
        self.item = item["item"]
        self.name = item["name"]
        self.port = item["port"]
        self.payload = list(state["paths"].values())[0]
        self.lines = list(Manifest(state["manifest"], self.item).lines())
        self.roles = [line for line in self.lines if line.get("t") == "role"]
        self.script = "".join(line["sql"] for line in self.lines if line.get("t") == "globals")
        self.facts = self._facts()
        self.major = server.major_of(self.facts["server_version_num"])

    def needed_roles(self):
        """Return the names of the roles that the database needs."""
        return set(line["name"] for line in self.roles)

    def bytes(self):
        """Return the size of the dump."""
        return os.path.getsize(self.payload)

    def lend(self, account):
        """Let the database's account read the dump, and nobody else."""
        entry = pwd.getpwnam(account)
        os.chmod(os.path.dirname(self.payload), 0o711)  # noqa: S103 - passed through, not listed
        os.chown(self.payload, entry.pw_uid, entry.pw_gid)

    def _facts(self):
        for line in self.lines:
            if line.get("t") == "database":
                return line
        raise BadBackupError(self.item, "the manifest says nothing about the database", "make a new backup")
