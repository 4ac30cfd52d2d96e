"""The one calendar that every kind of change asks: windows, freezes, public holidays, and what is open when."""

from yunwei.calendar.agenda import Line, agenda
from yunwei.calendar.answer import SEARCHED_DAYS, Answer, Reason, check
from yunwei.calendar.exchange import export_calendar, import_events
from yunwei.calendar.plan import Calendar, Scope
from yunwei.calendar.spans import Span
from yunwei.calendar.words import parse_duration, parse_moment

__all__ = [
    "SEARCHED_DAYS",
    "Answer",
    "Calendar",
    "Line",
    "Reason",
    "Scope",
    "Span",
    "agenda",
    "check",
    "export_calendar",
    "import_events",
    "parse_duration",
    "parse_moment",
]
