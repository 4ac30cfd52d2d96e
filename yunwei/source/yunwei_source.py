#!/usr/bin/python3
"""The one program that a source host runs for the backup server: list, dump, stream files, logs, old rows; no more.

Behind a forced command (`--system NAME`, verb in SSH_ORIGINAL_COMMAND) it answers in frames on standard output:
`YUNWEI-SOURCE 1`, then type byte, length, payload: H opens, D carries payload, M manifest lines, K says "still
working", T closes a good answer, E a failed one. It writes no file, starts nothing but PostgreSQL's own tools, and
these as the database's account. After a restore the same file, run as `manifest DATABASE --socket DIR --port N`,
prints the same manifest lines of the restored database. Standard library only: Python 2.6, 2.7 and 3.6+.

One file on purpose, though a long one: it is what an auditor reads and what every host's proof pins by its digest.
"""

from __future__ import absolute_import, division, print_function

import errno
import fnmatch
import glob
import grp
import hashlib
import json
import optparse
import os
import pwd
import re
import resource
import select
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
import zlib
from base64 import b64encode

CONFIG = "/etc/yunwei/source.json"
MAGIC = b"YUNWEI-SOURCE 1\n"
BLOCK = 256 << 10
FRAME = 1 << 20
KEEP_ALIVE_SECONDS = 10
READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
FOLDER_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY


class Fault(Exception):
    """What went wrong where, and what a person does next; ends the program with `code`."""

    def __init__(self, where, reason, next_step, code=1):
        Exception.__init__(self, "%s: %s (next: %s)" % (where, reason, next_step))
        self.where, self.reason, self.next_step, self.code = where, reason, next_step, code


class Stopped(Exception):
    """A signal came or the other side has gone."""


# ---------------------------------------------------------------- the answer


def to_json(value):
    """Return `value` as one line of ASCII JSON with sorted keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


class Answer(object):
    """The frames on `descriptor`: counts and digests every byte that it sends; used from several threads."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self._lock = threading.RLock()
        self._data, self._lines = [], []
        self._waiting = {"D": 0, "M": 0}
        self._bytes = {"D": 0, "M": 0}
        self._digest = {"D": hashlib.sha256(), "M": hashlib.sha256()}
        self._last = 0
        self._broken = False
        self._poll = select.poll()
        self._poll.register(descriptor, 0)  # errors and hang-up are always reported

    def begin(self):
        """Send the protocol's name, once."""
        if not self._last:
            self._write(MAGIC)

    def open(self, verb, name):
        """Begin with the H frame."""
        self.begin()
        with open(os.path.abspath(__file__), "rb") as program:
            digest = hashlib.sha256(program.read()).hexdigest()
        head = {"verb": verb, "name": name, "host": socket.gethostname(), "source_sha256": digest}
        head.update(started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), python=sys.version.split()[0])
        self._frame("H", to_json(head))

    def data(self, payload):
        """Add bytes of the payload."""
        with self._lock:
            self._data.append(payload)
            self._waiting["D"] += len(payload)
            if self._waiting["D"] >= BLOCK:
                self._flush()

    def line(self, text):
        """Add one manifest line: a dict, or the JSON text of one."""
        with self._lock:
            self._lines.append(to_json(text) if isinstance(text, dict) else text)
            self._waiting["M"] += len(self._lines[-1])
            if self._waiting["M"] >= BLOCK:
                self._flush()

    def keep_alive(self):
        """Say that work goes on, when nothing was said for a while; notice a peer that has gone."""
        if self._poll.poll(0):
            raise Stopped("the other side has gone")
        with self._lock:
            if time.time() - self._last > KEEP_ALIVE_SECONDS:
                self._frame("K", "")

    def close(self):
        """End a good answer: the T frame says how much was sent and its digests."""
        with self._lock:
            self._flush()
            trailer = {"exit": 0, "bytes": self._bytes["D"], "sha256": self._digest["D"].hexdigest()}
            trailer.update(manifest_bytes=self._bytes["M"], manifest_sha256=self._digest["M"].hexdigest())
            self._frame("T", to_json(trailer))

    def fail(self, fault):
        """End a failed answer with an E frame, if that is still possible; else the cut and the exit code say it."""
        for _ in range(100):  # 5 s for another thread to end its frame: longer, and nobody takes it
            if self._lock.acquire(False):
                break
            time.sleep(0.05)
        else:
            return
        if not self._broken:
            said = {"where": fault.where[:500], "reason": fault.reason[-1000:], "next": fault.next_step[:500]}
            if select.select([], [self.descriptor], [], 5)[1]:  # then there is room for as much as this
                self.begin()
                self._frame("E", to_json(said))

    def _flush(self):
        payload, self._data, self._waiting["D"] = b"".join(self._data), [], 0
        for start in range(0, len(payload), FRAME):
            piece = payload[start : start + FRAME]
            self._count("D", piece)
            self._frame("D", piece)
        if self._lines:
            text = ("\n".join(self._lines) + "\n").encode("ascii")
            self._lines, self._waiting["M"] = [], 0
            self._count("M", text)
            self._frame("M", zlib.compress(text, 1))

    def _count(self, kind, payload):
        self._bytes[kind] += len(payload)
        self._digest[kind].update(payload)

    def _frame(self, kind, payload):
        payload = payload if isinstance(payload, bytes) else payload.encode("ascii")
        self._write(struct.pack(">cL", kind.encode("ascii"), len(payload)) + payload)

    def _write(self, raw):
        with self._lock:
            if self._broken:
                raise Stopped("the answer is broken")
            self._broken = True
            try:
                while raw:
                    raw = raw[os.write(self.descriptor, raw) :]
            except (OSError, IOError) as error:
                raise Stopped("the other side has gone: %s" % error)
            self._last, self._broken = time.time(), False


class Printed(object):
    """Manifest lines as plain text, for the local `manifest` mode; the last line says how many came before."""

    def __init__(self):
        self._count = 0

    def line(self, text):
        """Print one line, a dict."""
        self._count += 1
        print(to_json(text))

    def keep_alive(self):
        """Nobody waits for a frame here."""

    def close(self):
        """Say that the manifest is complete."""
        print(to_json({"t": "end", "lines": self._count}))
        sys.stdout.flush()


# ---------------------------------------------------------------- child processes


class Child(object):
    """A tool of the database, run as `account`; its last words are kept for the message.

    All are started before the first Worker is: what runs between fork and exec must not meet a second thread's locks.
    """

    living = []

    def __init__(self, arguments, account, environment):
        self.tool = os.path.basename(arguments[0])
        pipe = subprocess.PIPE
        prepare = become(account)
        try:
            self.process = subprocess.Popen(
                arguments, stdin=pipe, stdout=pipe, stderr=pipe, cwd="/", env=environment, close_fds=True,
                preexec_fn=prepare,  # noqa: PLW1509 see above
            )  # fmt: skip
        except Exception as error:  # OSError, or whatever the version at hand makes of an error before exec
            raise Fault(arguments[0], "cannot be started: %s" % error, "see whether %s can run it" % account)
        self.output = self.process.stdout.fileno()
        self._words = b""
        self._listener = start_thread(self._listen)
        Child.living.append(self)

    def _listen(self):
        words = b"-"
        while words:
            words = os.read(self.process.stderr.fileno(), 4096)
            self._words = (self._words + words)[-4096:]

    def words(self):
        """Return what the tool said on standard error, once it has ended."""
        self._listener.join(5)
        return self._words.decode("utf-8", "replace").strip() or "no message"

    def read(self):
        """Return everything on standard output as text."""
        pieces = []
        while not pieces or pieces[-1]:
            pieces.append(os.read(self.output, BLOCK))
        return b"".join(pieces).decode("utf-8")

    def finish(self, where, answer):
        """Wait for the end; raises Fault when the tool failed or was killed."""
        while self.process.poll() is None:
            answer.keep_alive()
            time.sleep(0.02)
        if self.process.returncode:
            reason = "%s ended with %d: %s" % (self.tool, self.process.returncode, self.words())
            raise Fault(where, reason, "see the message and PostgreSQL's log, then start the backup again")

    @classmethod
    def stop_all(cls):
        """End every tool: first by SIGINT, which also cancels its query in the server."""
        for number, patience in ((signal.SIGINT, 3), (signal.SIGKILL, 5)):
            until = time.time() + patience
            left = [child.process for child in cls.living if child.process.poll() is None]
            for process in left:
                process.send_signal(number)
            while left and time.time() < until:
                time.sleep(0.02)
                left = [process for process in left if process.poll() is None]


