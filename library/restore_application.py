#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Starts the restored application and asks whether it is ready."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_restore import application, glue

DOCUMENTATION = r"""
module: restore_application
short_description: Starts the restored application and asks whether it is ready
description:
  - In a drill the application is started from the restored tree against the restored database.
  - In a recovery its services are running already; it is only asked.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system.", type: dict, required: true}
  host: {description: "This host's name in the inventory.", type: str, required: true}
attributes:
  check_mode: {support: full, description: "Does nothing: there is nothing to act on before the work folder exists."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: The application answers
  restore_application:
    permit: "{{ permit }}"
    work: "{{ work }}"
    host: "{{ inventory_hostname }}"
"""
RETURN = r"""
yunwei: {description: "Verdict, reasons, the answer of the probe, when it came.", type: dict, returned: always}
"""


def main():
    """Start, probe."""
    module = AnsibleModule(argument_spec=glue.arguments(), supports_check_mode=True)

    def action(unit, report, work):
        if module.check_mode:
            return False
        if unit["mode"] == "drill":
            work.load()
        return application.run(unit, module.params["host"], report, work)

    glue.act(module, action)


if __name__ == "__main__":
    main()
