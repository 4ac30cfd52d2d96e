"""Every call of restic 0.14: secrets by pipe, JSON parsed strictly, its texts turned into faults with a name."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import os
import re
import signal
import subprocess

from . import process
from .faults import (
    ProgramFailedError,
    RefusedByPolicyError,
    RefusedBySiteError,
    RepositoryAbsentError,
    RepositoryPasswordError,
    RepositoryUnreachableError,
)
from .process import SECRET, clean_text
from .resticstream import Dump, Writer, full_id

_INHERITED = ("PATH", "HOME", "TMPDIR")
_ID = re.compile(r"\A[0-9a-f]{64}\Z")
_DAMAGE = re.compile(r"error|not match|not found|not exist|missing|damaged|invalid|unexpected", re.IGNORECASE)
# Said when bytes of the repository are not what they must be; all else could be the host or the network.
_BAD_BYTES = re.compile(
    r"ciphertext verification failed|does not match|hash mismatch|invalid data returned|not found in (?:index|repo)"
    r"|object not found|file does not exist|404|failed to decode|unknown blob|no such file or directory"
    r"|no matching ID|not found in snapshot|invalid character|cannot unmarshal|unexpected (?:EOF|end of JSON)"
    r"|wrong (?:number of|length)|too short|Load\("
)
_DAMAGED = ("repository contains errors", "LoadIndex returned errors")
# Why a prune or a count of what a snapshot needs ends where something that is needed is damaged or gone.
_LACKS = re.compile(
    r"packs from index missing|index is not complete|invalid data returned|not found in repository|blob \S+ not found"
    r"|ciphertext verification failed|does not match|error walking snapshot"
)
_SITE_SAYS = re.compile(r"repository_gate: (refused|busy): ([^\n]+)")
_IN_SNAPSHOT = re.compile(r"(?:in|belongs to) snapshot ([0-9a-f]{8,64})")
_SAYINGS = (
    ("wrong password or no key found", RepositoryPasswordError, "the password in Vault opens no key of the repository"),
    ("Is there a repository at the following location", RepositoryAbsentError, "there is no repository"),
    ("unable to open config file", RepositoryAbsentError, "there is no repository"),
    ("config file does not exist", RepositoryAbsentError, "there is no repository"),
    ("repository is already locked", None, "the repository is locked"),
    ("unable to create lock", None, "the repository is locked"),
    ("error talking HTTP to rclone", RepositoryUnreachableError, "the other site cannot be reached"),
    ("rclone exited with error", RepositoryUnreachableError, "the other site cannot be reached"),
    ("rclone stdio connection", RepositoryUnreachableError, "the connection to the other site was cut"),
    ("no space left on device", ProgramFailedError, "the disk of the repository is full"),
)


class Repository:
    """One restic repository, local or behind an SSH forced command; `where` names it in messages."""

    def __init__(self, location, password, where=None, flags=("--no-cache",)):
        """Remember how to reach it.

        Args:
            location: what `restic -r` takes.
            password: text; it reaches restic by an inherited pipe only.
            where: how messages name the repository (default: the location).
            flags: global flags of every call, such as `--limit-upload=512` or `-o`, `rclone.program=ssh ALIAS`.
        """
        self.location = location
        self.where = where or location
        self._password = password
        self._flags = list(flags)

    # -- reading ------------------------------------------------------------------------------------------------

    def snapshots(self):
        """Return every snapshot (dicts as restic writes them, full ids); raises RepositoryAbsentError and others."""
        return self.parse(self._output(["snapshots", "--json", "--no-lock"])) or []

    def snapshots_if_any(self):
        """Return every snapshot, or None when there is no repository; raises for every other fault."""
        try:
            return self.snapshots()
        except RepositoryAbsentError:
            return None

    def open_dump(self, snapshot, path):
        """Return a `Dump` of the file `path` in `snapshot`; close it to learn whether every byte came."""
        child = self.start(["dump", "--no-lock", snapshot, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return Dump(self, child, path)

    def locks(self):
        """Return the locks in the repository: [{"id", "pid", "hostname", "time", "exclusive", ...}]."""
        found = []
        for name in self._lock_names():
            try:
                lock = self.parse(self._output(["cat", "lock", name, "--no-lock"]))
            except ProgramFailedError:
                continue  # its owner removed it between the two calls
            found.append(dict(lock, id=name))
        return found

    def _lock_names(self):
        folder = os.path.join(self.location, "locks")
        if os.path.isdir(folder):
            return sorted(name for name in os.listdir(folder) if _ID.match(name))
        return self.names_of("locks")

    def names_of(self, kind):
        """Return the names of all files of a kind: `packs`, `keys`, `locks`, `index` or `snapshots`."""
        return self._output(["list", kind, "--no-lock"]).decode("ascii", "replace").split()

    def key_file(self):
        """Return the content (bytes) of a repository key that opens with the same password as one that is there."""
        return self._output(["cat", "key", self.names_of("keys")[0], "--no-lock"])

    def indexed_packs(self):
        """Return the names of all packs that an index of the repository knows."""
        packs = set()
        for name in self.names_of("index"):
            index = self.parse(self._output(["cat", "index", name, "--no-lock"]))
            packs.update(pack["id"] for pack in index.get("packs") or [])
        return packs

    def check(self, read=None):
        """Check the structure, and the data when `read` is `all` or `n/t`; return the lines that name damage."""
        words = ["check", "--no-lock"]
        if read:
            words += ["--read-data"] if read == "all" else ["--read-data-subset=%s" % read]
        code, out, err = process.run(self._argv(words), [self._password], die_with=signal.SIGINT, env=self._variables())
        text = (out + b"\n" + err).decode("utf-8", "replace")
        if code and not [saying for saying in _DAMAGED if saying in text]:
            self.judge(code, err, "check")
        return [clean_text(line) for line in text.splitlines() if _DAMAGE.search(line)] if code else []

    def snapshots_of_packs(self, packs):
        """Return the short ids of the snapshots that use one of `packs`."""
        text = self._output(["find", "--no-lock", "--pack"] + [full_id(pack) for pack in packs])
        return sorted(set(_IN_SNAPSHOT.findall(text.decode("utf-8", "replace"))))

    def are_whole(self, snapshots):
        """Return whether the index knows every piece of data that `snapshots` (full ids) are made of."""
        words = ["stats", "--no-lock", "--mode", "raw-data"] + [full_id(name) for name in snapshots]
        return not self._lack(words)

    # -- writing ------------------------------------------------------------------------------------------------

    def init(self, like=None):
        """Create the repository, with the chunker parameters of the repository `like` when given."""
        words, secrets = ["init"], []
        if like is not None:
            words += ["--from-repo", like.location, "--from-password-file", SECRET, "--copy-chunker-params"]
            secrets = [like._password]
        self.call(words, secrets)

    def copy_from(self, source, snapshots):
        """Copy `snapshots` (ids in `source`), in this order; what is there already is skipped by restic."""
        words = ["copy", "--from-repo", source.location, "--from-password-file", SECRET]
        return self.call(words + list(snapshots), [source._password])[0]

    def forget(self, snapshots):
        """Forget exactly these full snapshot ids; their data stays until `prune`."""
        if snapshots:
            self.call(["forget"] + [full_id(name) for name in snapshots])

    def prune(self):
        """Remove packs that nothing uses; never repacks, so the time is bounded by what is removed.

        Returns None, or the words of restic where it removed nothing because of what is damaged or gone.
        """
        return self._lack(["prune", "--max-unused=unlimited"])

    def rebuild_index(self):
        """Make the index anew from the packs that are there."""
        self.call(["rebuild-index"])

    def unlock(self):
        """Remove every lock; only for when each was judged dead (a number in use again makes restic spare it)."""
        self.call(["unlock", "--remove-all"])

    def store(self, host, path, tags, content):
        """Store `content` (bytes) as one small file, also behind a forced command."""
        child = self._start_storing(host, path, tags)
        _, err = child.communicate(content)
        self.judge(child.returncode, err, "backup")

    def start_backup(self, host, path, tags):
        """Start `restic backup --stdin` under a constant host and path; return a `Writer`."""
        return Writer(self, self._start_storing(host, path, tags))

    def _start_storing(self, host, path, tags):
        words = ["backup", "--json", "--stdin", "--stdin-filename", path, "--host", host]
        for tag in tags:
            words += ["--tag", tag]
        return self.start(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    # -- calling ------------------------------------------------------------------------------------------------

    def start(self, words, secrets=(), **options):
        """Start restic with `words` and return the child; it gets SIGINT when this process dies."""
        return process.start(
            self._argv(words), [self._password] + list(secrets), signal.SIGINT, env=self._variables(), **options
        )

    def call(self, words, secrets=()):
        """Run restic with `words` to its end and return (last bytes of stdout, of stderr); raises a named fault."""
        code, out, err = process.run(
            self._argv(words), [self._password] + list(secrets), die_with=signal.SIGINT, env=self._variables()
        )
        self.judge(code, err, words[0])
        return out, err

    def _lack(self, words):
        """Run restic; return None, or what it says when something that it needs is damaged or gone."""
        code, _, err = process.run(self._argv(words), [self._password], die_with=signal.SIGINT, env=self._variables())
        text = err.decode("utf-8", "replace")
        if code and _LACKS.search(text):
            return last_line(text)
        return self.judge(code, err, words[0])

    def _output(self, words):
        """Return everything that restic prints for `words`."""
        child = self.start(words, stdin=None, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        err = process.Tail(child.stderr)
        with child.stdout as stream:
            out = stream.read()
        self.judge(child.wait(), err.bytes(), words[0])
        return out

    def _argv(self, words):
        return ["restic", "-r", self.location, "-p", SECRET] + self._flags + list(words)

    def _variables(self):
        wanted = {"RESTIC_PROGRESS_FPS": "0.01", "LC_ALL": "C.UTF-8"}
        wanted.update((key, os.environ[key]) for key in _INHERITED if key in os.environ)
        return wanted

    def judge(self, code, err, what):
        """Raise the named fault that restic's exit code and error output (bytes) of the step `what` stand for."""
        if code == 0:
            return
        text = err.decode("utf-8", "replace")
        self._judge_refusal(text, what)
        for saying, fault, meaning in _SAYINGS:
            if saying in text:
                message = "repository %s: %s (restic %s)" % (self.where, meaning, what)
                if fault is None:
                    raise RefusedByPolicyError("repository locked", "%s: %s" % (message, last_line(text)))
                raise fault(message)
        raise ProgramFailedError(
            "repository %s: restic %s ended with %d: %s" % (self.where, what, code, last_line(text))
        )

    def _judge_refusal(self, text, what):
        """Raise what the gate in front of the repository said, when it did."""
        said = _SITE_SAYS.search(text)
        if not said:
            return
        message = "repository %s (restic %s): refused by that site: %s" % (self.where, what, clean_text(said.group(2)))
        if said.group(1) == "busy":
            raise RefusedByPolicyError("repository locked", message)
        raise RefusedBySiteError(message)

    def parse(self, data):
        """Return the JSON in `data` (bytes); raises ProgramFailedError for anything else."""
        try:
            return json.loads(data.decode("utf-8"))
        except ValueError:
            raise ProgramFailedError("repository %s: restic's answer is not JSON" % self.where)


def speaks_of_damage(said):
    """Return whether a fault's words are about bytes of the repository that are not what they must be."""
    return bool(_BAD_BYTES.search(said))


def last_line(text):
    """Return the last telling lines of restic's error output as one safe line."""
    return clean_text(" / ".join(line for line in text.strip().splitlines()[-6:] if line.strip()))
