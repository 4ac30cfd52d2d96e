"""Reports that tests make up: small ones of each layout. They are no evidence of what a scanner writes."""

from __future__ import annotations

import functools
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from yunwei import policy
from yunwei.paths import content_root
from yunwei.scan.importing import import_reports
from yunwei.scan.store import Document, Store

OURS, OURS_NAME = "192.0.2.11", "fl-app1"  # a host of inventories/example
FOREIGN = "203.0.113.250"
SECRET = "Xq7-Winter-2031"  # noqa: S105 - what no store may hold
SAMPLES = content_root().parent / "shared" / "scans"


@functools.cache
def _example() -> policy.Policy:
    """Return the example's policy, which takes longer to load than most tests take."""
    return policy.load(content_root() / "inventories" / "example")


class Importer:
    """Imports into a store of its own, with the hosts of the example inventory."""

    def __init__(self, folder: Path, inventory: Path | None = None) -> None:
        self.folder = folder
        self.policy = policy.load(inventory) if inventory else _example()
        self.store = Store(folder / "scans")

    def write(self, content: bytes | str, name: str = "report") -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def read(self, content: bytes | str | Path, name: str = "report", host: str | None = None) -> Document:
        """Import one report that must be accepted."""
        path = content if isinstance(content, Path) else self.write(content, name)
        (outcome,) = import_reports([path], self.policy, host, self.store)
        assert outcome.document is not None, outcome.refused
        return outcome.document

    def refusal(self, content: bytes | str | Path, name: str = "report", host: str | None = None) -> str:
        """Import one report that must be refused; nothing of it may stay."""
        path = content if isinstance(content, Path) else self.write(content, name)
        (outcome,) = import_reports([path], self.policy, host, self.store)
        assert outcome.document is None
        assert [one.name for one in self.store.folder.iterdir()] == [".lock"]
        return outcome.refused


def nessus_item(  # noqa: PLR0913, PLR0917 - as many as a ReportItem has
    plugin: int = 10001, severity: int = 2, port: int = 22, cve: str = "", output: str = "", name: str = "A flaw"
) -> str:
    inner = f"<cve>{cve}</cve>" if cve else ""
    return (
        f'<ReportItem port="{port}" svc_name="ssh" protocol="tcp" severity="{severity}" pluginID="{plugin}"'
        f' pluginName="{name}" pluginFamily="General"><solution>Update.</solution>{inner}'
        f"<plugin_output>{output}</plugin_output></ReportItem>"
    )


def logged_in(word: str) -> str:
    """Return the tag by which Nessus says `true` or `false` of a host."""
    return f'<tag name="Credentialed_Scan">{word}</tag>'


def nessus_host(items: Sequence[str], address: str = OURS, name: str = "", tags: str = logged_in("false")) -> str:
    return (
        f'<ReportHost name="{name or address}"><HostProperties><tag name="host-ip">{address}</tag>{tags}'
        f"</HostProperties>{''.join(items)}</ReportHost>"
    )


def nessus(*hosts: str, prolog: str = "") -> str:
    body = "".join(hosts) or nessus_host([nessus_item()])
    return (
        f'<?xml version="1.0"?>\n{prolog}<NessusClientData_v2><Report name="r">{body}</Report></NessusClientData_v2>\n'
    )


NESSUS_CSV = "Plugin ID,CVE,CVSS,Risk,Host,Protocol,Port,Name,Synopsis,Description,Solution,See Also,Plugin Output\r\n"


def nessus_row(plugin: int = 10001, cve: str = "", risk: str = "Medium", host: str = OURS, output: str = "") -> str:
    return f'{plugin},{cve},5.0,{risk},{host},tcp,22,A flaw,,Words,Update,,"{output}"\r\n'


def rsas_xml(weak: str = "", message: str = "", points: Mapping[str, str] | None = None) -> str:
    known = points or {"101": "7.0", "102": "4.0", "103": "3.9"}
    seen = "".join(
        f"<vuln><port>22</port><vul_id>{one}</vul_id><protocol>TCP</protocol><service>ssh</service>"
        f"<mess_string><![CDATA[{message}]]></mess_string></vuln>"
        for one in known
    )
    details = "".join(
        f"<vuln><vul_id>{one}</vul_id><name>漏洞{one}</name><cve_id>CVE-2020-{one}0,CVE-2020-{one}1</cve_id>"
        f"<risk_points>{value}</risk_points><solution>升级</solution><description>说明</description></vuln>"
        for one, value in known.items()
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?><aurora><ret_code>0</ret_code><data><report><targets><target>'
        f"<ip>{OURS}</ip><vuln_scanned>{seen}</vuln_scanned><vuln_detail>{details}</vuln_detail>"
        f"<password_results>{weak}</password_results></target></targets></report></data></aurora>"
    )


def rsas_workbook(rows: Sequence[Sequence[object]], address: str = OURS) -> bytes:
    """Return a host's old workbook, made by xlwt."""
    import xlwt

    book = xlwt.Workbook(encoding="utf-8")
    summary = book.add_sheet("主机概况")
    for number, cells in enumerate(
        [["主机概况"], [], ["IP地址", address], [], ["主机名", "操作系统"], ["web1", "Linux"]]
    ):
        for column, cell in enumerate(cells):
            summary.write(number, column, cell)
    sheet = book.add_sheet("漏洞信息")
    for number, cells in enumerate([RSAS_HEADINGS, *rows]):
        for column, cell in enumerate(cells):
            sheet.write(number, column, cell)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


