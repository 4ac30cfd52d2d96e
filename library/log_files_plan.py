#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Walks the log places of one system on a host and says exactly which files may go; changes nothing."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_host import acting, logplan

DOCUMENTATION = r"""
module: log_files_plan
short_description: Walks the log places of one system on a host and says exactly which files may go
description:
  - One call walks every place by descriptors, follows no link, and leaves open files, hard links, other file systems
    and folders that others can change.
  - Returns the files with size, owner, times, inode, device and the reason for each; changes nothing in any mode.
  - Refuses where the permit is for a stored plan and this is not what the plan says.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system (LogWork).", type: dict, required: true}
  host: {description: "This host's name in the inventory.", type: str, required: true}
attributes:
  check_mode: {support: full, description: "Also shows a row for each file that would go."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Plan what may go
  log_files_plan:
    permit: "{{ permit }}"
    work: "{{ work.mediation }}"
    host: "{{ inventory_hostname }}"
"""
RETURN = r"""
yunwei: {description: "Files and bytes of each rule, what was left out and why.", type: dict, returned: always}
plan: {description: "The list of files, packed, with its digest and count.", type: dict, returned: success}
"""


def main():
    """Run."""
    arguments = dict(acting.PERMIT_AND_WORK, host={"type": "str", "required": True})
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)

    def look(work, permit, _secrets, check):
        summary, packed = logplan.plan(work, module.params["host"], check)
        acting.demand_planned(permit, work["system"], module.params["host"], summary["plan"]["digest"])
        summary["handed_on"] = {"plan": packed}
        return summary, check and packed["files"] > 0

    acting.act(module, ["clean-logs"], look)


if __name__ == "__main__":
    main()
