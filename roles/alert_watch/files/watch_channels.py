"""The three ways by which people are told: mail through a relay, an HTTP POST of JSON, a line in a file.

Each raises an exception with the reason when it could not. Nothing is taken from the environment: no proxy, no login.
Standard library only, Python 2.6 and later; certificates can be checked from Python 3.3 on, without which TLS is
refused.
"""

from __future__ import absolute_import, division, print_function

import email.header
import email.mime.text
import email.utils
import json
import os
import smtplib
import ssl
import sys

try:
    from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener  # novm
except ImportError:  # Python 2
    from urllib2 import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener  # novm

SECONDS = 30


def deliver(name, settings, message):
    """Tell one channel, or raise an exception.

    Args:
        name: `mail`, `webhook` or `file`.
        settings: that channel's rules.
        message: {"subject", "lines": texts, "footer", "host", "time", "events": dicts}.
    """
    {"mail": send_mail, "webhook": post, "file": append}[name](settings, message)


def _checked_tls(ca_file):
    """Return keyword arguments that make TLS check the server's certificate and name."""
    if sys.version_info < (3, 3):
        raise ValueError("this host's Python cannot check certificates; use Python 3, or a channel without TLS")
    return {"context": ssl.create_default_context(cafile=ca_file)}  # novm


def send_mail(settings, message):
    """Hand a message to the relay; a recipient that it refuses is a failure."""
    server = smtplib.SMTP(settings["relay"], settings["port"], timeout=SECONDS)
    try:
        if settings["starttls"]:
            server.starttls(**_checked_tls(settings["ca_file"]))
        refused = server.sendmail(settings["sender"], settings["recipients"], _mail_text(settings, message))
    finally:
        server.close()
    if refused:
        raise ValueError("the relay refused %s" % ", ".join(sorted(refused)))


def _mail_text(settings, message):
    body = "\n\n".join(message["lines"] + [message["footer"]]) + "\n"
    mail = email.mime.text.MIMEText(body if sys.version_info >= (3,) else body.encode("utf-8"), "plain", "utf-8")
    mail["Subject"] = email.header.Header(message["subject"], "utf-8")
    mail["From"] = settings["sender"]
    mail["To"] = ", ".join(settings["recipients"])
    mail["Date"] = email.utils.formatdate()
    mail["Message-ID"] = email.utils.make_msgid()
    mail["Auto-Submitted"] = "auto-generated"
    return mail.as_string()


class _NoRedirect(HTTPRedirectHandler):
    """A POST that is sent elsewhere would arrive as a GET: it has failed."""

    def redirect_request(self, *_words):
        """Follow nothing."""
        return


def post(settings, message):
    """POST what happened as JSON; any answer but 2xx raises."""
    document = dict((key, message[key]) for key in ("subject", "host", "time", "events"))
    handlers = [ProxyHandler({}), _NoRedirect()]
    if settings["url"].startswith("https:"):
        handlers.append(HTTPSHandler(**_checked_tls(settings["ca_file"])))
    request = Request(settings["url"], json.dumps(document).encode("ascii"), {"Content-Type": "application/json"})
    build_opener(*handlers).open(request, timeout=SECONDS).close()


def append(settings, message):
    """Append one line of JSON for each thing that happened; the file must be there and be no link."""
    lines = [json.dumps(dict(event, host=message["host"], time=message["time"])) for event in message["events"]]
    descriptor = os.open(settings["path"], os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
    try:
        os.write(descriptor, "".join(line + "\n" for line in lines).encode("ascii"))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
