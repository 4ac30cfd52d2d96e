"""The plan of a host: every setting of every rule as it is, and the change that would bring it to what is wanted."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from . import kinds
from .draft import Draft

ANOTHER_RELEASE, WAIVED = "for another release", "waived"


def plan(host, work):
    """Return (rows, draft) for a host's unit of work.

    rows: [{"item", "rule", "status", "reason", "irreversible"}], a status of `kinds`, or one of the two above.
    """
    rows, draft = [], Draft(host)
    for rule in work["rules"]:
        rows += _rows_of(host, rule, draft, work["exempt_accounts"])
    return rows, draft


def _rows_of(host, rule, draft, exempt):
    if rule["waived"]:
        return [_row(rule, rule["settings"][0], WAIVED, rule["waived"])]
    rows = []
    for setting in rule["settings"]:
        if setting["releases"] and host.release not in setting["releases"]:
            continue
        looked = kinds.look(host, setting, exempt)
        rows.append(_row(rule, setting, looked.verdict, _reason(setting, looked)))
        if looked.verdict == kinds.DIFFERS:
            kinds.edit(draft, setting, exempt)
    return rows or [_row(rule, rule["settings"][0], ANOTHER_RELEASE, "on %s there is nothing to set" % host.release)]


def _row(rule, setting, status, reason):
    item = "%s: %s %s" % (rule["id"], setting["kind"], setting["name"])
    if status in (WAIVED, ANOTHER_RELEASE):
        item = rule["id"]
    return {"item": item, "rule": rule["id"], "status": status, "reason": reason, "undo": rule["undo"]}


def _reason(setting, looked):
    wanted = {
        "equal": setting["value"],
        "at_least": "%s or more" % setting["value"],
        "at_most": "%s or less" % setting["value"],
        "within": "only %s" % setting["value"],
        "absent": "nothing",
    }[setting["compare"]]
    parts = ["found %s" % ("nothing" if looked.found is None else looked.found or "it")]
    if looked.verdict == kinds.DIFFERS:
        parts.append("becomes %s" % (wanted if setting["compare"] == "absent" else setting["value"] or "off"))
    elif looked.verdict == kinds.NOT_JUDGED:
        parts.append("wanted %s" % wanted)
    return "; ".join(parts + ([looked.why] if looked.why else []))
