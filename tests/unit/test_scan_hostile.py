"""Reports as weapons: each is refused whole, or its text is kept harmless."""

import gzip
import io
import json
import os
import stat
import zipfile
from dataclasses import replace

import openpyxl
import pytest

from tests.scan_reports import (
    NESSUS_CSV,
    SHEET_HEADINGS,
    Importer,
    nessus,
    nessus_host,
    nessus_item,
    nessus_row,
    openvas,
    openvas_result,
    rsas_workbook,
    rsas_xml,
    sheet_csv,
    trivy,
    workbook,
    xccdf,
    zipped,
)
from yunwei.cli import main
from yunwei.errors import UsageError
from yunwei.paths import content_root
from yunwei.scan import source, tables, xml
from yunwei.scan.errors import ReportRefusedError
from yunwei.scan.importing import import_reports

EXAMPLE = str(content_root() / "inventories" / "example")


@pytest.fixture
def importer(tmp_path):
    return Importer(tmp_path)


@pytest.mark.parametrize(
    "report",
    [nessus(), NESSUS_CSV + nessus_row(output="long\n" * 20), rsas_xml(), xccdf({"a": "fail"}),
     openvas(openvas_result("1")), trivy({"VulnerabilityID": "CVE-2020-0001", "PkgName": "p", "Severity": "LOW"})],
    ids=["nessus", "csv", "rsas", "xccdf", "openvas", "trivy"],
)  # fmt: skip
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.97])
def test_a_report_that_is_cut_anywhere_is_refused_with_the_place(importer, report, share):
    assert importer.refusal(report[: int(len(report.rstrip()) * share)]).startswith("report")


