"""The host tools that hardening shares with backups, found under Ansible and under plain Python alike."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

try:
    from ansible.module_utils.yunwei_host import acting, detached, faults, frames, hostlock, jsonfile, process
except ImportError:
    from yunwei_host import acting, detached, faults, frames, hostlock, jsonfile, process

__all__ = ["acting", "detached", "faults", "frames", "hostlock", "jsonfile", "process"]
