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
  secrets: {description: "The secrets of the system by name; not needed to take over.", type: dict}
  begin: {description: "Make the work folder first, on a host that fetches for another.", type: bool, default: false}
  taken: {description: "Take over what another host fetched; these are the items of its state.", type: dict}
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
    """Locate, look at the space, fetch; or take over what another host fetched."""
    further = {
        "secrets": {"type": "dict", "no_log": True},
        "begin": {"type": "bool", "default": False},
        "taken": {"type": "dict"},
    }
    module = AnsibleModule(argument_spec=glue.arguments(**further), supports_check_mode=True)
    given = module.params

    def action(unit, report, work):
        if module.check_mode:
            return False
        if given["begin"]:
            work.create({"system": unit["system"], "mode": unit["mode"]})
        work.load()
        if given["taken"] is not None:
            return fetch.take_over(unit, given["host"], list(given["taken"].values()), report, work)
        fetch.run(unit, given["host"], given["secrets"] or {}, report, work)
        return True

    glue.act(module, action)


if __name__ == "__main__":
    main()
