#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Brings archived log files back from a site into a folder of the controller; changes nothing at the site."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_host import acting, faults
from ansible.module_utils.yunwei_restore import errors, logfetch

DOCUMENTATION = r"""
module: log_fetch
short_description: Brings archived log files back from a site into a folder of the controller
description:
  - Reads the repository without a lock, over the read-only forced command of the site.
  - Holds every file against the digest that its archive's manifest has for it. Overwrites nothing.
options:
  permit: {description: "What the gate issued.", type: dict, required: true}
  work: {description: "The unit of work of one system (LogFetchWork).", type: dict, required: true}
  secrets: {description: "What the site needs, by name.", type: dict, required: true}
attributes:
  check_mode: {support: full, description: "Brings nothing."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Bring the log files back
  log_fetch:
    permit: "{{ permit }}"
    work: "{{ work.mediation }}"
    secrets: "{{ secrets.mediation }}"
  delegate_to: localhost
"""
RETURN = r"""
yunwei: {description: "One item for each archive: its folder, files and bytes.", type: dict, returned: always}
"""

ARGUMENTS = dict(acting.PERMIT_AND_WORK, secrets={"type": "dict", "required": True, "no_log": True})


def main():
    """Run."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)

    def fetch(work, _permit, secrets, check):
        if check:
            return {"items": []}, False
        try:
            return logfetch.fetch(work, secrets)
        except errors.RefusedError as error:
            raise faults.RefusedByPolicyError("in the way", "REFUSED: %s" % logfetch.said(error))
        except errors.RestoreError as error:
            return logfetch.ended(work, error), False

    acting.act(module, ["fetch-logs"], fetch)


if __name__ == "__main__":
    main()
