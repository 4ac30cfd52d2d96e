#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Looks whether a host may receive a restore and makes its work folder."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_restore import glue, preflight

DOCUMENTATION = r"""
module: restore_preflight
short_description: Looks whether a host may receive a restore and makes its work folder
description:
  - A drill host must be empty, outside production, unable to reach it, with space and a right clock.
  - The host of a recovery must not hold what is restored, unless policy's C(replace) names it.
  - What a dead run of the same system left behind is removed first.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system.", type: dict, required: true}
  host: {description: "This host's name in the inventory.", type: str, required: true}
  controller_time: {description: "The controller's clock, ISO 8601, taken just now.", type: str, required: true}
  handed_over: {description: "When the hardware was handed over, ISO 8601; now when empty.", type: str, default: ""}
  sweep_kept: {description: "Also remove what a failed drill was told to keep.", type: bool, default: false}
attributes:
  check_mode: {support: full, description: "Looks at everything and makes nothing."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: The host may receive the restore
  restore_preflight:
    permit: "{{ permit }}"
    work: "{{ work }}"
    host: "{{ inventory_hostname }}"
    controller_time: "{{ now(utc=true, fmt='%Y-%m-%dT%H:%M:%SZ') }}"
"""
RETURN = r"""
yunwei: {description: "Verdict, reasons, what was swept, when the host was handed over.", type: dict, returned: always}
"""


def main():
    """Check, then begin."""
    further = {
        "controller_time": {"type": "str", "required": True},
        "handed_over": {"type": "str", "default": ""},
        "sweep_kept": {"type": "bool", "default": False},
    }
    module = AnsibleModule(argument_spec=glue.arguments(**further), supports_check_mode=True)
    given = module.params

    def action(unit, report, work):
        if not module.check_mode:
            report.facts["swept"] = preflight.sweep(unit, given["sweep_kept"])
        for problem in preflight.problems(unit, given["host"], given["controller_time"]):
            report.blame(problem)
        if report.reasons or module.check_mode:
            return bool(report.facts.get("swept"))
        preflight.begin(unit, report, work, given["handed_over"] or None)
        return True

    glue.act(module, action)


if __name__ == "__main__":
    main()
