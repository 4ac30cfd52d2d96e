"""The living database server of a host that receives a recovery: found, or made where the host has none."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import time

from . import commands, scan, server
from .errors import NotJudgedError

NAME = "main"
_START_SECONDS = 30


def find_or_create(port, major):
    """Return the Server at `port`; on a host without any cluster one of `major` is made there (Debian's tools).

    Raises NotJudgedError when a server is there but does not answer, or when this host cannot make one.
    """
    if scan.clusters() or scan.database_servers():
        return server.existing(port)
    server.bin_dir(major)
    if not os.path.exists("/usr/bin/pg_createcluster"):
        raise NotJudgedError("port %d" % port, "this host has no database cluster", "make one of PostgreSQL %s" % major)
    commands.run(["pg_createcluster", major, NAME, "--port", str(port), "--locale", "C.UTF-8"])
    commands.run(["pg_ctlcluster", major, NAME, "start"])
    return _await(port)


def _await(port):
    deadline = time.time() + _START_SECONDS
    while True:
        try:
            return server.existing(port)
        except NotJudgedError:
            if time.time() > deadline:
                raise
            time.sleep(0.2)
