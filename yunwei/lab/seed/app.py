"""The mediation application of the lab: one page that answers only when database and files are really there.

Standard library only. Settings: APP_PORT, APP_ADDRESS, and psql's PGHOST, PGPORT, PGDATABASE, PGUSER.
"""

from __future__ import annotations

import http.server
import json
import os
import subprocess
from pathlib import Path

# The files beside this program, wherever the tree was restored to.
ROOT = Path(__file__).resolve().parent.parent
DEFAULTS = {"PGHOST": "db1", "PGPORT": "5432", "PGDATABASE": "mediation", "PGUSER": "mediation_app"}
QUERY = (
    "SELECT count(*) FROM mediation.mediator AS m JOIN mediation.community AS c ON m.community = c.id WHERE m.active"
)


class NotHealthyError(Exception):
    """Database or files do not answer as they must."""


def query_database() -> int:
    """Return how many active mediators the database knows."""
    environment = {**DEFAULTS, **os.environ, "PGCONNECT_TIMEOUT": "5"}
    command = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--no-password", "--command", QUERY]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode != 0:
        raise NotHealthyError(done.stderr.strip())
    return int(done.stdout)


def read_words() -> list[str]:
    """Return the words of the dictionary file."""
    return (ROOT / "data" / "dictionary.txt").read_text(encoding="utf-8").split()


def check_health() -> None:
    """Raise NotHealthyError or OSError unless database and files both give what the application lives on."""
    if query_database() < 1:
        raise NotHealthyError("the database has no active mediator")
    if not read_words():
        raise NotHealthyError("the dictionary is empty")


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers /health with "ok", and / with a few numbers."""

    def do_GET(self) -> None:
        """Answer one request."""
        try:
            if self.path == "/health":
                check_health()
                self.answer(200, "ok\n")
            elif self.path == "/":
                self.answer(200, json.dumps({"mediators": query_database(), "words": read_words()}, ensure_ascii=False))
            else:
                self.answer(404, "not found\n")
        except (NotHealthyError, OSError, ValueError, subprocess.TimeoutExpired) as error:
            self.answer(503, f"not healthy: {error}\n")

    def answer(self, status: int, text: str) -> None:
        """Send one answer as plain text."""
        body = text.encode("utf-8")
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until stopped."""
    address = (os.environ.get("APP_ADDRESS", "127.0.0.1"), int(os.environ.get("APP_PORT", "8080")))
    http.server.ThreadingHTTPServer(address, Handler).serve_forever()


if __name__ == "__main__":
    main()
