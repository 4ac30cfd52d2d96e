"""One table of severity words; ids and secrets in text."""

import signal

import pytest

from yunwei.scan import nessus_output, text
from yunwei.scan.severity import is_known, rsas_severity, severity_of
from yunwei.scan.shapes import Package, ScannedHost


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("4", "critical"), ("Critical", "critical"), ("危急", "critical"), ("High", "high"), ("Important", "high"),
        ("[高]", "high"), ("【高】", "high"), ("高危", "high"), ("中风险", "medium"), ("middle", "medium"),
        ("Negligible", "low"), ("0", "info"), ("Log", "info"), ("None", "info"), ("", "unknown"), ("-", "unknown"),
        ("中高", "unknown"), ("比较危险", "unknown"), ("非常高", "unknown"), ("highest", "unknown"),
    ],
)  # fmt: skip
def test_a_whole_word_is_looked_up(word, severity):
    assert severity_of(word) == severity


def test_words_of_no_table_are_told_apart():
    assert is_known("高危")
    assert is_known("")
    assert not is_known("中高")


@pytest.mark.parametrize(
    ("points", "severity"),
    [("7", "high"), ("10.0", "high"), ("6.9", "medium"), ("4", "medium"), ("3.9", "low"), ("0", "low"),
     ("", "unknown"), ("11", "unknown"), ("nan", "unknown")],
)  # fmt: skip
def test_risk_points_have_the_bands_of_the_product(points, severity):
    assert rsas_severity(points) == severity


def test_cve_ids_are_found_in_any_case_and_once():
    assert text.cves_in("cve-2020-0001,CVE-2020-0001; CVE-2021-44228 NOCVE") == ("CVE-2020-0001", "CVE-2021-44228")


def test_a_name_is_one_id_in_all_its_spellings_but_proof_is_not_a_spelling():
    assert text.name_id("SSH 弱算法【原理扫描】") == text.name_id("ＳＳＨ  弱算法[原理扫描]")
    assert text.name_id("弱算法【原理扫描】") != text.name_id("弱算法")


@pytest.mark.parametrize(("word", "port"), [("22", 22), ("22.0", 22), ("0", None), ("general", None), ("--", None),
                                            ("70000", None), ("80-89", None), ("", None)])  # fmt: skip
def test_a_port_is_a_port(word, port):
    assert text.port_of(word) == port


@pytest.mark.parametrize(
    "said",
    [
        "Password : S3cret!",
        "密码：S3cret!",
        "口令=S3cret!",
        "community string: S3cret!",
        "the password is S3cret!",
        "密码为S3cret!",
        "password 'S3cret!'",
        "口令是“S3cret!”",
    ],
)
def test_no_value_stays_behind_a_word_for_secrets(said):
    assert "S3cret!" not in text.safe_prose(said)
    assert text.safe_evidence(said) == text.WITHHELD


@pytest.mark.parametrize(
    "said", ["Set a strong password for the account.", "The password is stored in clear text.", "密码为空"]
)
def test_advice_on_passwords_stays_as_it_is(said):
    assert text.safe_prose(said) == said


def test_a_name_is_an_id_without_the_password_in_it():
    assert text.name_id("SSH 弱口令: S3cret!") == text.name_id("SSH 弱口令: 0ther!")
    assert text.safe_prose("Default Password (toor) for 'root' Account") == "Default Password … for 'root' Account"
    assert text.safe_prose("MySQL弱口令【原理扫描】") == "MySQL弱口令【原理扫描】"


@pytest.fixture
def processor_seconds():
    """Break a test off that computes longer than any of it should."""
    signal.signal(signal.SIGVTALRM, _too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, 10)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)


def _too_long(*_):
    raise AssertionError("a text made up to be slow was")


@pytest.mark.usefixtures("processor_seconds")
@pytest.mark.parametrize("word", ["password", "口令", "community", "default password (", "a/"])
@pytest.mark.parametrize("safe", [text.safe_prose, text.safe_typed])
def test_no_text_takes_a_pattern_long(safe, word):
    for hostile in (f"{word}{' ' * 40_000}", f"{word} " * 10_000, f"口令{word * 10_000}"):
        assert len(safe(hostile)) <= text.MOST_CHARACTERS


@pytest.mark.usefixtures("processor_seconds")
def test_no_output_of_nessus_takes_long_to_read():
    host = ScannedHost("h")
    nessus_output.note_scan(host, f"Port range : 1{' ' * 1_000_000}-2\nCredentialed checks{' ' * 1_000_000}")
    assert (host.scope, host.credentialed) == ("ports 1", None)


@pytest.mark.parametrize("safe", [text.safe_prose, text.safe_typed])
def test_a_text_is_cut_before_it_is_searched(safe):
    assert safe(f"password: {'1' * text.MOST_CHARACTERS} tail") == "password…"


def test_pairs_of_account_and_password_go_from_what_people_typed():
    assert "S3cret" not in text.safe_typed("存在弱口令（root/S3cret、admin:S3cret）")
    assert "winter" not in text.safe_typed("口令为winter，root/winter")
    assert "winter" not in text.safe_typed("口令： winter")
    assert text.safe_typed("路径 /etc/ssh") == "路径 /etc/ssh"


def test_evidence_of_a_flaw_about_passwords_is_withheld_whole():
    assert text.safe_evidence("msfadmin:msfadmin", "FTP Brute Force Logins") == text.WITHHELD
    assert text.safe_evidence("SSH-2.0-OpenSSH_7.4", "SSH banner") == "SSH-2.0-OpenSSH_7.4"


def test_packages_are_read_from_what_nessus_says():
    output = "\nRemote package installed : tar-1.26-35.el7\nShould be : tar-1.26-36.el7\n"
    assert nessus_output.packages(output) == (Package("tar", "1.26-35.el7", "1.26-36.el7"),)
    assert nessus_output.packages("Path : /a\n Installed version : 1.0\n Fixed version : 1.1") == (
        Package("", "1.0", "1.1"),
    )
