#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Reads which runs are at work on a host for the systems of the permit; changes nothing."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_host import acting, hostlock

DOCUMENTATION = r"""
module: host_locks_info
short_description: Reads which runs are at work on a host
description:
  - Asks the kernel who holds the locks of all systems of the permit. Takes none of them.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of any system of the permit.", type: dict, required: true}
attributes:
  check_mode: {support: full, description: "Never changes anything."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Read who is at work here
  host_locks_info:
    permit: "{{ permit }}"
    work: "{{ work.mediation }}"
"""
RETURN = r"""
yunwei: {description: "One item for each lock that is held.", type: dict, returned: always}
"""


def main():
    """Run."""
    module = AnsibleModule(argument_spec=acting.PERMIT_AND_WORK, supports_check_mode=True)

    def look(_work, permit, _secrets, _check):
        held = hostlock.held_here(permit["systems"])
        return {"items": [dict(one, item="lock", status="held") for one in held]}, False

    acting.act(module, ["list-locks"], look)


if __name__ == "__main__":
    main()
