"""The one door to the other host packages: under Ansible they have one name, in the unit tests another."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

try:
    from ansible.module_utils.yunwei_host import clock, detached, faults, frames, hostlock, jsonfile
    from ansible.module_utils.yunwei_restore import application, commands, server
    from ansible.module_utils.yunwei_restore import errors as server_errors
except ImportError:
    from yunwei_host import clock, detached, faults, frames, hostlock, jsonfile
    from yunwei_restore import application, commands, server
    from yunwei_restore import errors as server_errors

__all__ = [
    "application",
    "clock",
    "commands",
    "detached",
    "faults",
    "frames",
    "hostlock",
    "jsonfile",
    "server",
    "server_errors",
]
