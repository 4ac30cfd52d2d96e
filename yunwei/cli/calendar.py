"""`yunwei calendar`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from yunwei import calendar, policy
from yunwei.calendar import Answer, Calendar, Line
from yunwei.cli import show
from yunwei.errors import UsageError
from yunwei.jobs import JobClass, find_job
from yunwei.policy.calendar_checks import check_calendar
from yunwei.policy.draft import Draft

REFUSED = 3


def show_agenda(options: argparse.Namespace) -> int:
    """Show what the coming days bring, in the order of time."""
    plan = Calendar(policy.load(options.inventory))
    scope = plan.scope(options.system, options.host) if options.system or options.host else None
    begin = _moment(options, plan)
    within = calendar.Span(begin, begin + timedelta(days=options.days))
    lines = calendar.agenda(plan, scope, within)
    if options.json:
        bounds = {"from": within.begin.astimezone(plan.zone), "to": within.end.astimezone(plan.zone)}
        document = {"timezone": plan.zone.key, "system": options.system, "host": options.host}
        document |= {name: moment.isoformat() for name, moment in bounds.items()}
        show.json_document({**document, "entries": [line.to_json(plan) for line in lines]})
    else:
        title = f"{options.days} days from {plan.words(begin)} ({plan.zone})" + (f": {scope.label}" if scope else "")
        show.table(("from", "to", "", "name", "for", "remark"), [_row(line, plan) for line in lines], title)
    return 0


def _moment(options: argparse.Namespace, plan: Calendar) -> datetime:
    return calendar.parse_moment(options.at, plan.zone) if options.at else datetime.now(UTC)


def _row(line: Line, plan: Calendar) -> tuple[object, ...]:
    entry = line.rule.entry if line.rule else None
    whom = ", ".join([*entry.systems, *entry.hosts]) or "all" if entry else ""
    names = " ".join(dict.fromkeys((line.name.zh, line.name.en)))
    return (plan.words(line.span.begin), plan.words(line.span.end), line.kind, names, whom, line.note)


def check(options: argparse.Namespace) -> int:
    """Tell whether a change may begin; exit 3 where a rule forbids it."""
    job = find_job(options.job) if options.job else None
    job_class = job.job_class if job else JobClass(options.job_class)
    plan = Calendar(policy.load(options.inventory))
    scope = plan.scope(options.system, options.host)
    answer = calendar.check(plan, scope, _moment(options, plan), calendar.parse_duration(options.duration))
    if not job_class.asks_calendar:
        answer = answer.unasked()
    if options.json:
        document = {"job": job.name if job else None, "class": job_class.value, "system": options.system}
        show.json_document({**answer.to_json(plan), **document, "host": options.host})
    else:
        _print_answer(answer, plan, f"{job.name if job else 'a change'} ({job_class.value}) on {scope.label}")
    return 0 if answer.may_begin else REFUSED


def _print_answer(answer: Answer, plan: Calendar, what: str) -> None:
    print(f"{'may begin' if answer.may_begin else 'REFUSED'}: {what}, {plan.words(answer.at)}, {answer.needs}")
    for reason in answer.reasons:
        print(f"  {show.printable(reason.text)}")
    if not answer.asked:
        print("  work of this class does not ask the calendar")
    elif answer.opening is None:
        print(f"  no opening of {answer.needs} in the next {calendar.SEARCHED_DAYS} days")
    else:
        begin, end = (plan.words(moment) for moment in answer.opening)
        print(f"  open until {end}" if answer.may_begin else f"  next opening with room: {begin} to {end}")


def export(options: argparse.Namespace) -> int:
    """Write windows and freezes as an iCalendar file."""
    loaded = policy.load(options.inventory)
    content = calendar.export_calendar(loaded.calendar, loaded.estate.zone, datetime.now(UTC))
    try:
        options.output.write_bytes(content)
    except OSError as error:
        raise UsageError(f"-o: {options.output} cannot be written: {error.strerror}") from error
    counts = {"windows": len(loaded.calendar.windows), "freezes": len(loaded.calendar.freezes)}
    if options.json:
        show.json_document({"output": str(options.output), **counts})
    else:
        print(f"{options.output}: {counts['windows']} windows, {counts['freezes']} freezes")
    return 0


def import_file(options: argparse.Namespace) -> int:
    """Print the policy entries for an iCalendar file's events, or write them to a new file; nothing else changes."""
    loaded = policy.load(options.inventory)
    for name in options.system:
        loaded.system(name)
    for name in options.host:
        loaded.host(name)
    try:
        content = options.file.read_bytes()
    except OSError as error:
        raise UsageError(f"{options.file} cannot be read: {error.strerror}") from error
    entries = calendar.import_events(content, loaded.estate.zone, options.unmarked, options.system, options.host)
    problems = list(check_calendar([Draft(str(options.file), entries)], loaded.systems, loaded.hosts))
    if problems:
        raise policy.PolicyError(problems)
    text = yaml.safe_dump({key: some for key, some in entries.items() if some}, allow_unicode=True, sort_keys=False)
    if options.output is not None:
        _write_new(options.output, text)
    if options.json:
        show.json_document(entries)
    elif options.output is None:
        print(text, end="")
    show.say(f"{len(entries['windows'])} windows, {len(entries['freezes'])} freezes")
    return 0


def _write_new(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"-o: {path} cannot be made: {error.strerror}") from error
