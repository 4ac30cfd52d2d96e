"""The data that is measured with: a table that does not compress away, and a folder of many files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench.ground import FILE_SET, FILES_HOST, SYSTEM, Ground

GIGABYTE = 10**9
# What a row takes in a dump: number, ten digests of 88 letters of base64, separators.
_ROW_BYTES = 891
_SQL = f"runuser -u postgres -- psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --dbname {SYSTEM}"
_TABLE = """
cd /
{sql} <<'END'
SET client_min_messages = warning;
SET ROLE legal_owner;
DROP TABLE IF EXISTS service.bench;
CREATE TABLE service.bench AS
    SELECT n AS id, (
        SELECT string_agg(replace(encode(sha512(convert_to(n || ' ' || part, 'UTF8')), 'base64'), E'\n', ''), '')
        FROM generate_series(1, 10) AS part
    ) AS noise
    FROM generate_series(1::bigint, {rows}) AS n;
ALTER TABLE service.bench ADD PRIMARY KEY (id);
RESET ROLE;
ANALYZE service.bench;
CHECKPOINT;
END
"""
_NO_TABLE = """
cd /
{sql} --command 'SET client_min_messages = warning' --command 'DROP TABLE IF EXISTS service.bench'
"""
_FOLDER = f"{FILE_SET}/bench"
_FILES = """
{python} - <<'END'
import os
for number in range({count}):
    folder = "{folder}/%03d" % (number % 250)
    if number < 250:
        os.makedirs(folder)
    with open("%s/%06d" % (folder, number), "wb") as file:
        file.write(os.urandom(1000))
END
"""


@contextmanager
def table(ground: Ground, gigabytes: float) -> Iterator[None]:
    """Have a table of this size in the system's database while the block runs."""
    rows = int(gigabytes * GIGABYTE / _ROW_BYTES)
    try:
        ground.shell("db1", _TABLE.format(sql=_SQL, rows=rows))
        yield
    finally:
        ground.shell("db1", _NO_TABLE.format(sql=_SQL))


@contextmanager
def files(ground: Ground, count: int) -> Iterator[None]:
    """Have so many files of a kilobyte in the system's file set while the block runs."""
    try:
        ground.shell(FILES_HOST, f"rm -rf {_FOLDER}")
        python = ground.slot.host(FILES_HOST).python
        ground.shell(FILES_HOST, _FILES.format(python=python, count=count, folder=_FOLDER))
        yield
    finally:
        ground.shell(FILES_HOST, f"rm -rf {_FOLDER}")
