"""The tools that all host code shares, where Ansible puts them and where tests find them."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

try:
    from ansible.module_utils.yunwei_host import clock, faults, hostlock, jsonfile, loglist
except ImportError:
    from yunwei_host import clock, faults, hostlock, jsonfile, loglist

__all__ = ["clock", "faults", "hostlock", "jsonfile", "loglist"]
