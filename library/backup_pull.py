#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Pulls what is due of one system into its repository on the backup server and accepts what was proven."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_host import acting, backup

DOCUMENTATION = r"""
module: backup_pull
short_description: Pulls what is due of one system into its repository and accepts what was proven
description:
  - Fetches each due database and file set through the source host's forced command, stores it, reads it
    back to its end and writes the record. A failed item leaves nothing that looks like a backup and stops no other.
  - Compares with the backup before. One that lost more than policy allows is kept and reported as C(accepted,
    suspicious), its verdict is C(could not judge); its record holds the last good ones until policy releases it.
  - Takes the host's lock first; clears up after a killed run.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system (BackUpWork).", type: dict, required: true}
  secrets: {description: "The system's secrets by name.", type: dict, required: true}
attributes:
  check_mode: {support: full, description: "Asks the sources what they have, says what would be pulled."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Pull what is due
  backup_pull:
    permit: "{{ permit }}"
    work: "{{ work.mediation }}"
    secrets: "{{ secrets.mediation }}"
  no_log: true
"""
RETURN = r"""
yunwei: {description: "One line an item, what was cleared up, the verdict.", type: dict, returned: always}
"""

ARGUMENTS = {
    "permit": {"type": "dict", "required": True},
    "work": {"type": "dict", "required": True},
    "secrets": {"type": "dict", "required": True, "no_log": True},
}


def pull(work, permit, secrets, check):
    """Pull, or say what would be pulled."""
    return (backup.preview(work, permit, secrets), False) if check else backup.back_up(work, permit, secrets)


def main():
    """Run."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    acting.act(module, ["back-up"], pull)


if __name__ == "__main__":
    main()
