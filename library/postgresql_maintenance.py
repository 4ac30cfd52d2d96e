#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Does the upkeep that the PostgreSQL databases of one system on a host need, and gives way to everybody."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_database import care
from ansible.module_utils.yunwei_host import acting

DOCUMENTATION = r"""
module: postgresql_maintenance
short_description: Does the upkeep that the PostgreSQL databases of one system on a host need
description:
  - Vacuums, analyzes and freezes tables where the figures ask for it, rebuilds bloated B-tree indexes concurrently and
    has amcheck prove them, and removes what failed concurrent builds have left.
  - Never waits in the queue of a lock while others could come to wait behind it, gives way to sessions that wait behind
    it, ends no session, and stops before the window closes.
  - Takes the system's lock on the host first. Databases of other engines are C(could not judge).
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system (DatabaseMaintenanceWork).", type: dict, required: true}
  host: {description: "This host's name in the inventory.", type: str, required: true}
  controller_time: {description: "The controller's clock, ISO 8601, taken just now.", type: str, required: true}
attributes:
  check_mode: {support: full, description: "A row for each step that would be done, with its reason, lock and space."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Maintain the databases
  postgresql_maintenance:
    permit: "{{ permit }}"
    work: "{{ work.mediation }}"
    host: "{{ inventory_hostname }}"
    controller_time: "{{ now(utc=true, fmt='%Y-%m-%dT%H:%M:%SZ') }}"
"""
RETURN = r"""
yunwei: {description: "A row for each step with figures before and after.", type: dict, returned: always}
"""


def main():
    """Run."""
    text = {"type": "str", "required": True}
    arguments = dict(acting.PERMIT_AND_WORK, host=text, controller_time=text)
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)

    def maintain(work, permit, _secrets, check):
        host = module.params["host"]
        return care.plan(work, host) if check else care.maintain(work, host, module.params["controller_time"], permit)

    acting.act(module, ["maintain-databases"], maintain)


if __name__ == "__main__":
    main()
