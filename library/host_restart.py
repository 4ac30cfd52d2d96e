#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Takes a host down for a restart, after a last look under the host's own locks."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_host import acting
from ansible.module_utils.yunwei_restart import act
from ansible.module_utils.yunwei_restart.host import Host

DOCUMENTATION = r"""
module: host_restart
short_description: Takes a host down for a restart, after a last look under the host's own locks
description:
  - Refuses while anything stands against it. Drains, lets databases write a checkpoint, remembers what runs, and goes
    down. Called through the action plugin of the same name, which waits until the host is back.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one host (HostRestartWork).", type: dict, required: true}
  take_back: {description: "Undrain a host that did not go down, and go no further.", type: bool, default: false}
attributes:
  check_mode: {support: full, description: "Does nothing; restart_facts says what stands against it."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Restart
  host_restart:
    permit: "{{ permit }}"
    work: "{{ work.mediation }}"
"""
RETURN = r"""
yunwei: {description: "Why the host was restarted.", type: dict, returned: always}
"""


def main():
    """Run."""
    spec = dict(acting.PERMIT_AND_WORK, take_back={"type": "bool", "default": False})
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)

    def restart(work, permit, _secrets, check):
        if check:
            return {"items": []}, False
        acting.demand_systems(work["systems"], permit)
        return (act.take_back if module.params["take_back"] else act.restart)(Host(), work, permit)

    acting.act(module, ["restart-servers"], restart)


if __name__ == "__main__":
    main()
