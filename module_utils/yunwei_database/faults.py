"""The faults of a database session that callers tell apart."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

LOCK_NOT_AVAILABLE = "55P03"
CANCELED = "57014"
NO_PRIVILEGE = "42501"


class SessionError(Exception):
    """No session, or none any more: the server is down, refuses the login, or the connection was cut."""


class SqlError(Exception):
    """The server refused a statement; `code` is the SQLSTATE, which is the same in every language."""

    def __init__(self, code, message):
        """Keep the code beside the text for people."""
        Exception.__init__(self, message)
        self.code = code
        self.message = message
