"""Hostile XML and HTML, read in pieces; the only user of lxml."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from typing import IO, Any

from lxml import etree, html

from yunwei.scan.errors import ReportRefusedError, WrongEncodingError
from yunwei.scan.source import MIB, Source

Element = Any
# What is read at most between two elements that a reader drops: all of it stays in memory.
MOST_BETWEEN = 16 * MIB
_MOST_OF_A_PAGE = 64 * MIB
_DECLARATION = re.compile(rb"^\s*<\?xml[^>]*\?>")
_HARDENED: dict[str, Any] = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}


def local(element: Element) -> str:
    """Return an element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def text_of(element: Element | None) -> str:
    """Return all text below an element."""
    return "" if element is None else "".join(element.itertext()).strip()


def child(element: Element, name: str) -> Element | None:
    """Return the first child of that local name."""
    return next((one for one in element if isinstance(one.tag, str) and local(one) == name), None)


def child_text(element: Element, *path: str) -> str:
    """Return the text at a path of local names, empty where there is none."""
    found: Element | None = element
    for name in path:
        found = None if found is None else child(found, name)
    return text_of(found)


def drop(element: Element) -> None:
    """Free an element and everything before it: what stays of the document is that element's parents."""
    element.clear()
    while (parent := element.getparent()) is not None:
        while element.getprevious() is not None:
            del parent[0]
        element = parent


def _stands_alone(element: Element) -> bool:
    """Tell whether nothing of the document is in memory but this element, empty, and its parents."""
    if len(element):
        return False
    while (parent := element.getparent()) is not None:
        if element.getprevious() is not None:
            return False
        element = parent
    return True


class _Fed:
    """The stream as lxml reads it; knows how much has come since the document in memory was last empty."""

    def __init__(self, stream: IO[bytes], name: str, encoding: str | None) -> None:
        self._stream, self._name = stream, name
        self._decoder = codecs.getincrementaldecoder(encoding)() if encoding else None
        self._first = True
        self.since = 0

    def read(self, size: int) -> bytes:
        piece = self._stream.read(size)
        self.since += len(piece)
        if self.since > MOST_BETWEEN:
            raise ReportRefusedError(f"more than {MOST_BETWEEN} bytes without anything that is read", self._name)
        if self._decoder is None:
            return piece
        if self._first:
            self._first, piece = False, _DECLARATION.sub(b"", piece)
        try:
            return self._decoder.decode(piece, final=not piece).encode()
        except UnicodeDecodeError as error:
            raise ReportRefusedError("its bytes are neither UTF-8 nor GB18030", self._name) from error


def elements(source: Source, names: Sequence[str], encoding: str | None = None) -> Iterator[Element]:
    """Yield each element of these local names, or `{namespace}*`, when it has ended; the reader drops what it has read.

    `encoding` is read in place of the declared one. Raises ReportRefusedError with line and column for damage and
    for anything that declares entities, WrongEncodingError where bytes are not of the declared encoding.
    """
    with source.open() as stream:
        fed = _Fed(stream, source.name, encoding)
        tags = [name if name.startswith("{") else f"{{*}}{name}" for name in names]
        looked = False
        try:
            for _, element in etree.iterparse(fed, events=("end",), tag=tags, **_HARDENED):
                if not looked:
                    _refuse_entities(element, source.name)
                    looked = True
                yield element
                # An element that the reader leaves where it is keeps all that came before it.
                if fed.since and _stands_alone(element):
                    fed.since = 0
        except etree.XMLSyntaxError as error:
            raise _damage(error, source.name, encoding) from error


def root_name(source: Source, encoding: str | None = None) -> str:
    """Return the local name of the document's first element."""
    with source.open() as stream:
        fed = _Fed(stream, source.name, encoding)
        try:
            for _, element in etree.iterparse(fed, events=("start",), **_HARDENED):
                _refuse_entities(element, source.name)
                return local(element)
        except etree.XMLSyntaxError as error:
            raise _damage(error, source.name, encoding) from error
    raise ReportRefusedError("no element in it", source.name)


def _refuse_entities(element: Element, name: str) -> None:
    document_type = element.getroottree().docinfo.internalDTD
    if document_type is not None and any(True for _ in document_type.iterentities()):
        raise ReportRefusedError("it declares entities, which reports do not need and attacks do", name)


def _damage(error: etree.XMLSyntaxError, name: str, encoding: str | None) -> ReportRefusedError:
    line, column = error.position
    said = str(error.msg or "damaged").partition(", line ")[0]
    place = f"{name}, line {line}, column {column}"
    undecodable = "encoding" in said.lower() or "utf-8" in said.lower()
    kind = WrongEncodingError if undecodable and encoding is None else ReportRefusedError
    return kind(f"not well-formed: {said}. The report is damaged or cut off; export it once more", place)


def page(source: Source, encoding: str | None) -> Element:
    """Return an HTML page as a tree. Browsers forgive in HTML, so damage is what the reader misses in it.

    Raises ReportRefusedError where the page is empty or larger than is read.
    """
    content = source.head(_MOST_OF_A_PAGE + 1)
    if len(content) > _MOST_OF_A_PAGE:
        raise ReportRefusedError(f"a page of more than {_MOST_OF_A_PAGE} bytes", source.name)
    # The encoding is found by the bytes: what the page declares is often wrong.
    text = content.decode(encoding or "utf-8").replace("\0", "")
    if "</html" not in text[-4096:].lower():
        raise ReportRefusedError("the page does not end with </html>: it is cut off; export it once more", source.name)
    parser = html.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, huge_tree=False)
    try:
        return html.document_fromstring(text.encode("utf-8", "surrogatepass"), parser=parser)
    except etree.LxmlError as error:
        raise ReportRefusedError(f"no page that can be read: {error}", source.name) from error
