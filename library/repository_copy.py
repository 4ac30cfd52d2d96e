#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Copies accepted backups of one system to the second site and keeps that site's signed receipt as the proof."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_host import acting, copy

DOCUMENTATION = r"""
module: repository_copy
short_description: Copies accepted backups of one system to the second site and keeps the receipt
description:
  - Only accepted backups are sent, payloads before manifests, to an append-only endpoint behind an SSH forced command.
  - A copy counts as verified only when the second site's signed receipt names its snapshots.
  - Repeats nothing that is there; goes on where a killed run stopped.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system (SyncWork).", type: dict, required: true}
  secrets: {description: "The system's secrets by name.", type: dict, required: true}
attributes:
  check_mode: {support: full, description: "Asks the second site what it has, says what would be copied."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Copy to the second site
  repository_copy:
    permit: "{{ permit }}"
    work: "{{ work.mediation }}"
    secrets: "{{ secrets.mediation }}"
  no_log: true
"""
RETURN = r"""
yunwei: {description: "What was copied, with both ids; the receipt; the verdict.", type: dict, returned: always}
"""

ARGUMENTS = {
    "permit": {"type": "dict", "required": True},
    "work": {"type": "dict", "required": True},
    "secrets": {"type": "dict", "required": True, "no_log": True},
}


def replicate(work, permit, secrets, check):
    """Copy, or say what would be copied."""
    return (copy.preview(work, secrets), False) if check else copy.sync(work, permit, secrets)


def main():
    """Run."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    acting.act(module, ["sync-to-miyun"], replicate)


if __name__ == "__main__":
    main()
