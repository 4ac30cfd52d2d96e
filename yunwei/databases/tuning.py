"""Advice on the parameters of database servers, from what an inspection read of them; decides only, changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yunwei.databases.outcome import missing_of, told_of
from yunwei.databases.tuning_rules import RULES, Proposal, Rule
from yunwei.databases.tuning_server import Server
from yunwei.errors import CouldNotJudgeError
from yunwei.policy import Policy
from yunwei.policy.engines import ENGINES

EXIT_CODES = {"passed": 0, "advice": 1, "could not judge": 4}
_DOCUMENTATION = "https://www.postgresql.org/docs"
Advice = dict[str, Any]


def judge(run: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    """Return the advice on every database of a run as one document.

    Args:
        run: the document of the run of `inspect-databases` (`yunwei.launch.Result`).
        policy: for the servers of each host and the share of sessions that may be in use.

    Returns:
        `verdict`, `exit_code`, `run_id`, `evidence_id`, and `databases`: each with `system`, `host`, `item`, `engine`,
        `machine`, `advice` (as of `advise`) and `unknown` ({part, reason}).
    """
    databases = [_database(told, host, policy) for told, host in told_of(run)]
    missing = missing_of(run, databases, policy)
    databases += [
        {**_about(one), "host": one["host"], "machine": {}, "advice": [], "unknown": one["unknown"]} for one in missing
    ]
    verdict = _verdict(databases)
    about = {"run_id": run["run_id"], "evidence_id": run["evidence_id"], "verdict": verdict}
    return {**about, "exit_code": EXIT_CODES[verdict], "databases": databases}


def _verdict(databases: list[dict[str, Any]]) -> str:
    if any(one["advice"] for one in databases):
        return "advice"
    if not databases or any(one["unknown"] for one in databases):
        return "could not judge"
    return "passed"


def _about(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: told[name] for name in ("system", "item", "engine")}


def _database(told: Mapping[str, Any], host: str, policy: Policy) -> dict[str, Any]:
    about = {**_about(told), "host": host}
    if told["not_judged"]:
        unknown = [{"part": "database", "reason": told["not_judged"]}]
        return {**about, "machine": {}, "advice": [], "unknown": unknown}
    percent = policy.estate.databases.inspection.connections_percent
    advice, unknown = advise(Server(told, _servers(policy, host), percent))
    return {**about, "machine": told["tuning"]["machine"], "advice": advice, "unknown": unknown}


def _servers(policy: Policy, host: str) -> int:
    """Return how many database servers policy names on a host: each has a port of its own."""
    databases = [one for system in policy.systems.values() for one in system.databases if one.host == host]
    return len({one.port or ENGINES[one.engine].port for one in databases})


def advise(server: Server) -> tuple[list[Advice], list[dict[str, str]]]:
    """Return (advice, unknown) of one server, in the order of the rules.

    Each advice has `rule`, `setting`, `now` ({value, source, sourcefile, sourceline, pending_restart}), `proposed`,
    `apply` (restart or reload), `evidence`, `page` and `notes` ({note: value}: what speaks against it here). `unknown`
    is [{part: the rule, reason}].
    """
    advice, unknown = [], []
    for rule in RULES:
        if server.version < rule.since:
            continue
        try:
            proposal = rule.propose(server)
            if proposal:
                advice.append(_advice(rule, proposal, server))
        except CouldNotJudgeError as error:
            unknown.append({"part": rule.name, "reason": str(error)})
    return advice, unknown


def _advice(rule: Rule, proposal: Proposal, server: Server) -> Advice:
    row = server.row(rule.setting)
    where = {name: row[name] for name in ("source", "sourcefile", "sourceline", "pending_restart")}
    return {
        "rule": rule.name,
        "setting": rule.setting,
        "now": {"value": server.written(rule.setting), **where},
        "proposed": proposal.value,
        "apply": "restart" if row["context"] == "postmaster" else "reload",
        "evidence": dict(proposal.evidence),
        "page": f"{_DOCUMENTATION}/{_major(max(server.version, rule.told_since))}/{rule.page}",
        "notes": _notes(rule, row, server),
    }


def _major(version: int) -> str:
    """Return the version that a documentation is of: 9.6 or 15."""
    return f"{version // 10000}.{version // 100 % 100}" if version < 100000 else str(version // 10000)


def _notes(rule: Rule, row: Mapping[str, Any], server: Server) -> dict[str, str]:
    """Return what else must be known before the value is changed, by the name of its words."""
    own = server.own_values(rule.setting)
    return {
        name: value
        for name, holds, value in (
            ("pending", row["pending_restart"], rule.setting),
            ("own_values", own, "; ".join(own)),
            ("command_line", row["source"] == "command line", rule.setting),
            ("place_hidden", row["source"] == "configuration file" and not row["sourcefile"], rule.setting),
            ("standby", server.is_standby, rule.setting),
        )
        if holds
    }
