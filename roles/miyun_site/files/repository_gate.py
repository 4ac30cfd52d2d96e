#!/usr/bin/python3
"""The forced command in front of a restic repository: append to it, read it, have something signed, ask about it.

The line in `authorized_keys` names mode, system and folder; the caller's words (SSH_ORIGINAL_COMMAND) only choose
between the repository protocol and one question: an appender's for a signed receipt, head or statement of copies, a
reader's for the list of heads or an inspection. Nothing else is possible. Standard library only.
"""

import json
import os
import re
import sys

SIGNER = ["/usr/bin/sudo", "-n", "-u", "miyun-sign"]
RECEIPT, HEAD = "/usr/libexec/yunwei/miyun_receipt.py", "/usr/libexec/yunwei/miyun_head.py"
COPIES = "/usr/libexec/yunwei/miyun_copies.py"
HEADS = "/srv/miyun_heads"
SHARE = "/etc/yunwei/site_share.json"
MARKER = ".yunwei-share"
FACTS = ["/usr/libexec/yunwei/site_facts.py"]
APPENDING = "/usr/libexec/yunwei/append_session.py"
MODES = ("append", "read")
SYSTEM = re.compile(r"^[a-z][a-z0-9_]{0,40}$")


def share():
    """Return {"path", "name"} of the mounted share that the copies lie on; None where they lie on this host's disk."""
    try:
        with open(SHARE) as stream:
            return json.load(stream)
    except FileNotFoundError:
        return None


def demand_share():
    """Return the share's name or None; end where it is not mounted: an empty mount point looks like an empty store."""
    wanted = share()
    if wanted is None:
        return None
    name, path = wanted["name"], wanted["path"]
    marker = os.path.join(path, MARKER)
    found = read_marker(marker, name)  # first: reading is what makes an automounter mount
    if not os.path.ismount(path):
        refuse("refused: share %s is not mounted here: %s is no mount point" % (name, path))
    if found is None:
        refuse("refused: what is mounted at %s is not marked as share %s: there is no %s" % (path, name, marker))
    if found != name:
        refuse("refused: %s belongs to another share than %s" % (marker, name))
    return found


def read_marker(marker, name):
    """Return what the marker says, None where there is none; end where it cannot be read."""
    try:
        with open(marker) as stream:
            return stream.read(200).strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        refuse("refused: share %s cannot be read here: %s: %s" % (name, marker, error.strerror))


def refuse(reason):
    """End with a reason that the caller sees."""
    sys.stderr.write("repository_gate: %s\n" % reason)
    sys.exit(1)


def repository_command(mode, system, folder):
    """Return the command that speaks the repository protocol over standard input and output.

    A reader is kept from writing by file permissions; each request of an appender is judged by a program of this site.
    """
    if mode == "append":
        return [APPENDING, system, folder]
    return ["/usr/bin/rclone", "serve", "restic", "--stdio", "--config", "", "--log-level", "ERROR", folder]


def heads_command(system):
    """Return the command that prints the heads that were countersigned for a system; none is an empty list."""
    path = "%s/%s.jsonl" % (HEADS, system)
    return ["/bin/cat", path] if os.path.exists(path) else ["/bin/true"]


def main(arguments):
    """Replace this process by the one command that mode and words allow."""
    if len(arguments) != 3 or arguments[0] not in MODES or not SYSTEM.match(arguments[1]):
        refuse("the key's line must name `append` or `read`, a system and a folder")
    mode, system, folder = arguments
    asked = os.environ.get("SSH_ORIGINAL_COMMAND", "").split()
    demand_share()
    if not os.path.isdir(folder):
        refuse("there is no repository of %s here" % system)
    if asked[:2] == ["serve", "restic"]:
        command = repository_command(mode, system, folder)
    elif asked == ["receipt"] and mode == "append":
        command = [*SIGNER, RECEIPT, system]
    elif asked[:1] == ["head"] and len(asked) == 3 and mode == "append":
        command = [*SIGNER, HEAD, system, *asked[1:]]
    elif asked[:1] == ["copies"] and len(asked) % 3 == 1 and mode == "append":
        command = [*SIGNER, COPIES, system, *asked[1:]]
    elif asked == ["heads"] and mode == "read":
        command = heads_command(system)
    elif asked == ["inspect"] and mode == "read":
        command = [*FACTS, system, folder]
    else:
        refuse(
            "allowed are the repository protocol; for an appender `receipt`, `head COUNT HASH` and "
            "`copies [ITEM TIME SNAPSHOTS]...`; for a reader `heads` and `inspect`"
        )
    os.umask(0o027)
    os.chdir("/")
    os.execve(command[0], command, {"PATH": "/usr/bin:/bin", "LANG": "C", "HOME": "/nonexistent"})


if __name__ == "__main__":
    main(sys.argv[1:])
