#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Finds the backups at the site and brings them to the target."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_restore import fetch, glue

DOCUMENTATION = r"""
module: restore_fetch
short_description: Finds the backups at the site and brings them to the target
description:
  - Chooses the newest accepted backup of each item, or the one asked for, and checks every byte of it on the way.
  - Reads the repository without a lock, over the read-only forced command of the site.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system.", type: dict, required: true}
  host: {description: "This host's name in the inventory.", type: str, required: true}
  secrets: {description: "The secrets of the system by name.", type: dict, required: true}
attributes:
  check_mode: {support: full, description: "Does nothing: there is nothing to act on before the work folder exists."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: The newest accepted backups are on this host
  restore_fetch:
    permit: "{{ permit }}"
    work: "{{ work }}"
    host: "{{ inventory_hostname }}"
    secrets: "{{ secrets }}"
"""
RETURN = r"""
yunwei: {description: "Verdict, reasons, the records chosen, what was ignored, phases.", type: dict, returned: always}
"""


def main():
    """Locate, look at the space, fetch."""
    further = {"secrets": {"type": "dict", "required": True, "no_log": True}}
    module = AnsibleModule(argument_spec=glue.arguments(**further), supports_check_mode=True)

    def action(unit, report, work):
        if module.check_mode:
            return False
        work.load()
        return fetch.run(unit, module.params["host"], module.params["secrets"], report, work)

    glue.act(module, action)


if __name__ == "__main__":
    main()
