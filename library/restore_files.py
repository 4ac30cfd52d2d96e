#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Restores the fetched file sets."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_restore import files, glue

DOCUMENTATION = r"""
module: restore_files
short_description: Restores the fetched file sets
description:
  - In a drill below the work folder, in a recovery at their own place or into a folder.
  - What is there is only ever renamed, and only when C(replace) names it.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system.", type: dict, required: true}
  host: {description: "This host's name in the inventory.", type: str, required: true}
attributes:
  check_mode: {support: full, description: "Does nothing: there is nothing to act on before the work folder exists."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: The files are restored
  restore_files:
    permit: "{{ permit }}"
    work: "{{ work }}"
    host: "{{ inventory_hostname }}"
"""
RETURN = r"""
yunwei: {description: "Verdict, reasons, phases, safety copies.", type: dict, returned: always}
"""


def main():
    """Set aside, extract."""
    module = AnsibleModule(argument_spec=glue.arguments(), supports_check_mode=True)

    def action(unit, report, work):
        if module.check_mode:
            return False
        work.load()
        return files.run(unit, module.params["host"], report, work)

    glue.act(module, action)


if __name__ == "__main__":
    main()
