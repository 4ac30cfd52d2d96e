#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Says whether a host needs a restart and why, and what stands against one; changes nothing."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_host import acting
from ansible.module_utils.yunwei_restart import look
from ansible.module_utils.yunwei_restart.host import Host

DOCUMENTATION = r"""
module: restart_facts
short_description: Says whether a host needs a restart and why, and what stands against one
description:
  - The need comes from several sources, each with its reason in words.
  - Everything that would not come back after a start, and everybody who is at work, is a finding that blocks until it
    is put right or waived in policy. What cannot be judged blocks as well.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one host (HostRestartWork).", type: dict, required: true}
attributes:
  check_mode: {support: full, description: "Changes nothing in any mode."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Find what needs a restart
  restart_facts:
    permit: "{{ permit }}"
    work: "{{ work.mediation }}"
"""
RETURN = r"""
yunwei: {description: "Needs, findings as items, age of process 1.", type: dict, returned: always}
"""


def main():
    """Run."""
    module = AnsibleModule(argument_spec=acting.PERMIT_AND_WORK, supports_check_mode=True)

    def find(work, _permit, _secrets, _check):
        summary = look.look(Host(), work)
        summary["items"] = summary.pop("findings")
        return summary, False

    acting.act(module, ["restart-servers"], find)


if __name__ == "__main__":
    main()
