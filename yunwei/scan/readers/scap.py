"""OpenSCAP: XCCDF results and ARF, of XCCDF 1.1 and 1.2. Names are compared without their namespace."""

from __future__ import annotations

from yunwei.scan.draft import Draft
from yunwei.scan.errors import ReportRefusedError
from yunwei.scan.severity import severity_of
from yunwei.scan.shapes import About, Finding, ScannedHost, Status
from yunwei.scan.source import Source
from yunwei.scan.text import cves_in, safe_prose
from yunwei.scan.xml import Element, child, child_text, drop, elements, local, text_of

_OVAL = "{http://oval.mitre.org/XMLSchema/oval-"
# What a collection holds of OVAL is most of it, and is not read: it is only freed.
_OVAL_PARTS = tuple(
    f"{_OVAL}{kind}-5{family}}}*"
    for kind in ("definitions", "system-characteristics", "results")
    for family in ("", "#linux", "#unix", "#independent", "#windows")
)
_WANTED = ("Rule", "rule-result", "target", "target-address", "fact", "platform", "TestResult", *_OVAL_PARTS)
_STATUS: dict[str, Status] = {
    "fail": "open", "pass": "passed", "fixed": "passed", "error": "unjudged", "unknown": "unjudged",
    "notchecked": "unjudged", "notselected": "noted", "notapplicable": "noted", "informational": "noted",
}  # fmt: skip
_NAME_FACTS = ("urn:xccdf:fact:asset:identifier:fqdn", "urn:xccdf:fact:asset:identifier:host_name")


def read_xccdf(source: Source, draft: Draft, encoding: str | None = None) -> None:
    """Read XCCDF results."""
    draft.about = About("openscap", "xccdf")
    _read(source, draft, encoding)


def read_arf(source: Source, draft: Draft, encoding: str | None = None) -> None:
    """Read an asset report collection; its rules stand in the request, before the reports."""
    draft.about = About("openscap", "arf")
    _read(source, draft, encoding)


def _read(source: Source, draft: Draft, encoding: str | None) -> None:
    reader = _Reader(draft)
    for element in elements(source, _WANTED, encoding):
        reader.take(element)
    if not reader.results:
        raise ReportRefusedError("there is no TestResult in it: a benchmark that was not run on a host", source.name)
    if reader.unjudged:
        draft.warn(f"{reader.unjudged} rules could not be judged by the scanner (error, unknown, notchecked)")
    starts = [host.started for host in draft.hosts if host.started]
    ends = [host.finished for host in draft.hosts if host.finished]
    draft.about.started, draft.about.finished = min(starts, default=None), max(ends, default=None)


class _Reader:
    """Rules by their id, then each result block's own host."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._rules: dict[str, tuple[str, str, str]] = {}
        self._host: ScannedHost | None = None
        self._number = 0
        self.results = 0
        self.unjudged = 0

    def take(self, element: Element) -> None:
        if element.tag.startswith(_OVAL):
            drop(element)
            return
        name = local(element)
        if name == "Rule":
            # One rule's texts are kept for the join, as long as a rule's texts are: a benchmark has hundreds.
            self._rules[element.get("id", "")] = (
                child_text(element, "title"),
                safe_prose(child_text(element, "description")),
                safe_prose(child_text(element, "fixtext")),
            )
            drop(element)
        elif name == "target" and local(element.getparent()) == "TestResult":
            self._enter(element)
        elif name in ("target-address", "fact", "platform") and self._host is not None:
            self._detail(name, element, self._host)
        elif name == "rule-result":
            self._result(element)
            drop(element)
        elif name == "TestResult":
            self._leave(element)

    def _enter(self, element: Element) -> None:
        block, name = element.getparent(), text_of(element)
        self._number = self._draft.host_named(name, lambda: ScannedHost(name, [], [name]))
        self._host = self._draft.hosts[self._number - 1]
        self._host.started = block.get("start-time")
        self._host.finished = block.get("end-time")
        profile = child(block, "profile")
        self._host.scope = "" if profile is None else f"profile {profile.get('idref', '')}"

    def _detail(self, name: str, element: Element, host: ScannedHost) -> None:
        text = text_of(element)
        if name == "target-address" and text:
            host.addresses.append(text)
        elif name == "platform":
            host.os = host.os or element.get("idref", "")
        elif name == "fact" and element.get("name") in _NAME_FACTS and text not in host.names:
            host.names.append(text)

    def _result(self, element: Element) -> None:
        if self._host is None:
            raise ReportRefusedError("a rule-result without a target before it", f"line {element.sourceline}")
        rule, result = element.get("idref", ""), child_text(element, "result")
        status = _STATUS.get(result, "unjudged")
        self.unjudged += status == "unjudged"
        idents = " ".join(text_of(one) for one in element if local(one) == "ident")
        title, description, solution = self._rules.get(rule, ("", "", ""))
        raw = element.get("severity", "")
        self._draft.finding(
            Finding(
                self._number,
                rule,
                title or rule,
                severity_of(raw),
                raw,
                cves=cves_in(idents),
                status=status,
                evidence=result,
                description=description,
                solution=solution,
            )
        )

    def _leave(self, element: Element) -> None:
        if self._host is None:
            raise ReportRefusedError("a TestResult without a target", f"line {element.sourceline}")
        self.results += 1
        self._host = None
        drop(element)
