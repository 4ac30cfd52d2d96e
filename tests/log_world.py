"""Log files in a folder, with a rule that takes them, and the real plan and retirement over them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from yunwei_host import fence, hostlock, loglist, logplan, logretire, names

DAY = 86400
NOW = 1_790_000_000
TIME = "2026-09-21T14:13:20Z"


def rule(path: Path, **changes: Any) -> dict[str, Any]:
    """Return a `LogRuleWork` that takes `*.log.*` of a folder after 30 days."""
    given = {
        "name": "app",
        "kind": "rotated",
        "path": str(path),
        "below": True,
        "patterns": ["*.log.*"],
        "exclude": [],
        "account": None,
        "keep_days": 7,
        "after_days": 30,
        "max_bytes": None,
        "until_free_percent": None,
        "until_free_bytes": None,
        "keep_newest": 0,
        "permission": {"reference": "LAB-1", "expires": "2027-12-31"},
    }
    return {**given, **changes}


class Logs:
    """A place with files of chosen ages; everything outside it must stay as it is."""

    def __init__(self, base: Path, monkeypatch: Any) -> None:
        self.base, self.place, self.runs = base, base / "logs", 0
        self.place.mkdir()
        (base / "locks").mkdir()
        monkeypatch.chdir(base)  # the walk leaves the working directory elsewhere; the test's end brings it back
        monkeypatch.setattr(hostlock, "FOLDER", str(base / "locks"))
        monkeypatch.setattr(fence, "FOLDER", str(base / "remembered-locks"))
        self.rules = [rule(self.place)]

    def write(self, name: str | bytes, days: float = 60, content: bytes = b"line\n", below: str = "") -> Path:
        """Write a file of this age."""
        folder = self.place / below
        folder.mkdir(parents=True, exist_ok=True)
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + os.fsencode(name)))
        path.write_bytes(content)
        os.utime(path, (NOW - days * DAY, NOW - days * DAY))
        return path

    @property
    def work(self) -> dict[str, Any]:
        return {"system": "mediation", "rules": {"app1": self.rules}, "today": "2026-09-21", "time": TIME}

    def plan(self, listed: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return (summary, packed list), as the module does."""
        summary, packed = logplan.plan(self.work, "app1", listed)
        return summary, packed

    def planned(self) -> dict[str, str]:
        """Return the name below the place of each planned file with the reason."""
        _, packed = self.plan()
        start = names.encode_name(os.fsencode(self.place)) + "/"
        return {
            entry["p"].removeprefix(start): entry["why"] for entry in loglist.unpack(packed["packed"], packed["sha256"])
        }

    def skipped(self) -> dict[str, int]:
        return dict(self.plan()[0]["skipped"]["reasons"])

    def retire(self, packed: dict[str, Any], planned: dict[str, Any] | None = None) -> dict[str, str]:
        """Retire a list as the module does, by default all that was planned; return each name with status and why."""
        self.runs += 1
        lock = {"locks": {"mediation": self.runs}, "lock_series": {"mediation": "of-test"}}
        permit = {"run_id": f"r-test-{self.runs}", "job": "clean-logs", **lock}
        summary, _ = logretire.retire(self.work, "app1", permit, planned or packed, packed)
        return {
            row["item"].rsplit("/", 1)[1]: f"{row['status']}" if row["status"] == "retired" else row["reason"]
            for row in summary["items"]
        }
