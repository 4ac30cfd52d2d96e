#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Says which old rows of the databases of one system on a host may go."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_database import history
from ansible.module_utils.yunwei_host import acting

DOCUMENTATION = r"""
module: database_history_plan
short_description: Says which old rows of the databases of one system on a host may go
description:
  - Counts what is older than each rule of policy keeps, in sessions that the server lets change nothing, and holds the
    table against the rule.
  - Refuses a rule whose table has no index on the age column, no primary key, a foreign key that points at it, or a
    larger share of old rows than stated. Databases of other engines are C(could not judge).
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system (HistoryWork).", type: dict, required: true}
  host: {description: "This host's name in the inventory.", type: str, required: true}
  controller_time: {description: "The controller's clock, ISO 8601, taken just now.", type: str, required: true}
attributes:
  check_mode: {support: full, description: "Also shows what would be refused; it changes nothing in any mode."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Plan which rows go
  database_history_plan:
    permit: "{{ permit }}"
    work: "{{ work.mediation }}"
    host: "{{ inventory_hostname }}"
    controller_time: "{{ now(utc=true, fmt='%Y-%m-%dT%H:%M:%SZ') }}"
"""
RETURN = r"""
yunwei: {description: "A row for each rule: what goes, or why nothing does.", type: dict, returned: always}
plan: {description: "What is to be exported.", type: list, elements: dict, returned: success}
"""

ARGUMENTS = dict(
    acting.PERMIT_AND_WORK,
    host={"type": "str", "required": True},
    controller_time={"type": "str", "required": True},
)


def main():
    """Run."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)

    def look(work, _permit, _secrets, check):
        given = module.params
        summary, planned = history.plan(work, given["host"], given["controller_time"], check)
        return dict(summary, handed_on={"plan": planned}), check and bool(planned)

    acting.act(module, ["purge-history"], look)


if __name__ == "__main__":
    main()