def test_a_csv_without_its_last_line_end_is_read_but_proves_nothing_by_absence(importer):
    document = importer.read(NESSUS_CSV + nessus_row() + nessus_row(2).rstrip().removesuffix('""'))
    assert sum(document["findings"].values()) == 2
    assert document["complete"] is False
    assert any("no line end" in text for text in document["warnings"])


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: zipped({"a": data})])
def test_a_packed_report_that_is_cut_is_refused(importer, pack):
    data = pack(nessus(nessus_host([nessus_item(number) for number in range(2000)])).encode())
    assert "damaged" in importer.refusal(data[: len(data) // 2])


@pytest.mark.parametrize("content", [b"", b" \n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(importer, content):
    path = importer.write(content)
    said = importer.refusal(path)
    assert "empty" in said or "blanks" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("<NessusClientData><Report/></NessusClientData>", "version 1"),
        ("<SCAN><IP/></SCAN>", "no known report"),
        ("<!DOCTYPE html><html><body>Login</body></html>", "no known report"),
        ("<!---->" * 200 + "<x/>", "no known report"),  # a careless pattern would try for ever
        ('{"a": 1}', "no known report"),
        ("just words", "no known report"),
        (b"\x7fELF\x00\x01\x02" * 50, "report"),
        (zipped({"readme.txt": "x", "b.txt": "y"}), "no known report"),
        (zipped({"a.zip": zipped({"b": nessus()})}), "archive inside an archive"),
        ("<NessusClientData_v2><Policy/></NessusClientData_v2>", "no ReportHost"),
        ('<Benchmark xmlns="http://checklists.nist.gov/xccdf/1.2"/>', "no TestResult"),
        ("<nmaprun><host/></nmaprun>", "no runstats"),
    ],
    ids=["nessus1", "xml", "html", "comments", "json", "text", "binary", "archive", "nested archive", "nessus", "xccdf",
         "nmap"],
)  # fmt: skip
def test_what_is_no_report_is_refused(importer, content, said):
    assert said in importer.refusal(content)


HUGE = "9" * 5000  # Python turns no more than 4300 digits into a number
NO_CHARACTER = r"\ud800"
DATA_PAGE = '<!DOCTYPE html><html><script>window.data = {{"categories": [{}]}};</script></html>'
INDEX_ROW = (
    '{{"data": {{"vulns_info": {{"vuln_distribution": {{"vuln_list": [{{"i18n_name": "{}", "target": ["a"]}}]}}}}}}}}'
)


@pytest.mark.parametrize(
    "report",
    [
        openvas(openvas_result("1")).replace("<results>", f"<vulns><count>{HUGE}</count></vulns><results>"),
        f'<nmaprun><host/><runstats><hosts total="{HUGE}"/></runstats></nmaprun>',
        rsas_xml().replace("<report>", f"<page><page_total>{HUGE}</page_total></page><report>"),
        trivy({"VulnerabilityID": "x", "PkgName": "p", "Severity": "LOW"}).replace('"LOW"', HUGE),
        DATA_PAGE.format(HUGE),
        DATA_PAGE.format(INDEX_ROW.format(NO_CHARACTER)),
    ],
    ids=["openvas", "nmap", "rsas", "json", "page", "no-character"],
)
def test_what_no_program_can_hold_refuses_its_report_and_not_the_next(importer, report):
    paths = [importer.write(report, "bad"), importer.write(nessus(), "good")]
    bad, good = import_reports(paths, importer.policy, None, importer.store)
    assert bad.document is None
    assert bad.refused.startswith("bad")
    assert "export it once more" in bad.refused
    assert "sys." not in bad.refused
    assert good.document is not None
    assert len(list(importer.store.folder.iterdir())) == 2  # the lock and the good one


def test_a_file_whose_name_is_no_utf_8_is_read(importer):
    path = importer.folder / os.fsdecode("报告".encode("gb18030"))
    path.write_text(nessus())
    assert importer.read(path)["file"].endswith(r"/\xb1\xa8\xb8\xe6")


def test_the_format_is_told_by_content_not_by_name(importer):
    assert importer.read(nessus(), "report.csv")["format"] == "nessus-xml"
    assert importer.read(NESSUS_CSV + nessus_row(), "report.nessus")["format"] == "nessus-csv"
    assert importer.read(zipped({"x.pdf": xccdf({"a": "fail"})}), "report.xls")["format"] == "xccdf"


def test_the_same_report_again_or_renamed_is_stored_once(importer):
    first = importer.read(nessus(), "first.nessus")
    again = importer.read(nessus(), "renamed.xml")
    assert again["id"] == first["id"]
    assert again["findings"] == first["findings"]
    assert again["imported"] == first["imported"]
    assert "imported before" in again["warnings"][0]
    assert len(list(importer.store.folder.glob("*.sqlite"))) == 1


@pytest.mark.parametrize(
    "report",
    [nessus() * 2, NESSUS_CSV + nessus_row() + NESSUS_CSV + nessus_row(2), sheet_csv() * 2, xccdf({"a": "fail"}) * 2,
     trivy({"VulnerabilityID": "CVE-2020-0001", "PkgName": "p", "Severity": "LOW"}) * 2],
    ids=["nessus", "csv", "sheet", "xccdf", "trivy"],
)  # fmt: skip
def test_reports_behind_one_another_are_refused(importer, report):
    importer.refusal(report)


ENTITIES = {
    "file": '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
    "net": '<!DOCTYPE r [<!ENTITY x SYSTEM "http://192.0.2.99/x">]>',
    "parameter": '<!DOCTYPE r [<!ENTITY % x SYSTEM "file:///etc/hostname"> %x;]>',
    "bomb": '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
            '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY x "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>',
}  # fmt: skip


@pytest.mark.parametrize("kind", ENTITIES)
def test_whatever_declares_entities_is_refused(importer, kind):
    said = importer.refusal(nessus(nessus_host([nessus_item(output="&x;")]), prolog=ENTITIES[kind]))
    assert "declares entities" in said or "not well-formed" in said


def test_entities_are_seen_in_utf_16_as_well(importer):
    text = nessus(prolog=ENTITIES["file"]).replace('<?xml version="1.0"?>', '<?xml version="1.0" encoding="utf-16"?>')
    assert "declares entities" in importer.refusal(text.encode("utf-16"))


def test_a_document_type_without_entities_is_harmless_and_never_fetched(importer):
    assert importer.read(nessus(prolog='<!DOCTYPE r SYSTEM "http://192.0.2.99/r.dtd">'))["hosts"] == 1


def test_xml_without_anything_wanted_is_not_gathered_in_memory(importer, monkeypatch):
    monkeypatch.setattr(xml, "MOST_BETWEEN", 200_000)
    filler = "<x>" + "y" * 1000 + "</x>"
    assert "without anything" in importer.refusal(nessus().replace("<Report ", filler * 400 + "<Report "))


FILLER = "<x>" + "y" * 10_000 + "</x>"
WANTED_AND_KEPT = f"<filters>{FILLER}<scan_start/></filters>"
CERTIFICATE = f"<tls_certificate><host>a</host>{FILLER}</tls_certificate>"


@pytest.mark.parametrize(
    ("before", "refused"),
    [
        (WANTED_AND_KEPT * 40, True),
        (f"{FILLER}<ports><port/></ports>" * 40, False),
        (f"<tls_certificates>{CERTIFICATE * 40}</tls_certificates>", False),
    ],
    ids=["kept", "dropped-with-what-is-before-its-parent", "certificates"],
)
def test_what_stays_in_memory_is_counted_until_it_is_dropped(importer, monkeypatch, before, refused):
    monkeypatch.setattr(xml, "MOST_BETWEEN", 200_000)
    report = openvas(openvas_result("1")).replace("<results>", f"{before}<results>")
    if refused:
        assert "without anything" in importer.refusal(report)
    else:
        assert importer.read(report)["hosts"] == 1


@pytest.mark.parametrize("cells", ["," * 200_000, nessus_row(output="x\n" * 100_000)], ids=["one-line", "many-lines"])
def test_a_row_without_end_is_refused_before_it_is_in_memory(importer, monkeypatch, cells):
    monkeypatch.setattr("yunwei.scan.tables._MOST_OF_A_ROW", 100_000)
    report = NESSUS_CSV + nessus_row(output="x" * 60_000) * 2
    assert importer.read(report)["hosts"] == 1
    next(importer.store.folder.glob("*.sqlite")).unlink()
    assert "a row of more than 100000 characters" in importer.refusal(report + cells)


def test_a_workbook_that_says_one_text_without_end_is_refused(tmp_path):
    path = tmp_path / "book.xls"
    path.write_bytes(rsas_workbook([(22, "TCP", "ssh", "x", 5, "[中]", "", "", "", "", "y" * 30_000)] * 100))
    limits = replace(source.LIMITS, office_bytes=1_000_000)
    with source.open_report(path, limits) as report, pytest.raises(ReportRefusedError, match="cells hold more than"):
        tables.sheets(report.source)
    limits = replace(source.LIMITS, office_bytes=4_000_000)
    with source.open_report(path, limits) as report:
        assert [len(rows) for _, rows in tables.sheets(report.source)] == [4, 101]


def test_a_huge_text_is_refused(importer):
    report = nessus(nessus_host([nessus_item(output="x" * 11_000_000)]))
    assert importer.refusal(report)


def test_a_huge_cell_is_refused_and_a_large_one_is_cut(importer, monkeypatch):
    document = importer.read(NESSUS_CSV + nessus_row(output="x" * 1_000_000))
    assert document["hosts"] == 1
    monkeypatch.setattr("yunwei.scan.tables._MOST_OF_A_CELL", 500_000)
    (importer.store.folder / f"{document['id']}.sqlite").unlink()
    assert "field larger" in importer.refusal(NESSUS_CSV + nessus_row(output="x" * 1_000_000))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../../etc/cron.d/x", "leads out"),
        ("/etc/cron.d/x", "leads out"),
        ("..\\x.xls", "leads out"),
        ("C:\\x", "leads out"),
    ],
)
def test_names_that_lead_out_of_an_archive_are_refused(importer, name, said):
    assert said in importer.refusal(zipped({name: nessus()}))


