#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Looks at the databases of one system on a host; changes nothing."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_database import care
from ansible.module_utils.yunwei_host import acting

DOCUMENTATION = r"""
module: database_inspection
short_description: Looks at the databases of one system on a host
description:
  - Reads sessions, transactions, locks, space, tables, indexes, sequences, standbys, slots and archiving in sessions
    that the server lets change nothing, and holds the figures against policy.
  - Tells the server's parameters, with the memory and the CPUs that it may use, for advice on them.
  - What could not be read is named as such. A database that cannot be reached is C(could not judge).
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system (DatabaseInspectionWork).", type: dict, required: true}
  host: {description: "This host's name in the inventory.", type: str, required: true}
attributes:
  check_mode: {support: full, description: "It changes nothing in any mode."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Look at the databases
  database_inspection:
    permit: "{{ permit }}"
    work: "{{ work.mediation }}"
    host: "{{ inventory_hostname }}"
"""
RETURN = r"""
yunwei: {description: "Findings, what could not be judged, and figures of each database.", type: dict, returned: always}
"""


def main():
    """Run."""
    arguments = dict(acting.PERMIT_AND_WORK, host={"type": "str", "required": True})
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)

    def look(work, _permit, _secrets, _check):
        return care.inspect(work, module.params["host"])

    acting.act(module, ["inspect-databases"], look)


if __name__ == "__main__":
    main()
