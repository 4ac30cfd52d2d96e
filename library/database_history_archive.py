#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Exports planned old rows of one host's databases into the system's repository and reads them back."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_host import acting, historyarchive

DOCUMENTATION = r"""
module: database_history_archive
short_description: Exports planned old rows of one host's databases into the system's repository and reads them back
description:
  - Runs on the backup server. The host's forced command sends the rows of one snapshot and what each of them is
    known by; they are stored, read back, counted and compared, the manifest lies beside them.
  - Takes the system's lock on the backup server first; clears up after a killed run.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system (HistoryWork).", type: dict, required: true}
  secrets: {description: "The system's secrets by name.", type: dict, required: true}
  host: {description: "The host whose databases they are.", type: str, required: true}
  plan: {description: "What database_history_plan returned.", type: list, elements: dict, required: true}
attributes:
  check_mode: {support: full, description: "Exports nothing; database_history_plan says what would go."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Export the old rows
  database_history_archive:
    permit: "{{ permit }}"
    work: "{{ work.mediation }}"
    secrets: "{{ secrets.mediation }}"
    host: db1
    plan: "{{ planned.plan }}"
  delegate_to: backup1
  throttle: 1
"""
RETURN = r"""
yunwei: {description: "The record, rows, size and digests of each export.", type: dict, returned: always}
archived: {description: "What the rows are known by that were read back, packed.", type: dict, returned: success}
"""

ARGUMENTS = dict(
    acting.PERMIT_AND_WORK,
    secrets={"type": "dict", "required": True, "no_log": True},
    host={"type": "str", "required": True},
    plan={"type": "list", "elements": "dict", "required": True},
)


def main():
    """Run."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)

    def archive(work, permit, secrets, check):
        if check:
            return {"items": []}, False
        return historyarchive.archive(work, module.params["host"], permit, secrets, module.params["plan"])

    acting.act(module, ["purge-history"], archive)


if __name__ == "__main__":
    main()
