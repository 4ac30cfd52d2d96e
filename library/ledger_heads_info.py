#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Reads the heads of the ledger that the second site has countersigned at syncs of one system; changes nothing."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_host import acting, heads

DOCUMENTATION = r"""
module: ledger_heads_info
short_description: Reads the heads of the ledger that the second site has countersigned
description:
  - Asks the second site's forced command with the reading key. Nothing is verified here.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system.", type: dict, required: true}
  secrets: {description: "What the site needs, by name.", type: dict, required: true}
attributes:
  check_mode: {support: full, description: "Never changes anything."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Read the countersigned heads
  ledger_heads_info:
    permit: "{{ permit }}"
    work: "{{ work.mediation }}"
    secrets: "{{ secrets.mediation }}"
  no_log: true
"""
RETURN = r"""
heads: {description: "JSON lines, each a head and its signature, oldest first.", type: str, returned: success}
yunwei: {description: "How many they are.", type: dict, returned: always}
"""

ARGUMENTS = {
    "permit": {"type": "dict", "required": True},
    "work": {"type": "dict", "required": True},
    "secrets": {"type": "dict", "required": True, "no_log": True},
}


def show(work, permit, secrets, check):
    """List; nothing is ever changed."""
    return heads.read_heads(work, secrets), False


def main():
    """Run."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    acting.act(module, ["list-heads"], show)


if __name__ == "__main__":
    main()