def become(account):
    """Return what a child does before it starts: give up root for `account` (a name, or None to stay)."""
    try:
        entry = pwd.getpwnam(account) if account else None
    except KeyError:
        raise Fault("account %s" % account, "does not exist", "correct os_user in the policy")
    groups = [group.gr_gid for group in grp.getgrall() if account in group.gr_mem]

    def prepare():
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        if entry and os.geteuid() != entry.pw_uid:
            os.setgroups([entry.pw_gid] + groups)
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)

    return prepare


def start_thread(job):
    """Run `job` in a thread that does not keep the program alive."""
    thread = threading.Thread(target=job)
    thread.daemon = True
    thread.start()
    return thread


class Worker(object):
    """A job beside the main one; `check` raises in the main thread what went wrong in it."""

    def __init__(self, job):
        self._job, self._error = job, None
        self.thread = start_thread(self._run)

    def _run(self):
        try:
            self._job()
        except Exception as error:  # handed to the main thread, which ends the program with it
            self._error = error

    def check(self):
        """Raise the job's error, if there was one."""
        if self._error:
            raise self._error

    def finish(self, answer, check):
        """Wait for its end; `check` may raise at any time."""
        while self.thread.is_alive():
            check()
            answer.keep_alive()
            self.thread.join(0.05)
        check()


# ---------------------------------------------------------------- PostgreSQL

# Output settings are pinned because digests of text depend on them; limits keep a busy server free of us.
SESSION_SETTINGS = """
SELECT json_build_array(set_config(name, wanted, false)) FROM pg_settings JOIN (VALUES
 ('search_path', ''), ('DateStyle', 'ISO, YMD'), ('IntervalStyle', 'postgres'), ('TimeZone', 'UTC'),
 ('extra_float_digits', '3'), ('bytea_output', 'hex'), ('xmlbinary', 'base64'), ('xmloption', 'content'),
 ('lc_monetary', 'C'), ('quote_all_identifiers', 'off'), ('row_security', 'off'), ('jit', 'off'),
 ('client_min_messages', 'error'), ('statement_timeout', '0'), ('idle_in_transaction_session_timeout', '0'),
 ('transaction_timeout', '0'), ('idle_session_timeout', '0'), ('client_connection_check_interval', '5s'),
 ('lock_timeout', '%d'), ('max_parallel_workers_per_gather', '%d')
) AS setting (key, wanted) ON lower(name) = lower(key);
"""

FACTS = """
SELECT json_build_array(current_setting('server_version'), current_setting('server_version_num')::int,
 pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, pg_database_size(d.oid),
 to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), to_json(d)->>'datlocprovider',
 coalesce(to_json(d)->>'datlocale', to_json(d)->>'daticulocale'))
FROM pg_database d WHERE datname = current_database();
"""
FACT_NAMES = ["server_version", "server_version_num", "encoding", "collate", "ctype", "bytes_estimate", "snapshot_at"]
FACT_NAMES += ["locale_provider", "icu_locale"]

# Tables with rows of their own, as pg_dump sees them: of an extension only what it declares as configuration.
TABLES = """
SELECT json_build_array(n.nspname, c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relkind,
 coalesce((SELECT e.extcondition[array_position(e.extconfig, c.oid)] FROM pg_extension e
           WHERE c.oid = ANY (e.extconfig) LIMIT 1), ''),
 coalesce((SELECT json_agg(json_build_array('r.' || quote_ident(a.attname),
   CASE WHEN t.typtype = 'b' AND t.typnamespace = 'pg_catalog'::regnamespace THEN t.typname ELSE '' END)
   ORDER BY a.attname::text COLLATE "C")
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]'))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'f') AND c.relpersistence <> 't'
 AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
 AND (EXISTS (SELECT 1 FROM pg_extension e WHERE c.oid = ANY (e.extconfig)) OR NOT EXISTS (SELECT 1 FROM pg_depend d
  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
ORDER BY pg_table_size(c.oid) DESC NULLS LAST, c.oid;
"""
NOT_COMPARED = {"m": "materialized view: refreshed by the restore", "f": "foreign table: its rows live elsewhere"}

SEQUENCES = """
SELECT json_build_array(n.nspname, c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname), p.increment,
 p.cycle_option, tn.nspname, tc.relname, quote_ident(tn.nspname) || '.' || quote_ident(tc.relname), a.attname,
 quote_ident(a.attname), t.typname IN ('int2', 'int4', 'int8', 'numeric'))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL pg_sequence_parameters(c.oid) AS p
LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
 AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
LEFT JOIN pg_class tc ON tc.oid = d.refobjid LEFT JOIN pg_namespace tn ON tn.oid = tc.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
LEFT JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
 AND (EXISTS (SELECT 1 FROM pg_extension e WHERE c.oid = ANY (e.extconfig)) OR NOT EXISTS (SELECT 1 FROM pg_depend x
  WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e'))
ORDER BY c.oid;
"""

# Roles that own or may do something here, their members, and what all of these are members of.
ROLES = """
WITH RECURSIVE named AS (
 SELECT s.refobjid AS oid FROM pg_shdepend s, pg_database d
  WHERE d.datname = current_database() AND s.refclassid = 'pg_authid'::regclass
  AND (s.dbid = d.oid OR s.classid = 'pg_database'::regclass AND s.objid = d.oid)
 UNION SELECT setrole FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
  WHERE d.datname = current_database() AND setrole <> 0
 UNION SELECT datdba FROM pg_database WHERE datname = current_database() UNION SELECT 10::oid
), below AS (SELECT oid FROM named UNION SELECT m.member FROM below b JOIN pg_auth_members m ON m.roleid = b.oid
), whole AS (SELECT oid FROM below UNION SELECT m.roleid FROM whole w JOIN pg_auth_members m ON m.member = w.oid)
SELECT json_build_array(a.rolname, json_build_object('superuser', rolsuper, 'inherit', rolinherit,
 'createrole', rolcreaterole, 'createdb', rolcreatedb, 'login', rolcanlogin, 'replication', rolreplication,
 'bypassrls', rolbypassrls, 'connection_limit', rolconnlimit, 'valid_until', rolvaliduntil::text,
 'password', CASE WHEN rolpassword IS NULL THEN 'none' WHEN rolpassword LIKE 'SCRAM-%' THEN 'scram'
  WHEN rolpassword LIKE 'md5%' THEN 'md5' ELSE 'other' END,
 'settings', coalesce((SELECT json_agg(x ORDER BY x COLLATE "C") FROM pg_db_role_setting s, unnest(s.setconfig) x
  WHERE s.setrole = a.oid AND s.setdatabase = 0), '[]')),
 coalesce((SELECT json_agg(DISTINCT g.rolname || CASE WHEN m.admin_option THEN ' WITH ADMIN OPTION' ELSE '' END)
  FROM pg_auth_members m JOIN pg_authid g ON g.oid = m.roleid WHERE m.member = a.oid), '[]'))
FROM pg_authid a WHERE a.oid IN (SELECT oid FROM whole) AND a.rolname !~ '^pg_' ORDER BY a.rolname;
"""

