"""The self-test of findings by the real check of hardening, on hosts that are this machine; nothing is changed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tests.estates import Estate
from tests.scan_reports import xccdf

# What is in force here is looked up by the test itself, for it differs between machines.
FINDINGS = {"file_permissions_etc_passwd": "files-accounts", "accounts_maximum_age_login_defs": "password-age"}


def yunwei(estate: Estate, *words: str, expect: int, **more: str) -> dict[str, Any]:
    return dict(json.loads(estate.yunwei("scan", *words, "--json", expect=expect, **more).stdout))


def password_days() -> int:
    lines = [line.split() for line in Path("/etc/login.defs").read_text(encoding="utf-8").splitlines()]
    return int(next(words[1] for words in lines if words[:1] == ["PASS_MAX_DAYS"]))


def test_findings_are_judged_by_what_is_in_force_and_nothing_is_changed(estate: Estate, tmp_path: Path):
    report = tmp_path / "report.xml"
    report.write_text(xccdf(dict.fromkeys([*FINDINGS, "SV-204503"], "fail"), target="x", addresses=[]))
    yunwei(estate, "import", str(report), "--host", "app1", expect=0)
    identity = next((estate.state / "scans").glob("s-*.sqlite")).stem
    watched = [Path("/etc/login.defs"), Path("/etc/passwd"), Path("/etc/shadow")]
    before = [os.stat(path) for path in watched]
    found = yunwei(estate, "retest", identity, expect=1)
    assert [os.stat(path)[:8] for path in watched] == [one[:8] for one in before]
    verdicts = {one["rules"][0]: one["verdict"] for one in found["findings"]}
    assert password_days() > 90
    assert verdicts == {"files-accounts": "fixed", "password-age": "open", "audit-rules": "could not judge"}
    assert found["summary"] == {"open": 1, "could not judge": 1, "fixed": 1}
    run = estate.last_run()
    assert (run["job"], run["check"]) == ("harden-servers", True)
    (kept,) = (estate.state / "scans").glob(f"{identity}.*.retest.json")
    stored = json.loads(kept.read_text(encoding="utf-8"))
    assert stored["findings"] == found["findings"]
    assert stored["run_id"] in kept.name

    refused = yunwei(estate, "retest", identity, expect=3, ANSIBLE_KEEP_REMOTE_FILES="1")
    assert "modules would be kept on the hosts" in refused["reason"]
    assert list((estate.state / "scans").glob("*.retest.json")) == [kept]
