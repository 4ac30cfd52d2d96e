#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Compares what was restored with the manifests, line by line."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_restore import glue, verify

DOCUMENTATION = r"""
module: restore_verify
short_description: Compares what was restored with the manifests, line by line
description:
  - Every line of the manifest counts; tables, large objects, definitions, extensions, sequences, roles, files.
  - Every B-tree index is checked against its table.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system.", type: dict, required: true}
  host: {description: "This host's name in the inventory.", type: str, required: true}
attributes:
  check_mode: {support: full, description: "Does nothing: there is nothing to act on before the work folder exists."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Everything restored is as it was backed up
  restore_verify:
    permit: "{{ permit }}"
    work: "{{ work }}"
    host: "{{ inventory_hostname }}"
"""
RETURN = r"""
yunwei: {description: "Verdict, reasons, counts and differences by kind.", type: dict, returned: always}
"""


def main():
    """Read again, compare."""
    module = AnsibleModule(argument_spec=glue.arguments(), supports_check_mode=True)

    def action(unit, report, work):
        if module.check_mode:
            return False
        work.load()
        return verify.run(unit, module.params["host"], report, work)

    glue.act(module, action)


if __name__ == "__main__":
    main()
