#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Pulls exactly the planned log files of one host into the system's repository and reads them back."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_host import acting, logarchive

DOCUMENTATION = r"""
module: log_archive
short_description: Pulls exactly the planned log files of one host into the system's repository and reads them back
description:
  - Runs on the backup server. The host's forced command sends those planned files that are still as they were planned,
    each with size, owner, times and SHA-256; they are stored, read back and compared, the manifest lies
    beside them.
  - Takes the system's lock on the backup server first; clears up after a killed run.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system (LogWork).", type: dict, required: true}
  secrets: {description: "The system's secrets by name.", type: dict, required: true}
  host: {description: "The host whose files they are.", type: str, required: true}
  plan: {description: "The packed list of log_files_plan.", type: dict, required: true}
attributes:
  check_mode: {support: full, description: "Archives nothing; log_files_plan says what would go."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Archive the planned files
  log_archive:
    permit: "{{ permit }}"
    work: "{{ work.mediation }}"
    secrets: "{{ secrets.mediation }}"
    host: app1
    plan: "{{ planned.plan }}"
  delegate_to: backup1
  throttle: 1
"""
RETURN = r"""
yunwei: {description: "The archive's record, size and digests.", type: dict, returned: always}
archived: {description: "The list of files that were read back, packed.", type: dict, returned: success}
"""

ARGUMENTS = dict(
    acting.PERMIT_AND_WORK,
    secrets={"type": "dict", "required": True, "no_log": True},
    host={"type": "str", "required": True},
    plan={"type": "dict", "required": True},
)


def main():
    """Run."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)

    def archive(work, permit, secrets, check):
        if check:
            return {"items": []}, False
        return logarchive.archive(work, module.params["host"], permit, secrets, module.params["plan"])

    acting.act(module, ["clean-logs"], archive)


if __name__ == "__main__":
    main()