def test_links_and_members_of_one_name_are_refused(importer):
    content = io.BytesIO()
    link = zipfile.ZipInfo("a.xml")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "is a link" in importer.refusal(content.getvalue())
    twice = io.BytesIO()
    with zipfile.ZipFile(twice, "w") as archive:
        archive.writestr("a", "x")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a", "y")
    assert "two members" in importer.refusal(twice.getvalue())


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: zipped({"a": data})], ids=["gzip", "zip"])
def test_bombs_are_refused(importer, pack):
    assert "bomb" in importer.refusal(pack((NESSUS_CSV + nessus_row() * 700_000).encode()))


def test_a_zip_that_lies_about_its_sizes_is_refused(importer):
    data = bytearray(zipped({"a": b"<x>" + b" " * 40_000_000}))
    place = data.rindex(b"PK\x01\x02") + 24
    data[place : place + 4] = (1000).to_bytes(4, "little")
    assert importer.refusal(bytes(data))


def test_too_many_members_are_refused(tmp_path):
    path = tmp_path / "many.zip"
    path.write_bytes(zipped({f"{number}.html": "x" for number in range(50)}))
    limits = replace(source.LIMITS, members=49)
    with (
        source.open_report(path, limits) as report,
        pytest.raises(ReportRefusedError, match="50 members"),
    ):
        source.members(report.source)


