#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Restores the fetched databases into a server."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_restore import databases, glue

DOCUMENTATION = r"""
module: restore_database
short_description: Restores the fetched databases into a server
description:
  - In a drill into a server of its own below the work folder, in a recovery into the host's living one.
  - An existing database is only ever renamed, and only when C(replace) names it.
  - One table goes into another schema, beside the living ones.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system.", type: dict, required: true}
  host: {description: "This host's name in the inventory.", type: str, required: true}
attributes:
  check_mode: {support: full, description: "Does nothing: there is nothing to act on before the work folder exists."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: The databases are restored
  restore_database:
    permit: "{{ permit }}"
    work: "{{ work }}"
    host: "{{ inventory_hostname }}"
"""
RETURN = r"""
yunwei: {description: "Verdict, reasons, phases, safety copies.", type: dict, returned: always}
"""


def main():
    """Create, load, rebuild."""
    module = AnsibleModule(argument_spec=glue.arguments(), supports_check_mode=True)

    def action(unit, report, work):
        if module.check_mode:
            return False
        work.load()
        return databases.run(unit, module.params["host"], report, work)

    glue.act(module, action)


if __name__ == "__main__":
    main()