RSAS_HEADINGS = (
    "端口",
    "协议",
    "服务",
    "漏洞名称",
    "漏洞风险值",
    "风险等级",
    "发现日期",
    "CVE编号",
    "详细描述",
    "解决办法",
    "返回信息",
)


def zipped(files: Mapping[str, bytes | str], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def workbook(rows: Sequence[Sequence[object]]) -> bytes:
    """Return an xlsx workbook, made by openpyxl."""
    import openpyxl

    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(list(row))
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


SHEET_HEADINGS = ("序号", "IP地址", "端口", "漏洞名称", "风险等级", "漏洞描述", "整改建议", "CVE编号")
SHEET_ROWS = (
    (1, OURS, 22, "弱算法", "高危", "说明", "关闭", "CVE-2008-5161"),
    (2, f"{OURS};{FOREIGN}", 80, "信息泄露", "【中】", "说明", "升级", ""),
    (3, OURS, "", "时间戳", "低风险", "说明", "", ""),
)


def sheet_csv(separator: str = ",") -> str:
    rows = [SHEET_HEADINGS, *SHEET_ROWS]
    return "".join(separator.join(str(cell) for cell in row) + "\r\n" for row in rows)


def xccdf(results: Mapping[str, str], target: str = OURS_NAME, addresses: Sequence[str] = ("127.0.0.1", OURS)) -> str:
    rules = "".join(f'<Rule id="{rule}" severity="high"><title>Title of {rule}</title></Rule>' for rule in results)
    found = "".join(
        f'<rule-result idref="{rule}" severity="medium"><result>{result}</result></rule-result>'
        for rule, result in results.items()
    )
    where = "".join(f"<target-address>{address}</target-address>" for address in addresses)
    return (
        f'<Benchmark xmlns="http://checklists.nist.gov/xccdf/1.2">{rules}'
        f'<TestResult start-time="2026-11-01T08:00:00" end-time="2026-11-01T08:05:00"><target>{target}</target>{where}'
        f"{found}</TestResult></Benchmark>"
    )


def trivy(*vulnerabilities: Mapping[str, Any], **more: Any) -> str:
    results = [{"Target": "a", "Class": "os-pkgs", "Vulnerabilities": list(vulnerabilities), **more}]
    return json.dumps({"SchemaVersion": 2, "ArtifactName": "/", "Results": results})


def openvas(results: str, scan_end: str = "2026-11-01T09:00:00Z") -> str:
    return (
        "<report><report><scan_start>2026-11-01T08:00:00Z</scan_start>"
        f"<results>{results}</results><scan_end>{scan_end}</scan_end></report></report>"
    )


def openvas_result(oid: str, cve: str = "", host: str = OURS, threat: str = "High") -> str:
    return (
        f'<result id="same"><name>n</name><host>{host}<hostname></hostname></host><port>22/tcp</port>'
        f'<nvt oid="{oid}"><name>n</name><refs><ref type="cve" id="{cve}"/></refs>'
        f'<epss><cve id="CVE-1999-0001"/></epss>'
        f"</nvt><threat>{threat}</threat><severity>9.8</severity>"
        f'<detection><result id="inner"><details/></result></detection></result>'
    )


FLAW = {"VulnerabilityID": "CVE-2020-0001", "PkgName": "p", "Severity": "LOW", "CVSS": {"nvd": {"V3Score": 5}}}
NMAP = (
    f'<nmaprun scanner="nmap" start="1"><host><status state="up"/><address addr="{OURS}" addrtype="ipv4"/><ports>'
    '<port protocol="tcp" portid="22"><state state="open"/><service name="ssh"/><script id="a" output="CVE-2020-0001"/>'
    '</port></ports></host><runstats><finished time="2"/><hosts total="1"/></runstats></nmaprun>'
)


def small_reports() -> dict[str, bytes | str]:
    """Return a sound report of each layout that is read as text, XML, JSON, a workbook or an archive."""
    return {
        "nessus": nessus(),
        "csv": NESSUS_CSV + nessus_row(cve="CVE-2020-0001") + nessus_row(2, output="a\nb"),
        "openvas": openvas(openvas_result("1", "CVE-2020-0001")),
        "rsas": rsas_xml(message="x"),
        "xccdf": xccdf({"a": "fail", "b": "pass"}),
        "nmap": NMAP,
        "trivy": trivy(FLAW, FLAW),
        "sheet": sheet_csv(),
        "lynis": "report_version_major=1\nhostname=h\nwarning[]=A-1|text|-|-|\nfinish=true\n",
        "xlsx": workbook([SHEET_HEADINGS, *SHEET_ROWS]),
        "xls": rsas_workbook([(22, "TCP", "ssh", "x", 5, "[中]", "", "", "", "", "")]),
        "zip": zipped({"a": xccdf({"a": "fail"})}),
    }