def test_a_workbook_with_a_document_type_is_refused(importer):
    book = workbook([SHEET_HEADINGS])
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as old, zipfile.ZipFile(content, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename == "xl/workbook.xml":
                data = data.replace(b"<workbook", b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><workbook', 1)
            new.writestr(entry.filename, data)
    assert "document type" in importer.refusal(content.getvalue())


def test_a_workbook_that_asks_for_all_memory_is_refused(importer):
    book = openpyxl.Workbook()
    for number in range(1, 40):
        sheet = book.create_sheet(f"s{number}")
        sheet.cell(1, 1).value, sheet.cell(1_048_576, 16_384).value = "IP", "x"
    content = io.BytesIO()
    book.save(content)
    assert "no sound workbook" in importer.refusal(content.getvalue())


@pytest.mark.parametrize("make", [lambda: workbook([SHEET_HEADINGS]), lambda: rsas_workbook([])])
def test_damaged_workbooks_are_refused(importer, make):
    content = bytearray(make())
    for place in range(600, len(content), 97):
        content[place] ^= 0x5A
    importer.refusal(bytes(content))


def test_deeply_nested_json_is_refused(importer):
    assert "levels" in importer.refusal("[" * 200_000)
    assert "levels" in importer.refusal('{"SchemaVersion": 2, "Results": ' + '[{"a": ' * 100_000)


def test_a_pipe_a_folder_and_a_missing_file_are_usage_errors(importer, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "scans-not-there", "."):
        with pytest.raises(UsageError):
            importer.refusal(tmp_path / name)


HOSTILE = "=cmd|' /C calc'!A0 {{ 7*7 }} <script>alert(1)</script> \x9b31m \u202e \x1b]0;x\x07"


@pytest.mark.parametrize("action", ["import", "show", "list", "diff"])
@pytest.mark.parametrize("as_json", [True, False])
def test_no_text_of_a_report_steers_a_terminal(tmp_path, monkeypatch, capsys, action, as_json):
    monkeypatch.setenv("YUNWEI_STATE", str(tmp_path))
    entry = {"VulnerabilityID": HOSTILE, "PkgName": HOSTILE, "Severity": "HIGH", "Title": HOSTILE}
    (tmp_path / "r.json").write_text(
        json.dumps({"SchemaVersion": 2, "ArtifactName": HOSTILE, "Results": [{"Vulnerabilities": [entry]}]})
    )
    importing = ["scan", "import", str(tmp_path / "r.json"), "-i", EXAMPLE]
    assert main([*importing, "--json"]) == 0
    identity = next((tmp_path / "scans").glob("*.sqlite")).stem
    if action != "import":
        capsys.readouterr()
    words = {"import": importing, "show": ["scan", "show", identity], "list": ["scan", "list"],
             "diff": ["scan", "diff", identity, identity]}[action]  # fmt: skip
    assert main([*words, *(["--json"] if as_json else [])]) == 0
    said = "".join(capsys.readouterr())
    assert not [one for one in said if one != "\n" and not one.isprintable()]
    if action in ("show", "diff"):
        assert "49" not in said.partition("{{ 7*7 }}")[1]
        assert "{{ 7*7 }}" in said


def test_the_store_is_readable_by_its_owner_alone(importer):
    document = importer.read(nessus())
    assert stat.S_IMODE(importer.store.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((importer.store.folder / f"{document['id']}.sqlite").stat().st_mode) == 0o600
