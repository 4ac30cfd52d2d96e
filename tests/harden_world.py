"""A small host below a folder, with the files that hardening changes, and the work for it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from yunwei_harden import hardening, revert

SYSTEM, RUN = "mediation", "r-20260301T013000-aaaaaa"
LOGIN_DEFS = "# comment\nPASS_MAX_DAYS\t99999\nPASS_MIN_DAYS\t0\nUMASK\t\t022\n"
COMMON_AUTH = "auth\t[success=1 default=ignore]\tpam_unix.so nullok\nauth\trequisite\t\t\tpam_deny.so\n"
COMMON_NEW = "password\t[success=1 default=ignore]\tpam_unix.so obscure yescrypt\n"


def setting(kind: str, name: str, value: str = "", compare: str = "equal", **more: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "name": name,
        "value": value,
        "compare": compare,
        "releases": [],
        "owner": "root",
        "groups": ["root"],
        **more,
    }


def rule(name: str, *settings: dict[str, Any], undo: str = "restore", waived: str | None = None) -> dict[str, Any]:
    return {"id": name, "undo": undo, "waived": waived, "settings": list(settings)}


AGE = rule("age", setting("login_defs", "PASS_MAX_DAYS", "90", "at_most"))
EMPTY = rule("empty", setting("pam", "auth pam_unix.so nullok", compare="absent"))
HISTORY = rule("history", setting("pam", "password pam_unix.so remember", "5", "at_least"))
MODE = rule("mode", setting("file_mode", "/etc/login.defs", "0640"))
REDIRECTS = rule("redirects", setting("sysctl", "net.ipv4.conf.all.accept_redirects", "0"))
ALL = [AGE, EMPTY, HISTORY, MODE, REDIRECTS]


class World:
    """A host below `root`; nothing outside of it is read, but for programs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rules: list[dict[str, Any]] = list(ALL)
        self.seconds = 600
        self.accepted: list[str] = []
        self.write("etc/os-release", 'ID=debian\nVERSION_ID="12"\n')
        self.write("etc/login.defs", LOGIN_DEFS)
        self.write("etc/pam.d/common-auth", COMMON_AUTH)
        self.write("etc/pam.d/common-password", COMMON_NEW)
        self.write("proc/sys/net/ipv4/conf/all/accept_redirects", "1")
        for folder in ("etc/sysctl.d", "etc/cron.d", "var/lib"):
            (root / folder).mkdir(parents=True)
        root.chmod(0o755)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def read(self, name: str) -> str:
        return (self.root / name).read_text(encoding="utf-8")

    def harden(
        self, run: str = RUN, check: bool = False, plan: dict[str, Any] | None = None, look: bool = False
    ) -> tuple[dict[str, Any], bool]:
        """Call what the module calls; `look`: as a run does that is about to carry out a stored plan."""
        work = {
            "system": SYSTEM,
            "rules": self.rules,
            "exempt_accounts": ["postgres"],
            "accept_irreversible": self.accepted,
            "confirm_seconds": self.seconds,
        }
        permit = {"run_id": run, "check": check, "plan": plan}
        summary, changed = hardening.harden(work, "app1", permit, check or look, str(self.root))
        return summary, changed

    def undo(self, run: str = RUN, check: bool = False) -> tuple[dict[str, Any], bool]:
        summary, changed = hardening.undo({"system": SYSTEM}, run, check, str(self.root))
        return summary, changed

    def folder(self, run: str = RUN) -> Path:
        return self.root / "var/lib/yunwei/hardening" / f"{run}.{SYSTEM}"

    def guard(self, word: str, run: str = RUN) -> subprocess.CompletedProcess[str]:
        """Run the change's own program, as the host does at its start or the controller after a login."""
        program = self.folder(run) / "revert.py"
        program = self.folder(run).parent / "revert.py" if word == "boot" else program
        return subprocess.run([sys.executable, str(program), word], capture_output=True, text=True, check=False)

    def state(self, run: str = RUN) -> str | None:
        found: str | None = revert.state(str(self.folder(run)))
        return found

    def confirmed(self, run: str = RUN) -> None:
        """Harden, and confirm it."""
        self.harden(run)
        assert self.guard("confirm", run).stdout == "confirmed\n"

    def picture(self) -> dict[str, tuple[int, ...] | str]:
        """Return every file below etc and proc with inode, mode, owner and content."""
        found: dict[str, tuple[int, ...] | str] = {}
        for top in ("etc", "proc"):
            for path in sorted((self.root / top).rglob("*")):
                about = path.lstat()
                name = str(path.relative_to(self.root))
                if path.is_file() and name != "etc/cron.d/yunwei-revert":
                    found[name] = (about.st_ino, about.st_mode, about.st_uid, about.st_gid)
                    found[f"{name}: content"] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"did not happen within {seconds} s"
        time.sleep(0.05)
