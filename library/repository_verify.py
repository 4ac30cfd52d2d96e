#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Reads a repository of one system back, whole or in part, and holds the records against it."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_host import acting, catalogue

DOCUMENTATION = r"""
module: repository_verify
short_description: Reads a repository of one system back and holds the records against it
description:
  - C(work.part) is C(all), C(n/t) (t runs read everything), C(next/t) (the one of them that was read longest ago) or
    empty, the structure alone.
  - A local backup that a damaged pack belongs to is marked; it counts no more and is due again.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system.", type: dict, required: true}
  secrets: {description: "What the site needs, by name.", type: dict, required: true}
attributes:
  check_mode: {support: full, description: "Says what would be read."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Read a third of the repository back
  repository_verify:
    permit: "{{ permit }}"
    work: "{{ work.mediation }}"
    secrets: "{{ secrets.mediation }}"
  no_log: true
"""
RETURN = r"""
yunwei: {description: "What was read, damage and the records that it hits, the verdict.", type: dict, returned: always}
"""

ARGUMENTS = {
    "permit": {"type": "dict", "required": True},
    "work": {"type": "dict", "required": True},
    "secrets": {"type": "dict", "required": True, "no_log": True},
}


def main():
    """Run."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    acting.act(module, ["verify-backups"], catalogue.verify_backups)


if __name__ == "__main__":
    main()
