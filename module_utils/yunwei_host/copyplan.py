"""Decides which accepted backups go to the second site, in which order, and which are proven there; touches nothing."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from .records import payloads_of
from .retention import is_proven_at


def ids_at_site(snapshots):
    """Return {id of the first life: id at the site} of every snapshot at a site."""
    return dict((snapshot.get("original") or snapshot["id"], snapshot["id"]) for snapshot in snapshots)


def plan_copy(records, items, site, here, there):
    """Return {"copy", "gone", "replaced", "lost", "other": lists of records, "snapshots": ids in the order to copy}.

    A manifest comes after every payload that it names: what lies there without its manifest is not yet a backup.

    Args:
        records: every record, oldest first.
        items: item ids that policy names.
        site: the other site's name.
        here: ids of all snapshots in the local repository.
        there: `ids_at_site` of the other one.

    `gone` was proven there and has been retired there since (the newest of an item is copied again instead);
    `replaced` is damaged here and has a good successor; `lost` is damaged or incomplete and should not be; `other`
    belongs to no item of the policy.
    """
    plan = {"copy": [], "gone": [], "replaced": [], "lost": [], "other": [], "snapshots": []}
    newest = dict((record["item"], record) for record in records if not record.get("damaged"))
    for record in records:
        missing = [name for name in reversed(payloads_of(record)) if name not in there]
        missing += [name for name in [record["record_id"]] if name not in there]
        if not missing:
            continue
        kind = _kind(record, newest.get(record["item"]), site) if record["item"] in items else "other"
        if kind == "copy" and not set(missing) <= set(here):
            kind = "lost"
        plan[kind].append(record)
        if kind == "copy":
            plan["snapshots"] += [name for name in missing if name not in plan["snapshots"]]
    return plan


def _kind(record, newest, site):
    """Say what becomes of a record that is not whole at the other site; `newest` is the newest good one of its item."""
    superseded = newest is not None and newest["accepted_at"] > record["accepted_at"]
    if is_proven_at(record, site) and superseded:
        return "gone"
    if record.get("damaged"):
        return "replaced" if superseded else "lost"
    return "copy"


def proof(record, there, receipt, how):
    """Return what the record keeps about its copy, or None when the receipt does not name all of it.

    Args:
        record: an accepted backup.
        there: `ids_at_site` of the site.
        receipt: a verified receipt of the site.
        how: one sentence, how it was verified.
    """
    payloads = payloads_of(record)
    ids = [there.get(name) for name in payloads + [record["record_id"]]]
    if None in ids or not set(ids) <= set(receipt.get("snapshots") or []):
        return None
    return {
        "manifest": ids[-1],
        "payload": ids[0],
        "parents": dict((name, there[name]) for name in payloads[1:]),
        "verified_at": receipt["time"],
        "how": how,
    }
