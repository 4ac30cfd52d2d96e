"""How long the certificate of Vault is still valid, as the server shows it."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime
from urllib.parse import urlsplit

from yunwei.inspection.check import DAY, Check, finding, good, unknown

_SECONDS = 15


def judge_certificate(address: str, ca_file: str, limit_days: int, now: datetime) -> Check:
    """Return whether the certificate of `https://host:port` stays valid long enough; only a trusted one is judged."""
    try:
        ends = _end_of(address, ca_file)
    except (OSError, ValueError) as error:  # ssl's own errors are OSErrors
        return unknown("controller", "certificate_unread", reason=str(error))
    left, limit = (ends - now).total_seconds(), limit_days * DAY
    values = {"left_seconds": left, "limit_seconds": limit, "address": address}
    if left < limit:
        return finding("controller", "certificate_ends", "high", **values)
    return good("controller", "certificate", **values)


def _end_of(address: str, ca_file: str) -> datetime:
    place = urlsplit(address)
    host, port = place.hostname or "", place.port or 443
    context = ssl.create_default_context(cafile=ca_file)
    with (
        socket.create_connection((host, port), timeout=_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as wrapped,
    ):
        shown = wrapped.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)