# What pg_dump keeps in the database's own entry, told apart so that a difference has a name.
DATABASE_OBJECTS = """
SELECT json_build_array('DATABASE', 'owner', pg_get_userbyid(datdba)) FROM pg_database
 WHERE datname = current_database()
UNION ALL SELECT json_build_array('DATABASE', 'connection limit', datconnlimit::text) FROM pg_database
 WHERE datname = current_database()
UNION ALL SELECT json_build_array('DATABASE', 'comment', shobj_description(oid, 'pg_database')) FROM pg_database
 WHERE datname = current_database() AND shobj_description(oid, 'pg_database') IS NOT NULL
UNION ALL SELECT json_build_array('DATABASE ACL', coalesce(r.rolname, 'PUBLIC'),
  string_agg(x.privilege_type || CASE WHEN x.is_grantable THEN '*' ELSE '' END, ',' ORDER BY x.privilege_type))
 FROM pg_database d CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) x
 LEFT JOIN pg_roles r ON r.oid = x.grantee WHERE datname = current_database() GROUP BY r.rolname
UNION ALL SELECT json_build_array('DATABASE SETTING', coalesce(r.rolname, '*') || ' ' || split_part(x, '=', 1), x)
 FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase CROSS JOIN LATERAL unnest(s.setconfig) x
 LEFT JOIN pg_roles r ON r.oid = s.setrole WHERE datname = current_database();
"""

TABLE_DIGEST = """
SAVEPOINT one; SELECT json_build_array(count(*), coalesce(sum(%s::numeric), 0)::text) FROM ONLY %s AS r %s;
ROLLBACK TO one; RELEASE one;
"""
SEQUENCE_VALUE = "SELECT json_build_array(%d, json_build_array(last_value, is_called)) FROM %s"
COLUMN_LIMIT = "SELECT json_build_array(%s(%s)) FROM %s;"
EXTENSIONS = "SELECT json_build_array(extname, extversion) FROM pg_extension ORDER BY extname;"

# In pieces of 16 MiB: lo_get returns at most 1 GB at a time and holds what it returns in memory.
LARGE_OBJECTS = """
SELECT json_build_array(count(DISTINCT oid), coalesce(sum(%s::numeric), 0)::text) FROM (
 SELECT o.oid, ROW(o.oid, pg_get_userbyid(o.lomowner), o.lomacl, obj_description(o.oid, 'pg_largeobject'), piece,
  md5(lo_get(o.oid, piece * 16777216, 16777216)))::text AS content
 FROM pg_largeobject_metadata o CROSS JOIN LATERAL generate_series(0,
  coalesce((SELECT max(pageno)::bigint * 2048 FROM pg_largeobject l WHERE l.loid = o.oid), 0) / 16777216) piece) r;
"""

# What an old row is known by until it is deleted: a digest of its columns as text. `yunwei_database` has the same.
ROW_KEY = "('x' || substr(md5((r.*)::text), 1, 16))::bit(64)::bigint"
HISTORY_TABLE = """
SELECT json_build_array(quote_ident(n.nspname) || '.' || quote_ident(c.relname),
 (SELECT quote_ident(a.attname) FROM pg_attribute a
   WHERE a.attrelid = c.oid AND a.attname = %s AND a.attnum > 0 AND NOT a.attisdropped),
 (SELECT coalesce(json_agg(quote_ident(a.attname) ORDER BY k.place), '[]') FROM pg_index i
   CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
   JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
   WHERE i.indrelid = c.oid AND i.indisprimary
   AND k.place <= coalesce((to_json(i)->>'indnkeyatts')::int, i.indnatts)),
 (SELECT json_agg(json_build_array(quote_ident(a.attname), format_type(a.atttypid, a.atttypmod)) ORDER BY a.attnum)
   FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
   AND coalesce(to_json(a)->>'attgenerated', '') = ''))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s;
"""
HISTORY_PARTITION = """
SELECT json_build_array(quote_ident(n.nspname) || '.' || quote_ident(c.relname)) FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.inhparent = %s::regclass AND n.nspname = %s AND c.relname = %s AND c.relkind = 'r';
"""
HISTORY_KEYS = """
DECLARE old_rows NO SCROLL CURSOR FOR SELECT json_build_array(json_build_array(%s), %s) FROM %s ORDER BY %s;
"""
OLD_ROWS, ALL_ROWS = "SELECT %s FROM %s ORDER BY %s", "SELECT %s FROM ONLY %s AS r"
PARTITION_DIGEST = "SELECT json_build_array(count(*), coalesce(sum(%s::numeric), 0)::text) FROM ONLY %s AS r;"
MOMENT = re.compile("[0-9]{4,6}-[0-9]{2}-[0-9]{2}(?:[ T][0-9:.]{8,15})?(?:[+-][0-9:]{2,8})?(?: BC)?$")

# Who waits for a lock that our dump or digests hold: users queue behind such a one, so it comes first.
BLOCKED = """
SELECT json_build_array(w.pid, w.usename, l.relation::regclass::text) FROM pg_stat_activity w
LEFT JOIN pg_locks l ON l.pid = w.pid AND NOT l.granted WHERE w.datname = current_database()
AND CASE WHEN w.wait_event_type = 'Lock' THEN pg_blocking_pids(w.pid) && ARRAY(
 SELECT pid FROM pg_stat_activity WHERE application_name = current_setting('application_name')) ELSE false END;
"""

# How a column enters its row's digest. A hash is coarser than the value for most types (1.0 = 1.00, -0 = 0; 64-bit
# integers and times are folded to 32 bits), so these go in by their exact binary form; what is not named goes in as
# text by its own output function. Text is hashed by its bytes, whatever its collation holds to be equal.
NATIVE_TYPES = dict.fromkeys(["bool", "bytea", "char", "int2", "int4", "oid", "date", "uuid"], "%s")
NATIVE_TYPES.update(text='%s COLLATE "C"', varchar='%s COLLATE "C"', int8="int8send(%s)", numeric="numeric_send(%s)")
NATIVE_TYPES.update(float4="float4send(%s)", float8="float8send(%s)", time="time_send(%s)")
NATIVE_TYPES.update(timestamp="timestamp_send(%s)", timestamptz="timestamptz_send(%s)")

BLOCK_HEAD = re.compile(
    "^--\n-- Name: (.*); Type: (.*); Schema: (.*?); Owner: (.*?)(?:; Tablespace: .*)?\n--\n", re.MULTILINE
)
# Lines that depend on the order of blocks or on the one run, not on the object.
BLOCK_NOISE = re.compile(
    "^(?:SET default_(?:tablespace|table_access_method|with_oids) = .*;"
    "|\\\\(?:un)?restrict .*|--|-- PostgreSQL database.*)$",
    re.MULTILINE,
)
# `x IN ('a', 'b')` on a varchar column is printed in one way by the source and in another after a restore.
VARCHAR_ARRAY = re.compile("\\(ARRAY\\[((?:'(?:[^']|'')*'::character varying(?:, )?)+)\\]\\)::text\\[\\]")
VARCHAR_ITEM = re.compile("'(?:[^']|'')*'::character varying")


def row_digest(method, columns):
    """Return the SQL expression (bigint) of one row's digest over `columns`: list of (expression, type name).

    hash_record_extended adds up its columns' hashes: a sum over rows would not see two values change places between
    rows, so each row's hash is hashed once more.
    """
    if not columns:
        return "0"
    whole = 'ROW(%s)::text COLLATE "C"' % ", ".join([name for name, _ in columns])
    if method == "hashtext/v1":
        return "hashtextextended(%s, 0)" % whole
    if method == "md5/v1":
        return "('x' || substr(md5(%s), 1, 16))::bit(64)::bigint" % whole
    parts = [NATIVE_TYPES[kind] % name for name, kind in columns if kind in NATIVE_TYPES]
    rest = ", ".join([name for name, kind in columns if kind not in NATIVE_TYPES])
    if rest:
        parts.append('ROW(%s)::text COLLATE "C"' % rest)
    return "hash_record_extended(ROW(int8send(hash_record_extended(ROW(%s), 0))), 0)" % ", ".join(parts)


def digest_method(version):
    """Return the method of a server of `version` (server_version_num); digests compare only within one method."""
    return "record/v1" if version >= 140000 else "hashtext/v1" if version >= 110000 else "md5/v1"


