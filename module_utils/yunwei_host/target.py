"""Where copies go, and where it is proven that they are there: three kinds of target behind one set of calls.

- `append_over_ssh`: a host of the second site judges every request; copies are written and proven through it.
- `gateway_share`: the same, and that host keeps the copies on a share that it mounts; the receipt names the share.
- `vendor_replica`: copies are written to a share of this site, which its vendor's appliance replicates. They are proven
  by reading the replica, through a host of the second site that mounts it; until it is there nothing counts.

Which programs store is known to this module and its parts (remote, repository, restic, resticlock, resticstream) alone.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import errno
import os
import time

from .faults import FaultError
from .frames import clean_text
from .leftovers import remove_unfinished
from .remote import RemoteSite
from .repository import clear_dead_locks, open_repository

MARKER = ".yunwei-share"
POLL_SECONDS = 10


def open_target(work, secrets, folder, flags):
    """Return the target of a `SyncWork`; close it to forget its keys.

    Args:
        work: its "target" is a `TargetWork`, its "remote" the `RemoteWork` of the host that proves.
        secrets: what "remote" names.
        folder: the run's tmpfs folder.
        flags: of every call that reads or writes copies, such as `--limit-upload=512`.
    """
    return _KINDS[work["target"]["kind"]](work, secrets, folder, flags)


class AppendOverSsh(object):
    """The second site takes the copies itself: what it takes lies there at once, and it refuses to remove any."""

    may_probe = True

    def __init__(self, work, secrets, folder, flags):
        """Start the agent; nothing is asked yet."""
        self._what = work["target"]
        self.door = RemoteSite(work["remote"], secrets, folder, flags)
        self.site = self.door.site
        self.repository = self.door.repository

    def demand_ready(self):
        """Raise a FaultError unless copies can be written and proven now."""
        self.door.demand_reachable()

    def demand_place(self, receipt):
        """Raise FaultError where a receipt is of another place than policy names."""

    def clear_dead_locks(self):
        """Remove the locks that our own dead processes left; return their ids. Here the site does that itself."""
        return []

    def demand_whole(self):
        """Raise FaultError unless every part of what was written is there."""
        _demand_whole(self.repository, "the repository of %s" % self.site)

    def not_there_yet(self, ids, receipt):
        """Return why copies that were written are not where they are proven; `ids` at the site. Here they are."""
        return ""

    def is_worth_waiting(self, began):
        """Return whether to ask for another receipt, after a pause; `began` is when copies began to be awaited."""
        return False

    def ask(self, *words):
        """Return what the host that proves answers to `words`."""
        return self.door.ask(*words)

    def close(self):
        """End the agent."""
        self.door.close()


class GatewayShare(AppendOverSsh):
    """The host that takes the copies keeps them on a share; it refuses while that is not the one that it should be."""

    def demand_place(self, receipt):
        """Raise FaultError where the receipt does not name policy's share."""
        _demand_share_of(receipt, self._what["share_name"])


class VendorReplica(AppendOverSsh):
    """Copies are written to a share of this site; only what has come to the replica at the second site counts.

    Whoever may write to that share may remove from it, and the vendor's replication may follow: no append-only probe
    can pass here, so none is tried.
    """

    may_probe = False

    def __init__(self, work, secrets, folder, flags):
        """Describe both ends of the replication."""
        AppendOverSsh.__init__(self, work, secrets, folder, flags)
        password = secrets[work["remote"]["repository_secret"]]["password"]
        self.repository = open_repository(
            os.path.join(self._what["share_path"], work["system"]),
            password,
            "on share %s" % self._what["share_name"],
            flags,
        )

    def demand_ready(self):
        """Raise a FaultError unless the share is mounted here and the host that reads the replica answers."""
        demand_share(self._what["share_path"], self._what["share_name"])
        self.door.demand_reachable()

    def clear_dead_locks(self):
        """Remove what dead processes of this host left on the share, unfinished files too; return the locks' ids."""
        locks = clear_dead_locks(self.repository)
        remove_unfinished(self.repository.location)  # nobody writes now: a lock of the living has been refused
        return locks

    def demand_place(self, receipt):
        """Raise FaultError where the receipt is not of a replica of policy's share."""
        _demand_share_of(receipt, self._what["share_name"])

    def not_there_yet(self, ids, receipt):
        """Return what of `ids` the replica lacks or holds without all its parts; empty when nothing."""
        missing = sorted(set(ids) - set(receipt.get("snapshots") or []))
        if missing:
            return "%d of %d snapshots have not come, such as %s" % (len(missing), len(ids), missing[0][:12])
        damage = self.door.repository.check()
        return "its parts have not all come: %s" % damage[0] if damage else ""

    def is_worth_waiting(self, began):
        """Return True after a pause, until policy's time for the replication is over."""
        if time.time() - began + POLL_SECONDS > self._what["replica_wait_seconds"]:
            return False
        time.sleep(POLL_SECONDS)
        return True


_KINDS = {"append_over_ssh": AppendOverSsh, "gateway_share": GatewayShare, "vendor_replica": VendorReplica}


def demand_share(path, name):
    """Raise FaultError unless `path` is the mount point of the share `name`, which says so itself in its marker file.

    An empty mount point would take copies as gladly as the share does, and lose them; so would one whose folder beneath
    the share holds a marker.
    """
    marker = os.path.join(path, MARKER)
    found = _read_marker(marker, name)  # first: reading is what makes an automounter mount
    if not os.path.ismount(path):  # novm  (Python 2 has it too)
        raise FaultError("share %s is not mounted at %s: that is no mount point; mount it" % (name, path))
    if found is None:
        raise FaultError(
            "what is mounted at %s is not marked as share %s: there is no %s; mount the right one, or put its name "
            "into that file on the share once" % (path, name, marker)
        )
    if found != name:
        raise FaultError("at %s lies share %s, not %s; mount the right one" % (path, clean_text(found), name))


def _read_marker(marker, name):
    """Return what the marker says, None where there is none."""
    try:
        with open(marker, "rb") as stream:
            return stream.read(200).decode("utf-8", "replace").strip()
    except EnvironmentError as error:
        if error.errno == errno.ENOENT:
            return None
        raise FaultError("share %s cannot be read: %s: %s" % (name, marker, error.strerror))


def _demand_share_of(receipt, name):
    if receipt.get("share") != name:
        raise FaultError(
            "the receipt is of share %s, not of %s; let that site's administrator run prepare_miyun.yml"
            % (clean_text(receipt.get("share")), name)
        )


def _demand_whole(repository, what):
    damage = repository.check()
    if damage:
        raise FaultError("%s is not whole after the copy: %s" % (what, damage[0]))
