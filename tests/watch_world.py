"""A watching host in a folder: the real program, statements signed by a real key, a real relay, a real listener."""

from __future__ import annotations

import contextlib
import email
import email.policy
import json
import socket
import subprocess
import sys
import threading
import time
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from yunwei.paths import content_root

PROGRAMS = content_root() / "roles" / "alert_watch" / "files"
# The places are fixed in the program: no argument can move them. Only a test reaches inside.
BOOT = """
import sys
sys.path.insert(0, {programs!r})
import yunwei_watch
base = {base!r}
yunwei_watch.RULES, yunwei_watch.SIGNING_KEY = base + "/rules.json", base + "/key.pub"
yunwei_watch.COPIES, yunwei_watch.STATE = base + "/copies", base + "/state"
now = float(sys.argv[1])
yunwei_watch.time.time = lambda: now
sys.exit(yunwei_watch.main(sys.argv[2:]))
"""


class Relay:
    """A real SMTP server of its own (Debian's python3-aiosmtpd): plain, or with STARTTLS that it demands."""

    def __init__(self, folder: Path, tls: tuple[Path, Path] | None = None, host: str = "127.0.0.1") -> None:
        self.folder = folder
        self.host, self.port = host, free_port(host)
        command = ["/usr/bin/python3", "-m", "aiosmtpd", "-n", "-l", f"{host}:{self.port}"]
        if tls:
            command += ["--tlscert", str(tls[0]), "--tlskey", str(tls[1])]
        command += ["-c", "aiosmtpd.handlers.Mailbox", str(folder)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        wait_for(host, self.port)

    def mails(self) -> list[EmailMessage]:
        """Return what arrived, as a mail program reads it, oldest first."""
        paths = sorted((self.folder / "new").glob("*"), key=lambda path: path.stat().st_mtime_ns)
        return [
            email.message_from_bytes(path.read_bytes(), _class=EmailMessage, policy=email.policy.default)
            for path in paths
        ]

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


class Listener:
    """A real HTTP server that keeps what is posted; `status` is what it answers."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.posts: list[dict[str, Any]] = []
        self.status = 204
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.posts.append(json.loads(body))
                self.send_response(outer.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self.url = f"http://{host}:{self._server.server_address[1]}/backup"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


class Watch:
    """The watching host's files below `base`, and its program."""

    def __init__(self, base: Path) -> None:
        self.base = base
        for name in ("copies", "state"):
            (base / name).mkdir(parents=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(base / "key")], check=True)
        self.alerts_file = base / "alerts.jsonl"
        self.alerts_file.touch()

    def rules(self, channels: dict[str, Any], **more: Any) -> None:
        """Put rules for one system with two items in force."""
        items = [
            {"item": "database:mediation", "limit_seconds": 129600},
            {"item": "files:app", "limit_seconds": 129600},
        ]
        system = {"id": "mediation", "name": {"zh": "人民调解", "en": "Mediation"}, "items": items}
        rules = {"format": 1, "language": "zh", "repeat_seconds": 86400, "look_minutes": 10, "systems": [system]}
        (self.base / "rules.json").write_text(json.dumps({**rules, "channels": channels, **more}))

    def state(self, **copies: tuple[str, str]) -> None:
        """Sign and keep a statement: item (`database` or `files`) to the times claimed and of arrival."""
        names = {"database": "database:mediation", "files": "files:app"}
        told = {
            names[kind]: {"snapshot": "ab" * 32, "claimed": claimed, "arrived": arrived}
            for kind, (claimed, arrived) in copies.items()
        }
        text = json.dumps({"format": 1, "site": "miyun", "system": "mediation", "time": "", "copies": told})
        command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(self.base / "key"), "-n", "yunwei-copies", "-"]
        signed = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
        self.keep(json.dumps({"copies": text, "signature": signed}))

    def keep(self, statement: str) -> None:
        """Keep a statement as it is given."""
        (self.base / "copies" / "mediation.json").write_text(statement)

    def look(self, at: str, *words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the program as at a time (UTC)."""
        now = time.mktime(time.strptime(at, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
        command = [
            sys.executable,
            "-B",
            "-c",
            BOOT.format(programs=str(PROGRAMS), base=str(self.base)),
            str(now),
            *words,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def filed(self) -> list[tuple[str, str]]:
        """Return event and item, or channel, of every line in the file of alerts, and empty it."""
        lines = [json.loads(line) for line in self.alerts_file.read_text().splitlines()]
        self.alerts_file.write_text("")
        return [(line["event"], line.get("item") or line.get("channel") or "") for line in lines]


def free_port(host: str) -> int:
    """Return a port that nobody listens on."""
    with socket.create_server((host, 0)) as server:
        return int(server.getsockname()[1])


def wait_for(host: str, port: int) -> None:
    """Return once somebody answers there."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"nobody answers at {host}:{port}")
