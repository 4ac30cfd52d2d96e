"""The heads of the controller's ledger at the second site: one is countersigned at every sync, all can be read."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import time

from .faults import FaultError
from .frames import clean_text
from .remote import RemoteSite
from .rundir import make_run_folder, remove_run_folder
from .signed import demand_about, read_signed


def countersign(remote, work, folder):
    """Return what the second site says of the ledger's head: {"count", "hash", "time", "answer", "refused"}.

    A refusal is told and not raised: a fault of the ledger must not keep backups from being copied.

    Args:
        remote: the open `RemoteSite`.
        work: a `SyncWork`.
        folder: the run's tmpfs folder.
    """
    count, digest = work["head"]["count"], work["head"]["hash"]
    told = {"count": count, "hash": digest, "time": None, "answer": None, "refused": None}
    try:
        answer = remote.ask("head", "%d" % count, digest)
        head = read_signed("head", answer, work["remote"]["receipt_public_key"], folder)
        demand_about("head", head, remote.site, work["system"], time.time())
        if (head.get("count"), head.get("hash")) != (count, digest):
            raise FaultError("the head is another one: %s" % clean_text(head.get("count")))
    except FaultError as error:
        return dict(told, refused="%s" % error)
    return dict(told, time=head["time"], answer=json.loads(answer.decode("ascii")))


def read_heads(work, secrets):
    """Return the summary of a system's countersigned heads; the list itself is below `handed_on`, as text.

    Nothing is verified here: whoever reads the list elsewhere does that.
    """
    folder, remote = make_run_folder(work["system"]), None
    try:
        remote = RemoteSite(work["remote"], secrets, folder)
        remote.demand_reachable()
        lines = _whole_lines(remote.ask("heads"))
    finally:
        if remote:
            remote.close()
        remove_run_folder(folder)
    heads = {"heads": "".join(line + "\n" for line in lines)}
    return {"system": work["system"], "site": work["site"], "count": len(lines), "handed_on": heads}


def _whole_lines(answer):
    """Return the lines of a list; the rest of one that is being written just now is none yet."""
    try:
        lines = answer.decode("ascii").split("\n")[:-1]
        for line in lines:
            json.loads(line)
    except ValueError:
        raise FaultError("the list of heads is not readable: let the second site's administrator look at it")
    return lines
