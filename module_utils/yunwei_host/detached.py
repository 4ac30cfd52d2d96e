"""Work that goes on when the module has answered and the connection is gone."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os


def run_detached(action):
    """Run `action()` in a process of its own session, child of process 1, and return at once.

    It keeps this process's open files, and with them the locks that they hold; the three standard streams it lets go.
    """
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        action()
    finally:
        os._exit(0)
