#!/usr/bin/python
# -*- coding: utf-8 -*-
"""Keeps one set of timers on a host as policy wants it: systemd's, or cron's where there is no systemd."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.yunwei_timers import cron, systemd
from ansible.module_utils.yunwei_timers.faults import TimerError

DOCUMENTATION = r"""
module: job_timers
short_description: Keeps one set of timers on a host as policy wants it
description:
  - Every timer of the set is there, unchanged, enabled and active; one that the set no longer has is removed.
  - Missed runs catch up. Drop-ins that change a timer are put aside and kept.
options:
  work: {description: "The set, as C(module_utils/yunwei_timers/units.py) describes it.", type: dict, required: true}
attributes:
  check_mode: {support: full, description: "Says of every timer how it differs; changes nothing."}
author: ["yunwei contributors (@yunwei)"]
"""
EXAMPLES = r"""
- name: Keep the timers of the schedule
  job_timers:
    work: "{{ timers }}"
"""
RETURN = r"""
yunwei: {description: "Each timer with its status before the run.", type: dict, returned: always}
"""


def main():
    """Run."""
    module = AnsibleModule(argument_spec={"work": {"type": "dict", "required": True}}, supports_check_mode=True)
    work = module.params["work"]
    manager = systemd if os.path.isdir("/run/systemd/system") else cron
    summary = {"set": work["set"], "manager": manager.__name__.rpartition(".")[2]}
    try:
        planned = manager.plan(work)
        changed = bool([line for line in planned if line["status"] != "as wanted"])
        if changed and not module.check_mode:
            manager.apply(work, planned)
    except (TimerError, EnvironmentError) as error:
        reason = "set %s: %s" % (work["set"], error)
        module.fail_json(msg=reason, yunwei=dict(summary, reason=reason, exit_code=1))
    module.exit_json(changed=changed, yunwei=dict(summary, items=planned))


if __name__ == "__main__":
    main()
