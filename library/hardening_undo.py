#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Takes a confirmed change of settings back: content, mode, owner, ACL and labels as they were."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_harden import hardening
from ansible.module_utils.yunwei_host import acting

DOCUMENTATION = r"""
module: hardening_undo
short_description: Takes a confirmed change of settings back
description:
  - Puts the very files of before in their places. Refuses where one was changed again since.
  - Takes the locks of all systems that the host serves first.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system (UndoWork).", type: dict, required: true}
  host: {description: "This host's name in the inventory.", type: str, required: true}
attributes:
  check_mode: {support: full, description: "Says what would be put back."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Take the change back
  hardening_undo:
    permit: "{{ permit }}"
    work: "{{ work.mediation }}"
    host: "{{ inventory_hostname }}"
"""
RETURN = r"""
yunwei: {description: "A row for each file and command put back.", type: dict, returned: always}
"""

ARGUMENTS = dict(acting.PERMIT_AND_WORK, host={"type": "str", "required": True})


def main():
    """Run."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)

    def undo(work, permit, _secrets, check):
        part = work["hosts"][module.params["host"]]
        return hardening.alone(part, permit, check, lambda: hardening.undo(work, work["change"], check))

    acting.act(module, ["undo"], undo)


if __name__ == "__main__":
    main()
