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
    `replaced` is damaged or incomplete here and has a good successor; `lost` has none; `other` belongs to no item of
    the policy.
    """
    plan = {"copy": [], "gone": [], "replaced": [], "lost": [], "other": [], "snapshots": []}
    newest = dict((record["item"], record) for record in records if _is_good(record, set(here) | set(there)))
    for record in records:
        missing = [name for name in reversed(payloads_of(record)) if name not in there]
        missing += [name for name in [record["record_id"]] if name not in there]
        if not missing:
            continue
        can_be_copied = not record.get("damaged") and set(missing) <= set(here)
        kind = _kind(record, newest.get(record["item"]), site, can_be_copied) if record["item"] in items else "other"
        plan[kind].append(record)
        if kind == "copy":
            plan["snapshots"] += [name for name in missing if name not in plan["snapshots"]]
    return plan


def _is_good(record, known):
    return not record.get("damaged") and set(payloads_of(record) + [record["record_id"]]) <= known


def _kind(record, newest, site, can_be_copied):
    """Say what becomes of a record that is not whole at the other site; `newest` is the newest good one of its item."""
    superseded = newest is not None and newest["accepted_at"] > record["accepted_at"]
    if is_proven_at(record, site) and superseded:
        return "gone"
    if can_be_copied:
        return "copy"
    return "replaced" if superseded else "lost"


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
