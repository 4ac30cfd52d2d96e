"""The same work as a person would type it: ssh, pg_dump, restic, pg_restore; each returns its seconds."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from bench.ground import SYSTEM, Ground
from yunwei.lab import keys

_MARK = "yunwei-bench"
_HERE = "/dev/shm/bench"  # noqa: S108 - key and password must lie in memory
_WORK = "/srv/bench"
_FAR = "/home/miyunadmin/bench"
_PG = "/usr/lib/postgresql/15/bin"
_ACCESS = """
umask 077
mkdir -p {here}
mkdir -p -m 0755 {work}
cat > {here}/key <<'END'
{private}END
cat > {here}/known_hosts <<'END'
{known_hosts}END
cat > {here}/config <<'END'
{config}END
echo {password} > {here}/password
"""
_CONFIG = """\
Host db1
    HostName {db1}
    User ops
Host miyun1
    HostName {miyun1}
    User miyunadmin
Host *
    IdentityFile {here}/key
    IdentitiesOnly yes
    BatchMode yes
    StrictHostKeyChecking yes
    UserKnownHostsFile {here}/known_hosts
    GlobalKnownHostsFile none
"""
_LOCAL = f"restic --quiet --password-file {_HERE}/password --no-cache --repo {_WORK}/repo"
_MIYUN = (
    f"restic --quiet --password-file {_HERE}/password --cache-dir {_WORK}/cache --repo rclone:x "
    f"--option rclone.program='ssh -F {_HERE}/config miyun1'"
)
_FROM_LOCAL = f"--from-repo {_WORK}/repo --from-password-file {_HERE}/password"
_BACK_UP = f"""
ssh -n -F {_HERE}/config db1 'cd / && sudo -n -u postgres pg_dump -Fc -Z0 {SYSTEM}' |
    {_LOCAL} backup --stdin --stdin-filename {SYSTEM}.dump
"""
_COPY = f"""
{_MIYUN} init {_FROM_LOCAL} --copy-chunker-params
{_MIYUN} copy {_FROM_LOCAL}
"""
_CLUSTER = f"runuser -u postgres -- {_PG}/pg_ctl --silent --wait --pgdata {_WORK}/data --log {_WORK}/data/log"
_AT = f"--host {_WORK}/data --port 54398 --username postgres"
_RESTORE = f"""
cd /
{_MIYUN} dump latest /{SYSTEM}.dump > {_WORK}/{SYSTEM}.dump
runuser -u postgres -- {_PG}/initdb --pgdata {_WORK}/data --auth trust --encoding UTF8 --locale C.UTF-8
{_CLUSTER} --options "-p 54398 -k {_WORK}/data -c listen_addresses=''" start > /dev/null 2>&1
runuser -u postgres -- {_PG}/psql --quiet {_AT} --dbname postgres --file {_WORK}/roles.sql
runuser -u postgres -- {_PG}/pg_restore {_AT} --dbname postgres --create --jobs $(nproc) {_WORK}/{SYSTEM}.dump
"""
_FIRST_ROW = f"""
cd /
test "$(runuser -u postgres -- {_PG}/psql -qAt {_AT} --dbname {SYSTEM} --command 'TABLE service.bench LIMIT 1')"
"""
_END_CLUSTER = f"[ ! -d {_WORK}/data ] || {_CLUSTER} --mode immediate stop || :\nrm -rf {_WORK}/data {_WORK}/*.dump"


class ByHand:
    """A person at backup1 and scratch1 with a key for db1 and for a repository of his own at the second site."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def back_up(self) -> float:
        """Dump the database into a new repository on backup1; nothing is read back."""
        self._ground.shell("backup1", f"rm -rf {_WORK}/repo && {_LOCAL} init")
        return self._ground.timed("backup1", _BACK_UP)

    def copy(self) -> float:
        """Copy that repository to a new one at the second site."""
        self._ground.shell("miyun1", f"rm -rf {_FAR} && install -d -o miyunadmin -g miyunadmin {_FAR}")
        self._ground.shell("backup1", f"rm -rf {_WORK}/cache")
        return self._ground.timed("backup1", _COPY)

    def restore(self) -> float:
        """Restore the database from the second site into a new cluster on scratch1."""
        roles = "cd / && runuser -u postgres -- pg_dumpall --roles-only --no-role-passwords | grep -v ' postgres;'"
        text = shlex.quote(self._ground.shell("db1", roles))
        self._ground.shell("scratch1", f"{_END_CLUSTER}\nrm -rf {_WORK}/cache\nprintf %s {text} > {_WORK}/roles.sql")
        self._ground.shell("scratch1", f"install -d -o postgres -m 0700 {_WORK}/data; chmod 0644 {_WORK}/roles.sql")
        try:
            seconds = self._ground.timed("scratch1", _RESTORE)
            self._ground.shell("scratch1", _FIRST_ROW)
        finally:
            self._ground.shell("scratch1", _END_CLUSTER)
        return seconds


@contextmanager
def by_hand(ground: Ground) -> Iterator[ByHand]:
    """Give the person access while the block runs, and take every trace of it away afterwards."""
    private, public = keys.generate(_MARK)
    addresses = {name: ground.slot.host(name).address for name in ("db1", "miyun1")}
    known_hosts = keys.known_hosts(ground.slot).read_text(encoding="utf-8")
    access = _ACCESS.format(
        here=_HERE,
        work=_WORK,
        private=private,
        known_hosts=known_hosts,
        config=_CONFIG.format(here=_HERE, **addresses),
        password=secrets.token_urlsafe(24),
    )
    try:
        for host in ("backup1", "scratch1"):
            ground.shell(host, access)
        _let_in(ground, "db1", "ops", public)
        forced = f'restrict,command="rclone serve restic --stdio --append-only {_FAR}" {public}'
        _let_in(ground, "miyun1", "miyunadmin", forced)
        yield ByHand(ground)
    finally:
        _take_away(ground)


def _let_in(ground: Ground, host: str, account: str, line: str) -> None:
    ground.shell(host, f"cat >> /home/{account}/.ssh/authorized_keys <<'END'\n{line.rstrip()}\nEND\n")


def _take_away(ground: Ground) -> None:
    for host in ("backup1", "scratch1"):
        ground.shell(host, f"{_END_CLUSTER}\nrm -rf {_HERE} {_WORK}")
    for host, account in (("db1", "ops"), ("miyun1", "miyunadmin")):
        ground.shell(host, f"sed -i '/ {_MARK}$/d' /home/{account}/.ssh/authorized_keys")
    ground.shell("miyun1", f"rm -rf {_FAR}")
