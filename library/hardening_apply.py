#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Brings all settings of a host to what the rules want, in one call; takes them back unless somebody confirms."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_harden import hardening
from ansible.module_utils.yunwei_host import acting

DOCUMENTATION = r"""
module: hardening_apply
short_description: Brings all settings of a host to what the rules want
description:
  - Reads what is in force, drafts every file whole, has each judged by the program that reads it, and only then
    replaces any. The files of before stay beside their places, so taking back needs no space.
  - A process and a hook at the host's start take the change back unless C(revert.py confirm) in the change's folder
    is run within C(confirm_seconds).
  - Takes the locks of all systems that the host serves first.
  - Refuses where the permit is for a stored plan and this is not what the plan says. In check mode with a permit to act
    it says no more than the plan's digest.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system (HardeningWork).", type: dict, required: true}
  host: {description: "This host's name in the inventory.", type: str, required: true}
attributes:
  check_mode: {support: full, description: "Says of every setting what would be done, with the files' differences."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Bring all settings to what the rules want
  hardening_apply:
    permit: "{{ permit }}"
    work: "{{ work.mediation }}"
    host: "{{ inventory_hostname }}"
"""
RETURN = r"""
yunwei: {description: "A row for each setting, the differences of files, the digest.", type: dict, returned: always}
armed: {description: "Folder and seconds of a change that waits to be confirmed.", type: dict, returned: changed}
"""

ARGUMENTS = dict(acting.PERMIT_AND_WORK, host={"type": "str", "required": True})


def main():
    """Run."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)

    def apply(work, permit, _secrets, check):
        host = module.params["host"]
        part = work["hosts"][host]
        return hardening.alone(part, permit, check, lambda: hardening.harden(part, host, permit, check))

    acting.act(module, ["harden-servers"], apply)


if __name__ == "__main__":
    main()
