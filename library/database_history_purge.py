#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Deletes exported old rows from the databases of one system on a host."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_database import history
from ansible.module_utils.yunwei_host import acting

DOCUMENTATION = r"""
module: database_history_purge
short_description: Deletes exported old rows from the databases of one system on a host
description:
  - Deletes exactly those rows that are still as they were exported, by primary key in batches; or drops the exported
    partitions. Gives way to sessions that wait behind it and stops before the window closes.
  - Takes the system's lock on the host first.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system (HistoryWork).", type: dict, required: true}
  host: {description: "This host's name in the inventory.", type: str, required: true}
  controller_time: {description: "The controller's clock, ISO 8601, taken just now.", type: str, required: true}
  archived: {description: "The packed list of database_history_archive.", type: dict, required: true}
attributes:
  check_mode: {support: full, description: "Deletes nothing; database_history_plan says what would go."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Delete the exported rows
  database_history_purge:
    permit: "{{ permit }}"
    work: "{{ work.mediation }}"
    host: "{{ inventory_hostname }}"
    controller_time: "{{ now(utc=true, fmt='%Y-%m-%dT%H:%M:%SZ') }}"
    archived: "{{ stored.archived }}"
"""
RETURN = r"""
yunwei: {description: "A row for each rule with counts before and after.", type: dict, returned: always}
"""

ARGUMENTS = dict(
    acting.PERMIT_AND_WORK,
    host={"type": "str", "required": True},
    controller_time={"type": "str", "required": True},
    archived={"type": "dict", "required": True},
)


def main():
    """Run."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)

    def purge(work, permit, _secrets, check):
        if check:
            return {"items": []}, False
        given = module.params
        return history.purge(work, given["host"], given["controller_time"], permit, given["archived"])

    acting.act(module, ["purge-history"], purge)


if __name__ == "__main__":
    main()
