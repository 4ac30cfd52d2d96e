"""The jobs against the same work by hand: backup, unchanged files, sync, drill."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench import data
from bench.by_hand import ByHand, by_hand
from bench.figures import Aim, Result, added_share, median, ratio
from bench.ground import FILE_SET, FILES_HOST, SYSTEM, Ground, Wish, item_of
from yunwei.errors import LabError

BACK_UP = ("run", "back-up", "--now", "--system", SYSTEM)
SYNC = ("run", "sync-to-miyun", "--system", SYSTEM)
DRILL = ("drill", "--system", SYSTEM, "--site", "miyun")
DATABASE, FILES = f"database:{SYSTEM}", "files:portal"
MEGABYTE = 10**6


def back_up(ground: Ground, wish: Wish) -> Result:
    """First backups of a database, each into a new repository, against ssh, pg_dump and restic."""
    hand, pipeline, read_back, command, dumped = [], [], [], [], 0
    with ground.own_stores(), by_hand(ground) as person, data.table(ground, wish.gigabytes):
        for _ in range(wish.turns):
            ground.empty()
            hand.append(person.back_up())
            document, seconds = ground.yunwei(*BACK_UP)
            item = item_of(document, DATABASE)
            dumped = item["bytes"]
            command.append(seconds)
            read_back.append(float(item["read_back_seconds"]))
            pipeline.append(float(item["seconds"]) - read_back[-1])
    figures = {
        "dump_bytes": dumped,
        "by_hand_seconds": median(hand),
        "pipeline_seconds": median(pipeline),
        "pipeline_ratio": ratio(pipeline, hand),
        "manifest_share": added_share(pipeline, hand),
        "read_back_seconds": median(read_back),
        "command_seconds": median(command),
        "command_ratio_without_read_back": ratio([a - b for a, b in zip(command, read_back, strict=True)], hand),
    }
    return Result("backup", _about(wish), figures, [Aim("pipeline_ratio", 1.2), Aim("manifest_share", 0.2)])


def unchanged_files(ground: Ground, wish: Wish) -> Result:
    """Further backups of files that did not change, against `find -printf` over the same files on their host."""
    find = f"find {FILE_SET} -printf '%p %y %m %U %G %s %T@ %C@ %i %l\\n' > /dev/null"
    hand, item_seconds, command, sent = [], [], [], []
    with ground.own_stores(), data.files(ground, wish.files):
        ground.empty()
        first = item_of(ground.yunwei(*BACK_UP)[0], FILES)
        for _ in range(wish.turns):
            hand.append(ground.timed(FILES_HOST, find))
            document, seconds = ground.yunwei(*BACK_UP)
            item = item_of(document, FILES)
            command.append(seconds)
            item_seconds.append(float(item["seconds"]))
            sent.append(float(item["sent_bytes"]))
    figures = {
        "find_seconds": median(hand),
        "backup_seconds": median(item_seconds),
        "ratio": ratio(item_seconds, hand),
        "first_sent_bytes": first["sent_bytes"],
        "sent_bytes": median(sent),
        "sent_share": round(max(sent) / first["sent_bytes"], 5),
        "command_seconds": median(command),
    }
    about = {"files": first["files"], "turns": wish.turns}
    return Result("files", about, figures, [Aim("ratio", 2), Aim("sent_share", 0.01, below=True)])


def sync(ground: Ground, wish: Wish) -> Result:
    """Copies to a new repository at the second site against `restic copy`, then one with nothing new."""
    hand, ours, command, traffic = [], [], [], []
    with ground.own_stores(), by_hand(ground) as person, data.table(ground, wish.gigabytes):
        ground.empty()
        person.back_up()
        ground.yunwei(*BACK_UP)
        for _ in range(wish.turns):
            ground.empty("miyun1")
            hand.append(person.copy())
            document, seconds = ground.yunwei(*SYNC)
            ours.append(_summary(document)["seconds"])
            command.append(seconds)
            before = ground.traffic("miyun1")
            ground.yunwei(*SYNC)
            traffic.append(float(ground.traffic("miyun1") - before))
    figures = {
        "by_hand_seconds": median(hand),
        "sync_seconds": median(ours),
        "ratio": ratio(ours, hand),
        "second_sync_bytes": max(traffic),
        "command_seconds": median(command),
    }
    return Result("sync", _about(wish), figures, [Aim("ratio", 1.1), Aim("second_sync_bytes", MEGABYTE, below=True)])


def drill(ground: Ground, wish: Wish) -> Result:
    """Drills from the second site against `restic dump`, a new cluster and `pg_restore --jobs`."""
    hand, whole, verify, command = [], [], [], []
    with ground.own_stores(), by_hand(ground) as person, data.table(ground, wish.gigabytes):
        ground.empty()
        _bring_to_miyun(ground, person)
        for _ in range(wish.turns):
            hand.append(person.restore())
            document, seconds = ground.yunwei(*DRILL)
            command.append(seconds)
            verify.append(sum(phase["seconds"] for phase in document["phases"] if phase["name"] == "verify"))
            whole.append(float(document["total_seconds"]))
    bare = [total - proof for total, proof in zip(whole, verify, strict=True)]
    figures = {
        "by_hand_seconds": median(hand),
        "drill_seconds_without_verification": median(bare),
        "ratio_without_verification": ratio(bare, hand),
        "verification_seconds": median(verify),
        "command_seconds": median(command),
    }
    return Result("drill", _about(wish), figures, [Aim("ratio_without_verification", 1.25)])


def _about(wish: Wish) -> dict[str, Any]:
    return {"gigabytes": wish.gigabytes, "turns": wish.turns}


def _bring_to_miyun(ground: Ground, person: ByHand) -> None:
    """Have the same data at the second site twice: by hand and by yunwei."""
    person.back_up()
    person.copy()
    ground.yunwei(*BACK_UP)
    ground.yunwei(*SYNC)


def _summary(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the host told of a sync."""
    told = [task["yunwei"] for task in document["results"] if task["yunwei"].get("receipt")]
    if len(told) != 1 or told[0]["snapshots"] == 0:
        raise LabError(f"nothing was copied; nothing was measured: {document['items']}")
    return dict(told[0])
