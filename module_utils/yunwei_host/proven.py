"""Tells the second site which copies its receipt has proven: a watch there knows their age without this site."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import time

from .clock import moment, stamp
from .copyplan import proof
from .faults import FaultError
from .frames import clean_text
from .records import payloads_of
from .signed import demand_about, read_signed


def newest_proven(records, items, there, receipt):
    """Return {item: its newest good record that lies whole at the site, as the receipt says}.

    Args:
        records: every record, oldest first.
        items: item ids that policy names.
        there: `ids_at_site` of the site.
        receipt: a verified receipt of the site.
    """
    good = [record for record in records if record["item"] in items and not record.get("damaged")]
    return dict((record["item"], record) for record in good if proof(record, there, receipt, ""))


def tell_copies(remote, work, folder, newest, there):
    """Return what the second site signed of the copies: {"items", "time", "refused"}.

    A refusal is told and not raised: the copies themselves are made and proven.

    Args:
        remote: the open `RemoteSite`.
        work: a `SyncWork`.
        folder: the run's tmpfs folder.
        newest: `newest_proven` of the records.
        there: `ids_at_site` of the site.
    """
    words, told = [], {"items": sorted(newest), "time": None, "refused": None}
    for item in sorted(newest):
        record = newest[item]
        names = [record["record_id"]] + payloads_of(record)
        words += [item, stamp(moment(record["snapshot_at"])), ",".join(there[name] for name in names)]
    try:
        answer = remote.ask("copies", *words)
        found = read_signed("copies", answer, work["remote"]["receipt_public_key"], folder)
        demand_about("copies", found, remote.site, work["system"], time.time())
        if sorted(found.get("copies") or {}) != told["items"]:
            raise FaultError("the statement is of other items: %s" % clean_text(sorted(found.get("copies") or {})))
    except FaultError as error:
        return dict(told, refused="%s" % error)
    return dict(told, time=found["time"])
