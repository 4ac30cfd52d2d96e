"""Asks source hosts what they could send, for a preview; nothing is pulled."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import subprocess

from . import process
from .faults import FaultError
from .frames import FrameRefusedError, Limits, SourceFailedError, clean_text, parse_lines, read_frames

_KINDS = {"database": "database", "files": "file_set"}


def ask_sources(ssh, items, secrets):
    """Return {item id: {"status": would back up|failed, "reason", "bytes_estimate"}} for `items` (units of work)."""
    answers = {}
    for host in sorted(set(item["source_host"] for item in items)):
        ours = [item for item in items if item["source_host"] == host]
        try:
            add_source(ssh, ours[0], secrets)
            offered = _offered(ssh, host)
        except FaultError as error:
            offered = "%s" % error
        answers.update((item["item"], _answer(item, offered)) for item in ours)
    return answers


def add_source(ssh, item, secrets):
    """Make the source host of `item` reachable through `ssh`; raises FaultError when its key was not fetched."""
    if item["secret"] not in secrets:
        raise FaultError("the secret %s was not fetched from Vault" % item["secret"])
    ssh.add_host(
        item["source_host"],
        item["source_address"],
        item["source_port"],
        item["account"],
        secrets[item["secret"]],
        item["ssh_options"],
    )


def _answer(item, offered):
    if not isinstance(offered, dict):
        return {"status": "failed", "reason": offered}
    line = offered.get((_KINDS[item["kind"]], item["name"]))
    if line is None:
        return {"status": "failed", "reason": "%s does not offer %s" % (item["source_host"], item["item"])}
    if not line.get("reachable"):
        said = clean_text(line.get("reason"))
        return {"status": "failed", "reason": "%s on %s: %s" % (item["item"], item["source_host"], said)}
    estimate = line.get("bytes_estimate")
    return {"status": "would back up", "bytes_estimate": estimate if isinstance(estimate, int) else None}


def _offered(ssh, host):
    """Return {(kind, name): line} of what the host's forced command lists; raises FaultError."""
    child = process.start(
        ssh.command(host, "list"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    child.stdin.close()
    err = process.Tail(child.stderr)
    try:
        lines = []
        for kind, value in read_frames(child.stdout.fileno(), Limits(manifest_bytes=1 << 22, total_seconds=600)):
            if kind == "M":
                lines.extend(parse_lines(value))
    except FrameRefusedError as error:
        said = err.text(2)
        raise FaultError("%s gave no list: %s%s" % (host, error, " (ssh: %s)" % said if said else ""))
    except SourceFailedError as error:
        raise FaultError("%s gave no list: %s" % (host, error))
    finally:
        process.stop(child)
        child.stdout.close()
    return dict(((line["t"], line.get("name")), line) for line in lines)
