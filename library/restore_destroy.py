#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Destroys what a restore made on a host, or proves by a fresh scan that it is gone."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_restore import destroy, glue

DOCUMENTATION = r"""
module: restore_destroy
short_description: Destroys what a restore made on a host, or proves by a fresh scan that it is gone
description:
  - Stops the server and the application of the work folder and removes it, when its marker is that of this restore.
  - With C(prove) nothing is touched, and the host is scanned for processes, ports, sockets, units, shared memory and
    files.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system.", type: dict, required: true}
  host: {description: "This host's name in the inventory.", type: str, required: true}
  prove: {description: "Only scan and report what is left.", type: bool, default: false}
  free_before: {description: "Free bytes before the restore, for the proof.", type: int, default: 0}
attributes:
  check_mode: {support: full, description: "Destroys nothing."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Everything restored is destroyed
  restore_destroy:
    permit: "{{ permit }}"
    work: "{{ work }}"
    host: "{{ inventory_hostname }}"
"""
RETURN = r"""
yunwei: {description: "Verdict, reasons, what was removed, or the proof.", type: dict, returned: always}
"""


def main():
    """Destroy or prove."""
    further = {"prove": {"type": "bool", "default": False}, "free_before": {"type": "int", "default": 0}}
    module = AnsibleModule(argument_spec=glue.arguments(**further), supports_check_mode=True)

    def action(unit, report, work):
        if module.check_mode:
            return False
        if module.params["prove"]:
            return destroy.show(unit, report, work, module.params["free_before"])
        changed = destroy.run(unit, report, work)
        for warning in report.facts.get("warnings", []):
            module.warn(warning)
        return changed

    glue.act(module, action)


if __name__ == "__main__":
    main()
