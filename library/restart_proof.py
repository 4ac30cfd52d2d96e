#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Proves that a host was restarted, that all is there as before, and that its systems answer."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_host import acting
from ansible.module_utils.yunwei_restart import prove
from ansible.module_utils.yunwei_restart.host import Host

DOCUMENTATION = r"""
module: restart_proof
short_description: Proves that a host was restarted, that all is there as before, and that its systems answer
description:
  - Compares with what the host itself remembered before it went down, waits up to policy's limit, undrains.
  - Where no restart is pending only the health probes are asked.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one host (HostRestartWork).", type: dict, required: true}
attributes:
  check_mode: {support: full, description: "Does nothing: there is no restart to prove."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Prove the restart
  restart_proof:
    permit: "{{ permit }}"
    work: "{{ work.mediation }}"
"""
RETURN = r"""
yunwei: {description: "What is missing, with the journal's last lines.", type: dict, returned: always}
"""


def main():
    """Run."""
    module = AnsibleModule(argument_spec=acting.PERMIT_AND_WORK, supports_check_mode=True)

    def prove_restart(work, _permit, _secrets, check):
        return ({"items": []}, False) if check else prove.prove(Host(), work)

    acting.act(module, ["restart-servers"], prove_restart)


if __name__ == "__main__":
    main()
