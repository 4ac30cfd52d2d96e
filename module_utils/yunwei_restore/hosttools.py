"""The one door to the other host package: under Ansible it has one name, in the unit tests another."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

try:
    from ansible.module_utils.yunwei_host import (
        clock,
        faults,
        fence,
        frames,
        hostlock,
        names,
        process,
        repository,
        rundir,
        sshagent,
    )
except ImportError:
    from yunwei_host import clock, faults, fence, frames, hostlock, names, process, repository, rundir, sshagent

__all__ = [
    "clock",
    "faults",
    "fence",
    "frames",
    "hostlock",
    "names",
    "process",
    "repository",
    "rundir",
    "sshagent",
]
