#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Removes archived log files from a host: only what is exactly as it was planned and archived."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_host import acting, logretire

DOCUMENTATION = r"""
module: log_files_retire
short_description: Removes archived log files from a host
description:
  - Leaves every file whose device, inode, size, times or kind is another than planned, that some process has open, or
    whose folder can be changed by others. Works by descriptors and follows no link.
  - Takes the system's lock on the host first. Refuses what is not of the plan.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system (LogWork).", type: dict, required: true}
  host: {description: "This host's name in the inventory.", type: str, required: true}
  plan: {description: "The packed list of log_files_plan.", type: dict, required: true}
  archived: {description: "The packed list of log_archive.", type: dict, required: true}
attributes:
  check_mode: {support: full, description: "Removes nothing; log_files_plan says what would go."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Retire the archived log files
  log_files_retire:
    permit: "{{ permit }}"
    work: "{{ work.mediation }}"
    host: "{{ inventory_hostname }}"
    plan: "{{ planned.plan }}"
    archived: "{{ stored.archived }}"
"""
RETURN = r"""
yunwei: {description: "A row for each file: retired, or left and why.", type: dict, returned: always}
"""

ARGUMENTS = dict(
    acting.PERMIT_AND_WORK,
    host={"type": "str", "required": True},
    plan={"type": "dict", "required": True},
    archived={"type": "dict", "required": True},
)


def main():
    """Run."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)

    def retire(work, permit, _secrets, check):
        if check:
            return {"items": []}, False
        given = module.params
        return logretire.retire(work, given["host"], permit, given["plan"], given["archived"])

    acting.act(module, ["clean-logs"], retire)


if __name__ == "__main__":
    main()
