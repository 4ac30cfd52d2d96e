"""From what scanners call a finding to the rules that answer it."""

from __future__ import annotations

import pytest

from yunwei.hardening.match import Identifiers, match
from yunwei.policy.catalogue import read_catalogue

CATALOGUE = read_catalogue()[0]
FULL = "1.3.6.1.4.1.25623.1.0."


def rules(**found: set[str]) -> list[str]:
    return [
        rule.id for rule in match(Identifiers(**{key: frozenset(names) for key, names in found.items()}), CATALOGUE)
    ]


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ({"nessus": {"70658"}}, ["sshd-ciphers"]),
        ({"openvas": {FULL + "105611"}}, ["sshd-ciphers"]),
        ({"openvas": {"105611"}}, ["sshd-ciphers"]),
        ({"rsas": {"50638"}}, ["icmp-timestamp"]),
        ({"rsas_names": {"远端WWW服务支持TRACE请求"}}, ["web-trace"]),
        ({"scap": {"xccdf_org.ssgproject.content_rule_sshd_disable_root_login"}}, ["sshd-root-login"]),
        ({"scap": {"xccdf_mil.disa.stig_rule_SV-204592r603261_rule"}}, ["sshd-root-login"]),
        ({"lynis": {"AUTH-9286"}}, ["password-age"]),
        ({"nexpose": {"linux-icmp-redirect"}}, ["net-redirects"]),
        ({"cves": {"CVE-2014-0160"}, "packages": {"openssl-libs"}}, ["openssl-package"]),
        ({"cves": {"CVE-1999-0524"}}, ["icmp-timestamp"]),
        ({"nessus": {"70658"}, "rsas": {"50638"}}, ["icmp-timestamp", "sshd-ciphers"]),
    ],
)
def test_a_finding_is_answered(found: dict[str, set[str]], wanted: list[str]):
    assert rules(**found) == wanted


def test_two_scanners_findings_of_one_flaw_meet():
    assert rules(nessus={"11213"}) == rules(openvas={FULL + "11213"}) == rules(rsas={"50857"}) == ["web-trace"]


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"nessus": {"105611"}},  # another scanner's number
        {"cves": {"CVE-2014-0160"}},  # of no package that is named
        {"cves": {"CVE-2014-0160"}, "packages": {"opensslx"}},
        {"packages": {"openssl"}},
    ],
)
def test_what_nothing_names_is_answered_by_nothing(found: dict[str, set[str]]):
    assert rules(**found) == []
