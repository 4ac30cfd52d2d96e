"""Decides which accepted backups go to the second site, in which order, and which are proven there; touches nothing."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from .records import payloads_of
from .retention import is_proven_at


def ids_at_site(snapshots):
    """Return {id of the first life: id at the site} of every snapshot at a site."""
    return dict((snapshot.get("original") or snapshot["id"], snapshot["id"]) for snapshot in snapshots)


def plan_copy(records, items, site, here, there):
    """Return {"copy": [record], "snapshots": [ids in order], "lost": [record], "gone": [record], "other": [record]}.

    A manifest comes after every payload that it names: what lies there without its manifest is not yet a backup.

    Args:
        records: every record, oldest first.
        items: item ids that policy names.
        site: the other site's name.
        here: ids of all snapshots in the local repository.
        there: `ids_at_site` of the other one.

    `lost` cannot be copied because parts are missing here; `gone` was proven there and has been retired there since
    (the newest of an item is copied again instead); `other` belongs to no item of the policy.
    """
    plan = {"copy": [], "snapshots": [], "lost": [], "gone": [], "other": []}
    newest = dict((record["item"], record["record_id"]) for record in records if not record.get("damaged"))
    retired = [record for record in records if is_proven_at(record, site)]
    retired = [record for record in retired if record["record_id"] not in newest.values()]
    for record in records:
        missing = [name for name in reversed(payloads_of(record)) if name not in there]
        missing += [name for name in [record["record_id"]] if name not in there]
        if not missing:
            continue
        kind = "other" if record["item"] not in items else "gone" if record in retired else _kind(record, missing, here)
        plan[kind].append(record)
        if kind == "copy":
            plan["snapshots"] += [name for name in missing if name not in plan["snapshots"]]
    return plan


def _kind(record, missing, here):
    return "lost" if record.get("damaged") or not set(missing) <= set(here) else "copy"


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
