#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Stops or starts the services of a system in order."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_restore import glue, services

DOCUMENTATION = r"""
module: restore_services
short_description: Stops or starts the services of a system in order
description:
  - One service a call; the caller goes through them in the order of the policy.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system.", type: dict, required: true}
  host: {description: "This host's name in the inventory.", type: str, required: true}
  unit: {description: "The service.", type: str, required: true}
  state: {description: "What it is to be.", type: str, choices: [started, stopped], required: true}
attributes:
  check_mode: {support: full, description: "Says what would change."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: The service is stopped
  restore_services:
    permit: "{{ permit }}"
    work: "{{ work }}"
    host: "{{ inventory_hostname }}"
    unit: mediation-app.service
    state: stopped
"""
RETURN = r"""
yunwei: {description: "Verdict, reasons, the service and its state.", type: dict, returned: always}
"""


def main():
    """Look, act, look again."""
    further = {
        "unit": {"type": "str", "required": True},
        "state": {"type": "str", "required": True, "choices": ["started", "stopped"]},
    }
    module = AnsibleModule(argument_spec=glue.arguments(**further), supports_check_mode=True)
    unit, state = module.params["unit"], module.params["state"]

    def action(work, report, _folder):
        return services.run(work, unit, state, report, module.check_mode)

    glue.act(module, action)


if __name__ == "__main__":
    main()
