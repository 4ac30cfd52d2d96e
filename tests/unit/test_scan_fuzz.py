"""Whatever is wrong with a report, it is read or refused; nothing else comes out."""

import json
import random

import pytest

from tests.scan_reports import FLAW, Importer, rsas_xml, small_reports, trivy
from yunwei.scan.importing import import_reports

REPORTS = small_reports()
TURNS = {"xls": 8, "xlsx": 12}  # each starts a process


def _spoilt(content, chance):
    """Return the bytes with some changed, cut out, doubled or put elsewhere."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        begin = chance.randrange(len(data))
        end = min(len(data), begin + chance.randint(1, 30))
        piece = bytes(data[begin:end])
        kind = chance.randrange(4)
        if kind == 0:
            data[begin:end] = bytes(chance.randrange(256) for _ in piece)
        elif kind == 1:
            del data[begin:end]
        elif kind == 2:
            data[begin:begin] = piece
        else:
            data[begin:end] = chance.choice([b"", b"0", b"-1", b"\xc2\xb2", b'"', b"<", b"9" * 30, b"null"])
        if not data:
            return b"x"
    return bytes(data)


@pytest.mark.parametrize("name", REPORTS)
def test_a_spoilt_report_is_read_or_refused(tmp_path, name):
    importer, chance = Importer(tmp_path), random.Random(name)  # noqa: S311 - the same turns every time
    report = REPORTS[name]
    content = report if isinstance(report, bytes) else report.encode()
    for turn in range(TURNS.get(name, 25)):
        path = importer.write(_spoilt(content, chance), f"{turn}")
        (outcome,) = import_reports([path], importer.policy, None, importer.store)
        assert outcome.document is not None or outcome.refused


def _shapes(value):
    """Yield the document with each of its values replaced by one of another kind."""
    if isinstance(value, dict):
        for key, inner in value.items():
            for other in _shapes(inner):
                yield {**value, key: other}
    elif isinstance(value, list) and value:
        for other in _shapes(value[0]):
            yield [other, *value[1:]]
    yield from (None, [], {}, "x", 10**30, [1], {"a": None})


WAZUH = {"hits": {"total": {"value": 1}, "hits": [{"_source": {"agent": {"id": "1", "name": "n"},
         "package": {"name": "p"}, "vulnerability": {"id": "CVE-2020-0001", "score": {"base": 5}}}}]}}  # fmt: skip
GRYPE = {"matches": [{"vulnerability": {"id": "x", "fix": {"versions": ["1"]}}, "relatedVulnerabilities": [{"id": "y"}],
         "artifact": {"name": "p"}}]}  # fmt: skip


@pytest.mark.parametrize("document", [json.loads(trivy(FLAW)), WAZUH, GRYPE], ids=["trivy", "wazuh", "grype"])
def test_json_of_another_shape_is_read_or_refused(tmp_path, document):
    importer = Importer(tmp_path)
    for number, shape in enumerate(_shapes(document)):
        path = importer.write(json.dumps(shape), f"{number}")
        (outcome,) = import_reports([path], importer.policy, None, importer.store)
        assert outcome.document is not None or outcome.refused


@pytest.mark.parametrize("encoding", ["foo", "utf-7", "utf-32", "us-ascii"])
def test_a_strange_declared_encoding_is_read_or_refused(tmp_path, encoding):
    importer = Importer(tmp_path)
    path = importer.write(rsas_xml().replace('encoding="utf-8"', f'encoding="{encoding}"'))
    (outcome,) = import_reports([path], importer.policy, None, importer.store)
    assert outcome.document is not None or outcome.refused
