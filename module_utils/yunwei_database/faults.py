"""The faults of a database session that callers tell apart; `message` is text in every Python."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

LOCK_NOT_AVAILABLE = "55P03"
CANCELED = "57014"
NO_PRIVILEGE = "42501"


class DatabaseError(Exception):
    """Base of these; format `message`, not the fault: Python 2 turns faults into ASCII and names are Chinese."""

    def __init__(self, message):
        """Keep the text for people."""
        message = as_text(message)
        Exception.__init__(self, native(message))
        self.message = message


class SessionError(DatabaseError):
    """No session, or none any more: the server is down, refuses the login, or the connection was cut."""


class PostponedError(DatabaseError):
    """A step gave way; the next run does it."""


class SqlError(DatabaseError):
    """The server refused a statement; `code` is the SQLSTATE, which is the same in every language."""

    def __init__(self, code, message):
        """Keep the code beside the text for people."""
        DatabaseError.__init__(self, message)
        self.code = code


def as_text(said):
    """Return a message, or that of a fault of any kind, as text: of the host's own ones Python 2 makes bytes."""
    if isinstance(said, Exception):
        said = said.message if isinstance(said, DatabaseError) else str(said)
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said


def native(text):
    """Return a text as this Python's own kind of string."""
    return text if isinstance(text, str) else text.encode("utf-8")