def schema_objects(dump):
    """Yield (kind, schema, name, SHA-256) of every object in `dump` (text of `pg_dump -s`)."""
    pieces = BLOCK_HEAD.split(dump)
    found = {}
    for start in range(1, len(pieces), 5):
        name, kind, schema, owner, body = pieces[start : start + 5]
        body = VARCHAR_ARRAY.sub(lambda array: "ARRAY[%s]" % VARCHAR_ITEM.sub("(\\g<0>)::text", array.group(1)), body)
        block = "%s\n%s" % (owner, BLOCK_NOISE.sub("", body).strip())
        found.setdefault((kind, "" if schema == "-" else schema, name), []).append(block)
    for key in sorted(found):
        yield key + (sha256("\n".join(sorted(found[key]))),)


def sha256(text):
    """Return the digest of a text in UTF-8."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


class Session(object):
    """One connection that stays open: psql, fed by its standard input; one thread at a time."""

    def __init__(self, database, lock_milliseconds=0, workers=0):
        self._child = database.start("psql", ["-XqAtw", "-v", "ON_ERROR_STOP=1"], PGCLIENTENCODING="UTF8")
        self._where = "database " + database.name
        self._lock = threading.Lock()
        self._buffer = b""
        self.rows(SESSION_SETTINGS % (lock_milliseconds, workers))

    def rows(self, sql, where=None):
        """Run `sql` (statements with their semicolons); return its JSON rows; raises Fault for an error of SQL."""
        with self._lock:
            try:
                self._child.process.stdin.write((sql + "\n\\echo .\n").encode("utf-8"))
                self._child.process.stdin.flush()
            except (OSError, IOError):
                pass  # it has ended: the end of its output and its message follow
            while not (self._buffer == b".\n" or self._buffer.endswith(b"\n.\n")):
                piece = os.read(self._child.output, 65536)
                if not piece:
                    reason = self._child.words()
                    raise Fault(where or self._where, reason, "see the message and PostgreSQL's log, then try again")
                self._buffer += piece
            text, self._buffer = self._buffer[:-2], b""
        try:
            return [json.loads(line) for line in text.decode("utf-8").split("\n")[:-1]]
        except ValueError:
            raise Fault(where or self._where, "a name in the catalog is not valid text", "correct the name")


class PostgreSQL(object):
    """One database. Its manifest is taken in the dump's own snapshot, beside the dump (`same_snapshot`)."""

    relation = "same_snapshot"

    def __init__(self, name, settings):
        self.name = name
        self._where = "database " + name
        self._settings = settings
        self._milliseconds = 1000 * settings.get("lock_timeout_seconds", 10)
        self._major = ""

    def describe(self):
        """Return the facts for `list`; raises Fault when the database does not answer."""
        return {"bytes_estimate": Session(self).rows(FACTS)[0][5]}

    def dump(self, answer):
        """Send the dump and, beside it, the manifest of the same snapshot."""
        session, snapshot = self._open_snapshot(answer)
        outside = Session(self, self._milliseconds)
        sequences = session.rows(SEQUENCES)
        before = read_sequences(outside, sequences)
        self._send_roles(outside, answer)
        dump = self._start_dump(snapshot, "-Fc", "-Z0")
        schema = self._start_dump(snapshot, "-s", "-E", "UTF8")
        manifest = Worker(lambda: self._send_manifest(session, schema, answer))
        watch = Worker(lambda: self._give_way(outside))

        def check():
            watch.check()
            manifest.check()

        pump(dump.output, answer, check)
        dump.finish(self._where, answer)
        after = read_sequences(outside, sequences)
        manifest.finish(answer, check)
        send_sequences(session, sequences, before, after, answer)

    def history(self, rule, asked, answer):
        """Send old rows of one table as COPY writes them and, beside them, what each of them is known by."""
        session, snapshot = self._open_snapshot(answer)
        table = HistoryTable(session, rule, asked)
        outside = Session(self, self._milliseconds)
        copy = self._start_copy(snapshot, table.sources())
        answer.line(dict(self._facts, t="history", name=rule["name"], database=self.name, **table.described()))
        keys = Worker(lambda: table.send_keys(answer))
        watch = Worker(lambda: self._give_way(outside))

        def check():
            watch.check()
            keys.check()

        pump(copy.output, answer, check)
        copy.finish(self._where, answer)
        keys.finish(answer, check)

    def manifest(self, answer, method, table):
        """Send the manifest alone; with `table` (schema, name) only that table's line."""
        session, snapshot = self._open_snapshot(answer, method, workers=2)
        if table:
            self._send_tables(session, answer, table)
            return
        self._send_roles(session, answer, with_globals=False)
        self._send_manifest(session, self._start_dump(snapshot, "-s", "-E", "UTF8"), answer)
        sequences = session.rows(SEQUENCES)
        values = read_sequences(session, sequences)
        send_sequences(session, sequences, values, values, answer)

    def start(self, tool, arguments, **environment):
        """Start one of PostgreSQL's tools, of the server's major version where it is installed."""
        for key, option in (("port", "-p"), ("socket", "-h"), ("user", "-U")):
            if self._settings.get(key):
                arguments = arguments + [option, str(self._settings[key])]
        if tool != "pg_dumpall":
            arguments = arguments + ["-d", "dbname='%s'" % re.sub(r"(['\\\\])", r"\\\1", self.name)]
        account = self._settings.get("os_user")
        environment.update(PATH="/usr/local/bin:/usr/bin:/bin", LC_ALL="C", PGCONNECT_TIMEOUT="10")
        environment.update(PGAPPNAME="yunwei-source-%d" % os.getpid(), HOME=os.path.expanduser("~" + (account or "")))
        return Child([find_tool(tool, self._major)] + arguments, account, environment)

    def _start_copy(self, snapshot, sources):
        """Start to write the rows of all `sources` (SELECT statements), one after the other."""
        copy = self.start("psql", ["-XqAt", "-v", "ON_ERROR_STOP=1"], PGCLIENTENCODING="UTF8")
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\nSET TRANSACTION SNAPSHOT %s;" % literal(snapshot)
        settings = SESSION_SETTINGS % (self._milliseconds, 0)
        text = ["\\o /dev/null", settings, "\\o", begin] + ["COPY (%s) TO STDOUT;" % source for source in sources]
        try:
            copy.process.stdin.write(("\n".join(text) + "\n").encode("utf-8"))
            copy.process.stdin.close()
        except (OSError, IOError):
            pass  # it has ended: its code and its words follow
        return copy

    def _start_dump(self, snapshot, *options):
        limits = ["--lock-wait-timeout", str(self._milliseconds), "--snapshot", snapshot, "-w"]
        return self.start("pg_dump", list(options) + limits)

    def _open_snapshot(self, answer, method=None, workers=0):
        session = Session(self, self._milliseconds, workers)
        session.rows("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;")
        snapshot = session.rows("SELECT json_build_array(pg_export_snapshot());")[0][0]
        facts = dict(zip(FACT_NAMES, session.rows(FACTS)[0]))  # noqa: B905 unknown to Python 2
        version = facts["server_version_num"]
        self._major = str(version // 10000) if version >= 100000 else "%d.%d" % (version // 10000, version // 100 % 100)
        self._method = method or digest_method(version)
        tool = self.start("pg_dump", ["--version"])
        facts.update(t="database", name=self.name, engine="postgresql", tool_version=tool.read().strip())
        tool.finish("pg_dump", answer)
        self._facts = dict(facts, relation=self.relation, digest=self._method)
        return session, snapshot

    def _send_manifest(self, session, schema, answer):
        answer.line(self._facts)
        for name, version in session.rows(EXTENSIONS):
            answer.line({"t": "extension", "name": name, "version": version})
        objects = [(kind, "", name, sha256(value)) for kind, name, value in session.rows(DATABASE_OBJECTS)]
        text = schema.read()
        schema.finish("schema of " + self._where, answer)
        for kind, space, name, digest in objects + list(schema_objects(text)):
            answer.line({"t": "object", "kind": kind, "schema": space, "name": name, "sha256": digest})
        self._send_tables(session, answer)
        sql = LARGE_OBJECTS % row_digest(self._method, [("r.content", "text")])
        rows, digest = session.rows(sql, "large objects of " + self._where)[0]
        answer.line({"t": "large_objects", "rows": rows, "digest": digest})

    def _send_tables(self, session, answer, wanted=None):
        """Send each table's count and digest, the largest first; each lock is given back at once."""
        tables = [row for row in session.rows(TABLES) if wanted in (None, tuple(row[:2]))]
        if wanted and not tables:
            raise Fault("table %s.%s" % wanted, "does not exist or has no rows of its own", "correct the name")
        for schema, name, quoted, kind, condition, columns in tables:
            line = {"schema": schema, "name": name}
            if kind in NOT_COMPARED:
                answer.line(dict(line, t="skipped", reason=NOT_COMPARED[kind]))
                continue
            sql = TABLE_DIGEST % (row_digest(self._method, columns), quoted, condition)
            rows, digest = session.rows(sql, "table " + quoted)[0]
            answer.line(dict(line, t="table", rows=rows, digest=digest))

    def _send_roles(self, session, answer, with_globals=True):
        """Send the roles and the SQL that makes them, both of the same moment."""
        roles, before, tries = session.rows(ROLES), None, 0
        while with_globals and roles != before:
            tries += 1
            if tries > 5:
                raise Fault("roles of " + self._where, "changed while they were read", "start the backup again")
            child = self.start("pg_dumpall", ["--globals-only", "-w"])
            sql = child.read()
            child.finish("roles of " + self._where, answer)
            before, roles = roles, session.rows(ROLES)
        for name, attributes, groups in roles:
            answer.line({"t": "role", "name": name, "attributes": attributes, "member_of": sorted(groups)})
        if with_globals:
            answer.line({"t": "globals", "sql": sql})

    def _give_way(self, session):
        """Watch for statements that wait for our locks; fail the backup when one has waited too long.

        Users queue behind a waiting DDL statement: production goes first, the backup is started again.
        """
        since = {}
        while True:
            waiting = dict((row[0], row) for row in session.rows(BLOCKED))
            since = dict((pid, since.get(pid, time.time())) for pid in waiting)
            for pid in since:
                if (time.time() - since[pid]) * 1000 > self._milliseconds:
                    reason = "process %s of %s waited too long for our lock on %s" % tuple(waiting[pid])
                    Child.stop_all()  # here, because the main thread may wait for a slow listener
                    raise Fault(self._where, reason, "start the backup again after that statement")
            time.sleep(min(1, self._milliseconds / 4000.0))


class HistoryTable(object):
    """The table of a history rule: its rows before a moment, in the order of its key, or some of its partitions whole.

    `rule` is the configuration's, `asked` ({"before", "parts"}) the backup server's: a moment, or names of partitions.
    """

    def __init__(self, session, rule, asked):
        self._session, self._rule, self._before = session, rule, asked.get("before")
        self._where = "history rule " + rule["name"]
        names = tuple(literal(rule[key]) for key in ("column", "schema", "table"))
        found = session.rows(HISTORY_TABLE % names, self._where)
        if not found or not found[0][1]:
            raise Fault(self._where, "the table or its column does not exist", "correct the rule in the policy")
        self._table, self._column, self._key, self._columns = found[0]
        self._parts = [self._part(part) for part in asked.get("parts") or []] if rule["partitions"] else None
        if self._parts is None and not (self._key and MOMENT.match(asked.get("before") or "")):
            raise Fault(self._where, "no primary key, or no moment was given", "start the job again: it plans anew")

    def described(self):
        """Return what the manifest says of the table."""
        said = dict((key, self._rule[key]) for key in ("schema", "table", "column"))
        return dict(said, before=self._before, columns=self._columns)

    def sources(self):
        """Return the statements that select the rows."""
        names = ", ".join(["r." + name for name, _ in self._columns])
        if self._parts is None:
            return [OLD_ROWS % (names, self._old_rows(), self._order())]
        return [ALL_ROWS % (names, quoted) for _, _, quoted in self._parts]

    def send_keys(self, answer):
        """Send what the rows are known by, batch by batch; of a partition one digest."""
        for schema, name, quoted in self._parts or []:
            rows, digest = self._session.rows(PARTITION_DIGEST % (ROW_KEY, quoted), self._where)[0]
            answer.line({"t": "part", "schema": schema, "name": name, "rows": rows, "digest": digest})
        if self._parts is None:
            places = ", ".join(["r.%s::text" % name for name in self._key])
            self._session.rows(HISTORY_KEYS % (places, ROW_KEY, self._old_rows(), self._order()), self._where)
            batch = self._fetch()
            while batch:
                keys = struct.pack(">%dq" % len(batch), *[key for _, key in batch])
                line = {"t": "rows", "from": batch[0][0], "to": batch[-1][0], "rows": len(batch)}
                answer.line(dict(line, keys=b64encode(keys).decode("ascii")))
                batch = self._fetch()

    def _fetch(self):
        return self._session.rows("FETCH %d FROM old_rows;" % self._rule["batch_rows"], self._where)

    def _old_rows(self):
        return "ONLY %s AS r WHERE r.%s < %s" % (self._table, self._column, literal(self._before))

    def _order(self):
        return ", ".join(["r." + name for name in self._key])

    def _part(self, part):
        schema, name = part
        words = (literal(self._table), literal(schema), literal(name))
        found = self._session.rows(HISTORY_PARTITION % words, self._where)
        if not found:
            raise Fault(self._where, "%s.%s is no partition of it" % (schema, name), "start the job again")
        return schema, name, found[0][0]


def literal(text):
    """Return a text as an SQL literal, whatever standard_conforming_strings says."""
    return "E'%s'" % text.replace("\\", "\\\\").replace("'", "''")


ENGINES = {"postgresql": PostgreSQL}


def find_tool(tool, major):
    """Return the path of a PostgreSQL tool: of version `major` where installed (any for psql), else of PATH."""
    folders = glob.glob("/usr/lib/postgresql/*/bin") + glob.glob("/usr/pgsql-*/bin")
    folders.sort(key=lambda folder: [int(digits) for digits in re.findall("[0-9]+", folder)], reverse=True)
    same = [folder for folder in folders if re.search("[/-]%s/bin$" % re.escape(major), folder)]
    for folder in same + (folders if tool == "psql" else []) + ["/usr/local/bin", "/usr/bin"] + folders:
        if os.access(folder + "/" + tool, os.X_OK):
            return folder + "/" + tool
    raise Fault(tool, "is not installed", "install PostgreSQL's client tools on this host")


def read_sequences(session, sequences):
    """Return the present [last value, is called] of each: sequences ignore snapshots."""
    values = {}
    for start in range(0, len(sequences), 100):
        numbers = range(start, min(start + 100, len(sequences)))
        parts = [SEQUENCE_VALUE % (number, sequences[number][2]) for number in numbers]
        values.update(session.rows(" UNION ALL ".join(parts) + ";", "sequences"))
    return values


def send_sequences(session, sequences, before, after, answer):
    """Send one line each; `column_max` is the column's least value where the sequence counts down."""
    for number, row in enumerate(sequences):
        schema, name, _, step, cycle, table_schema, table, quoted, column, quoted_column, countable = row
        line = {"t": "sequence", "schema": schema, "name": name, "increment": step, "cycle": cycle}
        line.update(before=before[number], after=after[number], column_max=None)
        line.update(table_schema=table_schema, table=table, column=column)
        if countable:
            sql = COLUMN_LIMIT % ("max" if step > 0 else "min", quoted_column, quoted)
            line["column_max"] = session.rows(sql, "table " + quoted)[0][0]
        answer.line(line)


def pump(descriptor, answer, check):
    """Send everything that comes from `descriptor`; `check` may raise at any time."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP)
    while True:
        check()
        answer.keep_alive()
        if poll.poll(500):
            payload = os.read(descriptor, BLOCK)
            if not payload:
                return
            answer.data(payload)


# ---------------------------------------------------------------- files

PLAIN_NAME = re.compile(b"[A-Za-z0-9/_.~+,=:@-]*\\Z")
ENCODED = [chr(code) if PLAIN_NAME.match(bytes(bytearray([code]))) else "%%%02X" % code for code in range(256)]
KINDS = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFIFO: "p", stat.S_IFSOCK: "s"}
KINDS.update({stat.S_IFCHR: "c", stat.S_IFBLK: "b"})
TAR_TYPES = {"f": b"0", "h": b"1", "l": b"2", "c": b"3", "b": b"4", "d": b"5", "p": b"6"}  # a socket has none
FILE_LINE = (
    '{"changed":%s,"gid":%d,"group":%s,"k":"%s","mode":%d,"mtime":"%s","p":"%s","sent":%s,"sha256":%s,"size":%d,'
    '"stat":"%s","t":"file","target":%s,"uid":%d,"user":%s}'
)
JSON_WORD = {True: "true", False: "false", None: "null"}

if hasattr(os.stat_result, "st_mtime_ns"):

    def stat_key(status):
        """Return what changes whenever a file changes; compared only with keys of the same interpreter."""
        return "3:%d:%d:%d:%d" % (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def modified(status):
        """Return the time of the last change: seconds, a point, nanoseconds."""
        return "%d.%09d" % divmod(status.st_mtime_ns, 1000000000)
else:  # Python 2 knows times as floats only

    def stat_key(status):  # noqa: D103 see above
        return "2:%d:%d:%r:%r" % (status.st_ino, status.st_size, status.st_mtime, status.st_ctime)

    def modified(status):  # noqa: D103 see above
        return repr(status.st_mtime)


def encode_name(raw):
    """Return the percent-encoded ASCII form of the bytes `raw`."""
    if PLAIN_NAME.match(raw):
        return raw.decode("ascii")
    return "".join([ENCODED[code] for code in bytearray(raw)])


def absent(error, path, note):
    """Note that an entry vanished or was replaced, which is normal on a living host; any other error is a Fault."""
    if error.errno not in (errno.ENOENT, errno.ESTALE, errno.ELOOP, errno.ENOTDIR):
        raise Fault("file " + path, "cannot be read: %s" % error.strerror, "repair it, or exclude it in the policy")
    note(path, "vanished")


def look(folder, name, note):
    """Return the lstat of `name` in the working directory, or None when it is not there any more."""
    try:
        return os.lstat(name)
    except OSError as error:
        return absent(error, encode_name(folder + b"/" + name), note)


def open_folder(path):
    """Make the folder `path` (bytes) the working directory, reached through no link; return its descriptor."""
    descriptor = os.open(b"/", FOLDER_FLAGS)
    for part in path.split(b"/"):
        os.fchdir(descriptor)
        if part:
            os.close(descriptor)
            try:
                descriptor = os.open(part, FOLDER_FLAGS)
            except OSError as error:
                reason = "%s: %s" % (encode_name(part), error.strerror)
                raise Fault("path " + encode_name(path), reason, "name the real folder in the policy, without links")
    os.fchdir(descriptor)
    return descriptor


def enter_folder(name, path, status, note):
    """Make the folder `name` the working directory, if it is still the one of `status`.

    Return (descriptor, names in it), or None.
    """
    try:
        descriptor = os.open(name, FOLDER_FLAGS)
        found = os.fstat(descriptor)
        if (found.st_dev, found.st_ino) != (status.st_dev, status.st_ino):
            os.close(descriptor)
            return note(encode_name(path), "replaced while it was listed")
        os.fchdir(descriptor)
        return descriptor, os.listdir(b".")
    except OSError as error:
        return absent(error, encode_name(path), note)


def one_pattern(patterns):
    """Return one expression over bytes for glob patterns, None for none."""
    each = [fnmatch.translate(pattern.encode("utf-8").decode("latin-1")) for pattern in patterns]
    return re.compile("|".join(["(?:%s)" % one for one in each]).encode("latin-1")) if each else None


def walk(root, patterns, visit, note):
    """Call `visit` for each folder of the tree `root` (bytes), in the order of bytes; never follow a link.

    `visit(folder, status, names)` acts on the folder and on its entries while it is the working directory, and returns
    the folders among them as [(name, lstat)]. The first call is for the folder that holds the root, without a status.
    What matches one of `patterns` (fnmatch on the path below the root) is left out; `note(path, reason)` is told of
    what is not entered.
    """
    excluded = one_pattern(patterns)
    parent, name = os.path.split(root)
    descriptor = open_folder(parent)
    try:
        os.lstat(name)
    except OSError as error:  # what vanishes below it is normal, but not the whole
        raise Fault("path " + encode_name(root), error.strerror, "correct the path in the policy, or the host")
    levels = [(descriptor, parent, iter(visit(parent, None, [name])))]
    device = None
    while levels:
        descriptor, folder, below = levels[-1]
        name, status = next(below, (None, None))
        if name is None:
            levels.pop()
            os.close(descriptor)
            if levels:
                os.fchdir(levels[-1][0])
            continue
        path = folder.rstrip(b"/") + b"/" + name
        device = status.st_dev if device is None else device
        if status.st_dev != device:
            note(encode_name(path), "other file system")
            visit(path, status, [])
            continue
        entered = enter_folder(name, path, status, note)
        if entered:
            descriptor, inside = entered
            if excluded:
                start = path[len(root) + 1 :] + b"/" if len(path) > len(root) else b""
                inside = [one for one in inside if not excluded.match(start + one)]
            levels.append((descriptor, path, iter(visit(path, status, sorted(inside)))))


def tar_number(value, width):
    """Return a header field of `width` bytes: octal, or base 256 where that does not fit (GNU)."""
    if 0 <= value < 8 ** (width - 1):
        return ("%0*o\0" % (width - 1, value)).encode("ascii")
    value %= 256**width  # two's complement
    raw = bytearray((value >> shift) & 255 for shift in range(8 * (width - 1), -1, -8))
    raw[0] |= 0x80
    return bytes(raw)


def tar_header(kind, name, link, fields):
    """Return the GNU tar header blocks of one entry; `fields` are mode, uid, gid, size, mtime, user, group, device."""
    blocks = []
    for long_type, long_text in ((b"K", link), (b"L", name)):
        if len(long_text) > 100:
            block = long_text + b"\0"
            blocks.append(tar_header(long_type, b"././@LongLink", b"", (0, 0, 0, len(block), 0, b"", b"", 0)))
            blocks.append(block + b"\0" * (-len(block) % 512))
    mode, uid, gid, size, mtime, user, group, device = fields
    start = name[:100].ljust(100, b"\0") + tar_number(mode, 8) + tar_number(uid, 8) + tar_number(gid, 8)
    start += tar_number(size, 12) + tar_number(mtime, 12)
    end = kind + link[:100].ljust(100, b"\0") + b"ustar  \0" + user[:31].ljust(32, b"\0") + group[:31].ljust(32, b"\0")
    end += tar_number(os.major(device), 8) + tar_number(os.minor(device), 8)
    total = sum(bytearray(start)) + 8 * 32 + sum(bytearray(end))
    blocks.append((start + ("%06o\0 " % total).encode("ascii") + end).ljust(512, b"\0"))
    return b"".join(blocks)


class FileSet(object):
    """Streams the files of one set as GNU tar, leaving out what `baseline` knows to be unchanged."""

    def __init__(self, settings, answer, baseline):
        self._settings, self._answer, self._baseline = settings, answer, baseline
        self._links = {}
        self._users, self._groups = {}, {}

    def send(self):
        """Send every tree of the set and the archive's end."""
        for root in roots_of(self._settings):
            walk(root, self._settings.get("exclude") or [], self._visit, self._note)
        self._answer.data(b"\0" * 10240)

    def _note(self, path, reason):
        self._answer.line({"t": "note", "p": path, "reason": reason})

    def _visit(self, folder, status, names):
        self._answer.keep_alive()
        folder = folder.rstrip(b"/")
        prefix = encode_name(folder)
        if status:
            self._entry(folder, prefix, b".", status)
        below = []
        for name in names:
            status = look(folder, name, self._note)
            if status and stat.S_ISDIR(status.st_mode):
                below.append((name, status))
            elif status:
                path = prefix + "/" + encode_name(name)
                try:
                    self._entry(folder + b"/" + name, path, name, status)
                except OSError as error:
                    absent(error, path, self._note)
        return below

    def _entry(self, raw, path, name, status):
        """Send one entry; raises OSError when it is not there any more."""
        kind, key, link, target = KINDS[stat.S_IFMT(status.st_mode)], stat_key(status), b"", None
        known, digest = self._baseline.get(path, (None, None))
        if kind == "f" and status.st_nlink > 1:
            first, first_raw = self._links.setdefault((status.st_dev, status.st_ino), (path, raw))
            if first != path:
                kind, target, link = "h", first, first_raw.lstrip(b"/")
        if kind == "l":
            link = os.readlink(name)
            target = encode_name(link)
        unchanged = known == key and (digest or kind != "f")
        if kind == "f" and not unchanged:
            self._send_file(raw, path, name)
            return
        sent = not unchanged and kind in TAR_TYPES
        if sent:
            self._header(kind, raw, status, link)
        self._line(path, kind, status, key, sha256=digest if kind == "f" else None, sent=sent, target=target)

    def _send_file(self, raw, path, name, planned=None):
        """Send exactly as many bytes as the header says, whatever happens to the file meanwhile.

        `planned` is the `plan_key` that it must have, None for any.
        """
        descriptor = os.open(name, READ_FLAGS)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or planned not in (None, plan_key(status)):
                self._note(path, "replaced while it was listed")
                return
            self._header("f", raw, status, b"")
            digest = hashlib.sha256()
            missing = status.st_size
            while missing:
                block = min(BLOCK, missing)
                payload = os.read(descriptor, block) or b"\0" * block
                digest.update(payload)
                self._answer.data(payload)
                missing -= len(payload)
            self._answer.data(b"\0" * (-status.st_size % 512))
            key = stat_key(status)
            changed = stat_key(os.fstat(descriptor)) != key
        except OSError as error:
            raise Fault("file " + path, "cannot be read: %s" % error.strerror, "repair it, or exclude it in the policy")
        finally:
            os.close(descriptor)
        # A change in the same tick of the file system's clock leaves no trace: such a file is sent again next time.
        # A planned file was last changed days ago, so any change leaves one.
        if changed or (planned is None and time.time() - status.st_ctime < 2):
            key = "unsure:" + key
        self._line(path, "f", status, key, sha256=digest.hexdigest(), sent=True, changed=changed)

    def _header(self, kind, raw, status, link):
        member = raw.lstrip(b"/") + (b"/" if kind == "d" else b"")
        (_, user), (_, group) = self._owners(status)
        size = status.st_size if kind == "f" else 0
        device = status.st_rdev if kind in "cb" else 0
        owner = (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
        fields = owner + (size, int(status.st_mtime // 1), user, group, device)
        self._answer.data(tar_header(TAR_TYPES[kind], member, link, fields))

    def _owners(self, status):
        """Return the names of owner and group, each as JSON text and as bytes."""
        if status.st_uid not in self._users:
            self._users[status.st_uid] = account_name(pwd.getpwuid, status.st_uid)
        if status.st_gid not in self._groups:
            self._groups[status.st_gid] = account_name(grp.getgrgid, status.st_gid)
        return self._users[status.st_uid], self._groups[status.st_gid]

    def _line(self, path, kind, status, key, **more):
        (user, _), (group, _) = self._owners(status)
        size = status.st_size if kind in "fh" else 0
        digest, target = more.get("sha256"), more.get("target")
        self._answer.line(
            FILE_LINE
            % (
                JSON_WORD[more.get("changed", False)],
                status.st_gid,
                group,
                kind,
                stat.S_IMODE(status.st_mode),
                modified(status),
                path,
                JSON_WORD[more["sent"]],
                '"%s"' % digest if digest else "null",
                size,
                key,
                "null" if target is None else '"%s"' % target,
                status.st_uid,
                user,
            )  # fmt: skip
        )


class LogFiles(FileSet):
    """Streams exactly the planned files: those that lie in a configured place and are as they were planned."""

    def __init__(self, places, answer, planned):
        FileSet.__init__(self, {}, answer, {})
        self._places = [LogPlace(place) for place in places]
        self._planned = planned
        self._sent = 0

    def send(self):
        """Send them folder by folder, in the order of bytes; raises Fault when none is as it was planned."""
        folders = {}
        for path in self._planned:
            folder, name = os.path.split(decode_path(path))
            folders.setdefault(folder, []).append((name, path))
        for folder in sorted(folders):
            self._answer.keep_alive()
            self._send_folder(folder, sorted(folders[folder]))
        if not self._sent:
            raise Fault("planned files", "none is there as it was planned", "start the job again: it plans anew")
        self._answer.data(b"\0" * 10240)

    def _send_folder(self, folder, names):
        try:
            descriptor = open_folder(folder)
        except Fault as fault:
            for _, path in names:
                self._note(path, fault.reason)
            return
        try:
            for name, path in names:
                self._send_planned(folder, name, path)
        finally:
            os.close(descriptor)

    def _send_planned(self, folder, name, path):
        if not [place for place in self._places if place.holds(folder, name)]:
            self._note(path, "in no place that the policy names")
            return
        planned, _ = self._planned[path]
        status = look(folder, name, self._note)
        if status and (plan_key(status) != planned or status.st_nlink != 1):
            self._note(path, "not as it was planned")
        elif status:
            try:
                self._send_file(folder + b"/" + name, path, name, planned)
                self._sent += 1
            except OSError as error:
                absent(error, path, self._note)


class LogPlace(object):
    """A place of log files, as the configuration names it: {"path", "below", "patterns", "exclude"}."""

    # What holds data and no logs (queues of TongLINK/Q, PostgreSQL's own files), and what a killed run set aside.
    PROTECTED = ("sndfiles", "rcvfiles", "pg_wal", "pg_xlog", "pg_xact", "pg_clog")
    ASIDE = b".yunwei-retire-"

    def __init__(self, settings):
        self._path = settings["path"].encode("utf-8")
        self._below = settings["below"]
        self._wanted = one_pattern(settings["patterns"])
        self._excluded = one_pattern(settings["exclude"])

    def holds(self, folder, name):
        """Return whether the file `name` in `folder` (bytes) belongs to it."""
        inside = folder == self._path or (self._below and folder.startswith(self._path + b"/"))
        parts = folder[len(self._path) :].lower().decode("latin-1").split("/")
        if not inside or [part for part in parts if part in self.PROTECTED]:
            return False
        wanted = self._wanted.match(name) and not (self._excluded and self._excluded.match(name))
        return bool(wanted) or name.startswith(self.ASIDE)


def plan_key(status):
    """Return what the plan of a log clean-up knows a file by."""
    return "%d:%s" % (status.st_dev, stat_key(status))


def decode_path(text):
    """Return the bytes of a percent-encoded absolute path; raises Fault for one that could lead elsewhere."""
    encoded = text.encode("ascii", "replace")
    raw = re.sub(b"%([0-9A-F]{2})", lambda found: bytes(bytearray([int(found.group(1), 16)])), encoded)
    parts = raw.split(b"/")
    if parts[0] or len(parts) < 3 or b"\0" in raw or [part for part in parts[1:] if part in (b"", b".", b"..")]:
        raise Fault("planned files", "%r is no plain absolute path" % text[:200], "correct the backup server's program")
    return raw


def account_name(find_entry, number):
    """Return the name of an account or group as (JSON text, bytes); one without a name is (`null`, empty)."""
    try:
        name = find_entry(number)[0]
        return json.dumps(name), name if isinstance(name, bytes) else name.encode("utf-8", "replace")
    except KeyError:
        return "null", b""


def roots_of(settings):
    """Return the paths of a file set as bytes; raises Fault where one lies in another and would be sent twice."""
    roots = [path.rstrip("/").encode("utf-8") for path in settings["paths"]]
    for root in roots:
        if [other for other in roots if root.startswith(other + b"/")] or roots.count(root) > 1:
            raise Fault("path " + encode_name(root), "lies in another path of the set", "name only the outer one", 2)
    return roots


def read_baseline(descriptor):
    """Return {path: (stat key, SHA-256)} from the zlib-compressed JSON lines on `descriptor`."""
    known = {}
    read_told("baseline", descriptor, lambda row: known.update({row["p"]: (row["stat"], row["sha256"])}))
    return known


def read_asked(descriptor):
    """Return which old rows are asked for: {"before", "parts"}, one zlib-compressed JSON line on `descriptor`."""
    asked = {}
    read_told("request", descriptor, asked.update)
    return asked


def read_told(what, descriptor, take):
    """Let `take` have each of the zlib-compressed JSON lines that the backup server tells on `descriptor`."""
    inflater = zlib.decompressobj()
    rest, packed = b"", os.read(descriptor, 65536)
    if not packed:
        return
    try:
        while packed:
            lines = (rest + inflater.decompress(packed)).split(b"\n")
            rest = lines.pop()
            for row in json.loads("[%s]" % b",".join(lines).decode("ascii")):
                take(row)
            packed = os.read(descriptor, 65536)
        inflater.decompress(b"-")  # Python 2 has no `eof`: after the stream's end this byte is left over
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise Fault(what, "cannot be read: %s" % error, "correct the backup server's program")
    if rest or inflater.unused_data != b"-":
        raise Fault(what, "is cut short", "start the backup again")


# ---------------------------------------------------------------- verbs


def read_settings(system):
    """Return the settings of `system` from the configuration, which only root may write."""
    try:
        with open(CONFIG) as stream:
            status = os.fstat(stream.fileno())
            if status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022:
                raise Fault(CONFIG, "can be written by others than root", "install the role backup_source again", 2)
            systems = json.load(stream)["systems"]
    except (EnvironmentError, ValueError, KeyError, TypeError) as error:
        raise Fault(CONFIG, "cannot be read: %r" % error, "install the role backup_source again", 2)
    return choose("system", systems, system)


def choose(what, table, name):
    """Return the entry `name` of `table`; raises Fault that tells what is allowed."""
    if name not in table:
        allowed = ", ".join(sorted(table)) or "none"
        raise Fault("%s %s" % (what, name), "is not in the policy; allowed: " + allowed, "correct the name", 2)
    return table[name]


def open_database(name, settings):
    """Return the engine's object for one database."""
    return choose("engine", ENGINES, settings["engine"])(name, settings)


def list_database(name, settings):
    """Return the line of `list` for one database."""
    line = {"t": "database", "name": name, "engine": settings["engine"], "reachable": True}
    try:
        line.update(open_database(name, settings).describe())
    except Fault as fault:
        line.update(reachable=False, reason=fault.reason)
    return line


def list_files(name, settings):
    """Return the line of `list` for one file set: its size as `ls` shows it."""
    sizes = []

    def leave_out(_path, _reason):
        """What is not there need not be counted."""

    def visit(folder, _status, names):
        found = [(entry, look(folder, entry, leave_out)) for entry in names]
        sizes.extend([status.st_size for _, status in found if status])
        return [(entry, status) for entry, status in found if status and stat.S_ISDIR(status.st_mode)]

    line = {"t": "file_set", "name": name, "paths": settings["paths"], "reachable": True}
    try:
        for root in roots_of(settings):
            walk(root, settings.get("exclude") or [], visit, leave_out)
        line.update(bytes_estimate=sum(sizes), entries=len(sizes))
    except Fault as fault:
        line.update(reachable=False, reason="%s: %s" % (fault.where, fault.reason))
    return line


def serve(system, words, answer):
    """Answer one command of the backup server: `list`, or `dump`, `files`, `logs`, `history` with a name."""
    verb, name = (words + ["", ""])[:2]
    if not re.match(
        "list $|(?:dump|files|logs|history) [A-Za-z0-9_][A-Za-z0-9_.-]*$", " ".join([verb, name] + words[2:])
    ):
        allowed = "list, dump DATABASE, files SET, logs HOST, history RULE"
        raise Fault("command", "%r: allowed are %s" % (words, allowed), "correct the command", 2)
    settings = read_settings(system)
    if verb == "list":
        answer.open(verb, system)
        for database in sorted(settings["databases"]):
            answer.line(list_database(database, settings["databases"][database]))
        for files in sorted(settings["file_sets"]):
            answer.line(list_files(files, settings["file_sets"][files]))
    elif verb == "dump":
        database = open_database(name, choose("database", settings["databases"], name))
        answer.open(verb, name)
        database.dump(answer)
    elif verb == "history":
        rule = dict(choose("history rule", settings.get("history") or {}, name), name=name)
        database = open_database(rule["database"], choose("database", settings["databases"], rule["database"]))
        answer.open(verb, name)
        database.history(rule, read_asked(0), answer)
    elif verb == "logs":
        places = choose("host", settings.get("logs") or {}, name)
        answer.open(verb, name)
        LogFiles(places, answer, read_baseline(0)).send()
    else:
        files = choose("file set", settings["file_sets"], name)
        answer.open(verb, name)
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # one descriptor for each level of folders
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        FileSet(files, answer, read_baseline(0)).send()
    answer.close()


def print_manifest(arguments):
    """Print the manifest of a local database, for a restore: `manifest DATABASE --socket DIR --port N`."""
    parser = optparse.OptionParser(usage="source.py manifest DATABASE [options]", prog="source.py")
    parser.add_option("--socket", help="folder of the server's socket")
    parser.add_option("--port", type="int", default=5432)
    parser.add_option("--os-user", help="account that the tools run as")
    parser.add_option("--db-user", help="role that they log in as")
    parser.add_option("--digest", help="method of the manifest to compare with")
    parser.add_option("--table", nargs=2, metavar="SCHEMA TABLE", help="only this table's line")
    options, names = parser.parse_args(arguments)
    if len(names) != 1:
        parser.error("name one database")
    settings = {"port": options.port, "socket": options.socket, "os_user": options.os_user, "user": options.db_user}
    answer = Printed()
    PostgreSQL(names[0], settings).manifest(answer, options.digest, options.table)
    answer.close()


def stop(number, _frame):
    """End the program on a signal, through the same way as any other fault."""
    raise Stopped("signal %d" % number)


def main(arguments):
    """Run; return the exit code: 0 done, 1 failed, 2 not allowed."""
    signals = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    for number in signals:
        signal.signal(number, stop)
    answer, local = Answer(1), arguments[:1] == ["manifest"]
    try:
        if local:
            print_manifest(arguments[1:])
        elif len(arguments) == 2 and arguments[0] == "--system":
            serve(arguments[1], os.environ.get("SSH_ORIGINAL_COMMAND", "").split(), answer)
        else:
            raise Fault("arguments", "allowed: --system NAME, or manifest DATABASE", "correct the forced command", 2)
        return 0
    except Fault as error:
        fault = error
    except Exception as error:  # the one place that turns what nobody expected into an answer
        fault = Fault("source program", "%s: %s" % (type(error).__name__, error), "start the backup again")
    finally:
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        Child.stop_all()
    if local:
        text = "%s: %s (next: %s)" % (fault.where, " ".join(fault.reason.split()), fault.next_step)
        sys.stderr.write(text.encode("ascii", "backslashreplace").decode("ascii") + "\n")
    else:
        end_answer(answer, fault)
    return fault.code


def end_answer(answer, fault):
    """Send the E frame, unless nobody listens any more: then the exit code is all that is left."""
    try:
        answer.fail(fault)
    except Stopped:
        pass


if __name__ == "__main__":
    code = main(sys.argv[1:])
    os._exit(code)  # threads may still wait for what has ended
