#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Removes the accepted backups of one system that policy no longer keeps, at the site that it runs on."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_host import acting, retire

DOCUMENTATION = r"""
module: repository_retire
short_description: Removes the accepted backups of one system that policy no longer keeps
description:
  - Plans from accepted-backup records, forgets explicit ids only and never more than C(max_removals) in one run.
  - Never removes the newest good backup of an item, one that is not proven at the other site, one under a legal hold,
    a suspicious one that is not released, a good one held because of it, or a payload that a kept backup is built on.
    What was never accepted goes at the local site after C(rejected_days), within the same number of removals.
    Refuses without a written permission that is valid today.
  - With an early release in C(work) it removes the records that the release names and nothing else; only these need
    not be proven at the other site. Refuses without the gate's word that the release was approved.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system (RetireWork).", type: dict, required: true}
  secrets: {description: "The repository's password by name.", type: dict, required: true}
  host: {description: "This host's name in the inventory.", type: str, required: true}
attributes:
  check_mode: {support: full, description: "Says what would be removed and what is kept why."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Retire what policy no longer keeps
  repository_retire:
    permit: "{{ permit }}"
    work: "{{ work.mediation }}"
    secrets: "{{ secrets.mediation }}"
    host: "{{ inventory_hostname }}"
  no_log: true
"""
RETURN = r"""
yunwei: {description: "What was removed, is kept and why, was put aside; capacity.", type: dict, returned: always}
"""

ARGUMENTS = {
    "permit": {"type": "dict", "required": True},
    "work": {"type": "dict", "required": True},
    "secrets": {"type": "dict", "required": True, "no_log": True},
    "host": {"type": "str", "required": True},
}


def main():
    """Run."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)

    def remove(work, permit, secrets, check):
        return retire.retire(work, module.params["host"], permit, secrets, check)

    acting.act(module, ["retire-backups", "retire-at-miyun"], remove)


if __name__ == "__main__":
    main()
