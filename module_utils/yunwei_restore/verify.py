"""Verifies everything that was restored on a host: the step between rebuilding and being ready."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

from . import files, glue
from .dump import Dump
from .manifest import Manifest
from .proof import Proof
from .server import Server

PROGRAM = "yunwei_source.py"


def run(unit, host, report, work):
    """Compare what `host` received with the manifests and report every difference; returns False: nothing changes."""
    proof = Proof()
    with report.phases.run("verify") as phase:
        for item in glue.items_here(unit, host, "database"):
            _database(unit, item, work, proof)
        for item in glue.items_here(unit, host, "files"):
            manifest = Manifest(work.fetched(item["item"])["manifest"], item["item"])
            proof.files(item, manifest, files.root_of(unit, work), unit["part"]["files"])
        phase.bytes = proof.bytes()
    report.facts.update(proof.as_dict(), compared=proof.compared)
    for error in proof.verdicts():
        report.blame(error)
    return False


def _database(unit, item, work, proof):
    state = work.fetched(item["item"])
    dump, target = Dump(item, state), Server(**state["server"])
    program = work.part("tools", PROGRAM)
    if unit["part"]["table"]:
        proof.table(dump, target, program, state["table"], (dump.name, unit["part"]["into_schema"]))
    else:
        proof.database(dump, target, program, state.get("roles_present") or ())
