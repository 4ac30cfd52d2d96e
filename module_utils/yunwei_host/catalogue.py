"""Lists a system's backups at one site, and reads a repository back; the answers are plain data.

Nothing is counted that has no record: other snapshots are named as unknown.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import time

from .clock import moment, stamp
from .copyplan import ids_at_site
from .damage import can_read_on, hit_snapshots, mark, note_damage, packs_in, records_of
from .frames import clean_text
from .hostlock import HostLock
from .records import RecordStore, payloads_of
from .remote import RemoteSite
from .repository import open_local
from .rotation import choose_part, demand_part
from .rundir import make_run_folder, remove_run_folder
from .tripwire import is_held_by, open_trips, told


def list_backups(work, secrets):
    """Return the public summary of what one site holds.

    Args:
        work: {"system", "site", "repository", "records", "items", "remote", "tripwire_releases"}.
        secrets: what the site needs.
    """
    return _at_site(work, secrets, lambda repository: _listed(work, repository.snapshots_if_any()))


def verify_backups(work, permit, secrets, check=False):
    """Read the repository of a site back and hold the records against it; return (public summary, changed).

    Args:
        work: as for `list_backups`, with "part": `all`, `n/t`, `next/t` (the one of them that was read longest ago) or
            empty for the structure alone.
        permit: {"run_id", "job"}.
        secrets: what the site needs.
        check: True only says what would be read.
    """
    part = work.get("part") or None
    if part:
        demand_part(part)
        part = choose_part(part, RecordStore(work["records"]).reads(work["site"]))
    if check:
        return dict(list_backups(work, secrets), would_read=part or "structure"), False
    with HostLock(work["system"], permit, numbered=False):
        return _at_site(work, secrets, lambda repository: _verified(work, repository, part))


def _at_site(work, secrets, act):
    if work["site"] == "local":
        return act(open_local(work, secrets))
    folder, remote = make_run_folder(work["system"]), None
    try:
        remote = RemoteSite(work["remote"], secrets, folder, ["--no-cache"])
        remote.demand_reachable()
        return act(remote.repository)
    finally:
        if remote:
            remote.close()
        remove_run_folder(folder)


def _verified(work, repository, part):
    began = time.time()
    snapshots = repository.snapshots()
    damage = repository.check(part)
    if part and can_read_on(damage):
        store = RecordStore(work["records"])
        store.keep_reads(work["site"], dict(store.reads(work["site"]), **{part: stamp()}))
    packs = packs_in(damage)
    hit = hit_snapshots(repository, packs, [snapshot["id"] for snapshot in snapshots])
    summary = _listed(work, snapshots)
    damaged = _damaged(work, snapshots, hit, packs)
    if damage and work["site"] == "local":
        note_damage(RecordStore(work["records"]), packs)
    lost = [line["record"] for line in summary["items"] if line["status"] != "present"]
    summary.update(
        read=part or "structure",
        damage=damage[:20],
        damaged_packs=packs,
        damaged_records=damaged,
        lost=lost,
        seconds=round(time.time() - began, 3),
        verdict="failed" if damage or lost or summary["missing"] else "passed",
    )
    return summary, bool(damage) and work["site"] == "local"


def _damaged(work, snapshots, hit, packs):
    """Return the ids of the records that need one of the snapshots `hit`; those of this site are marked."""
    first_ids = set(snapshot.get("original") or snapshot["id"] for snapshot in snapshots if snapshot["id"] in hit)
    store = RecordStore(work["records"])
    if work["site"] == "local":
        return mark(store, first_ids, packs)
    return [record["record_id"] for record in records_of(store, first_ids)]


def _listed(work, snapshots):
    records = RecordStore(work["records"]).load()
    there = ids_at_site(snapshots or [])
    local = work["site"] == "local"
    trips = open_trips(records, work["tripwire_releases"])
    known = set(name for record in records for name in payloads_of(record) + [record["record_id"]])
    known.add(RecordStore(work["records"]).probe(work["site"]).get("snapshot"))
    unknown = [snapshot for snapshot in snapshots or [] if (snapshot.get("original") or snapshot["id"]) not in known]
    return {
        "system": work["system"],
        "site": work["site"],
        "repository": "absent" if snapshots is None else "present",
        "items": [_line(record, there, trips) for record in records if local or record["record_id"] in there],
        "unknown": [_unknown(snapshot) for snapshot in unknown],
        "missing": _without(work, records, there),
    }


def _without(work, records, there):
    """Return the items of the policy that have no backup at this site: absence is failure, not silence."""
    held = set(record["item"] for record in records if record["record_id"] in there and not record.get("damaged"))
    return sorted(set(work["items"]) - held)


def _line(record, there, trips):
    needed = payloads_of(record) + [record["record_id"]]
    sync = (record.get("sync") or {}).get("miyun")
    return {
        "item": record["item"],
        "record": record["record_id"],
        "site_record": there.get(record["record_id"]),
        "status": "present" if set(needed) <= set(there) else "incomplete",
        "accepted_at": record["accepted_at"],
        "snapshot_at": record["snapshot_at"],
        "age_seconds": int(time.time() - moment(record["snapshot_at"])),
        "bytes": record["payload"]["bytes"],
        "full": not record.get("baseline"),
        "counts": record.get("counts"),
        "manifest_sha256": record["manifest_sha256"],
        "damaged": record.get("damaged"),
        "suspicious": [told(trip) for trip in trips if trip is record],
        "held_by": [trip["record_id"] for trip in trips if is_held_by(record, trip)],
        "verified": record["verified"]["at"],
        "miyun": sync["verified_at"] if sync else None,
        "miyun_record": sync["manifest"] if sync else None,
        "miyun_payload": sync["payload"] if sync else None,
        "miyun_how": sync["how"] if sync else None,
    }


def _unknown(snapshot):
    tags = [clean_text(tag) for tag in snapshot.get("tags") or []]
    return {"snapshot": snapshot["id"], "time": clean_text(snapshot.get("time")), "tags": tags}
