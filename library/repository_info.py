#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Lists the accepted backups of one system at one site with their copies; changes nothing."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_host import acting, catalogue

DOCUMENTATION = r"""
module: repository_info
short_description: Lists the accepted backups of one system at one site with their copies
description:
  - Reads records and the repository's list. Snapshots without a record are named as unknown and never counted.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system.", type: dict, required: true}
  secrets: {description: "What the site needs, by name.", type: dict, required: true}
attributes:
  check_mode: {support: full, description: "Never changes anything."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: List the backups
  repository_info:
    permit: "{{ permit }}"
    work: "{{ work.mediation }}"
    secrets: "{{ secrets.mediation }}"
  no_log: true
"""
RETURN = r"""
yunwei: {description: "One line a backup, unknown snapshots, items without a backup.", type: dict, returned: always}
"""

ARGUMENTS = {
    "permit": {"type": "dict", "required": True},
    "work": {"type": "dict", "required": True},
    "secrets": {"type": "dict", "required": True, "no_log": True},
}


def show(work, permit, secrets, check):
    """List; nothing is ever changed."""
    return catalogue.list_backups(work, secrets), False


def main():
    """Run."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    acting.act(module, ["list-backups"], show)


if __name__ == "__main__":
    main()
