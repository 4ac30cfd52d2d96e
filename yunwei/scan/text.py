"""Words in hostile text: CVE ids, names for comparing, numbers, and secrets that must not be kept."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

MOST_CHARACTERS = 32_768  # of one text that is kept, the most that a cell of a spreadsheet holds
WITHHELD = "(withheld: it may hold passwords)"
_CVE = re.compile(r"CVE-\d{4}-\d{4,}", re.IGNORECASE)
_BRACKETS = str.maketrans("【】", "[]")
_SECRET_WORDS = (
    "password", "passwd", "passphrase", "pwd", "credential", "brute", "community", "default account",
    "default-account", "login", "logged",
    "口令", "密码", "弱密", "猜测", "猜解", "暴力", "凭证", "凭据", "弱账", "弱帐",
    "默认账", "默认帐", "passcode", "secret", "token", "private key",
)  # fmt: skip
_VALUE = r"""[^\s"'”’，；,;]+"""
# Behind a colon anything is a value, and so is what stands in brackets behind a default. Behind `is` it is one where it
# is quoted or has what words have not: advice such as "the password is stored" stays readable. Blanks are never tried
# again in other shares (`*+`), nor is a word looked through without end: texts are hostile.
_SECRET_VALUE = re.compile(
    r"((?:password|passwd|passphrase|passcode|pwd|secret|token|community(?: string)?|credentials?"
    r"|口令|密码|密碼|凭证|凭据)\s*+)"
    r"(?:(?:(?<=default password )|(?<=default credentials ))[(（][^)）]{0,200}+[)）]?"
    rf"""|[:=：＝]\s*+["'“‘]?{_VALUE}"""
    rf"""|(?:was|is|为|是|of)?\s*+(?:["'“‘]{_VALUE}|(?=[^\s\d!@#$%^&*]{{0,200}}+[\d!@#$%^&*]){_VALUE}))""",
    re.IGNORECASE,
)
_TYPED_VALUE = re.compile(
    r"((?:password|口令|密码)\s*+(?:is|was|为|是)?\s*+[:=：＝]?+\s*+)[^\s，；,;。()（）]+", re.IGNORECASE
)
_ACCOUNT_PAIR = re.compile(r"""([\w.@-]{1,64}\s*+[/:：])\s*+[^\s"'，；,;)）\]】]+""")


def cves_in(text: str | None) -> tuple[str, ...]:
    """Return the CVE ids of a text in upper case, each once, in the order met."""
    if not text:
        return ()
    return tuple(dict.fromkeys(found.upper() for found in _CVE.findall(text)))


def name_id(name: str) -> str:
    """Return a finding's name as its id, for layouts that give none: brackets and widths alike, no password in it.

    The mark 【原理扫描】 stays: what was proven by probing and what was told from a version are two lines of a report.
    """
    plain = safe_prose(unicodedata.normalize("NFKC", name).translate(_BRACKETS))
    return "name:" + " ".join(plain.split()).casefold()


@lru_cache(maxsize=1 << 17)
def port_of(word: str) -> int | None:
    """Return a port; None for a host as a whole (0, blank, `general`, `--`). Spreadsheets write 22 as 22.0."""
    try:
        number = float(word)
    except ValueError:
        return None
    return int(number) if 0 < number < 65536 and number.is_integer() else None


def place_of(port: str, protocol: str, service: str) -> tuple[int | None, str, str]:
    """Return the place of a finding as a row of a table has it: port, protocol and service."""
    return port_of(port), protocol.lower(), service


def number_of(word: str | None) -> float | None:
    """Return a number between 0 and 10, or None."""
    try:
        number = float(word or "")
    except ValueError:
        return None
    return number if 0 <= number <= 10 else None


def is_about_secrets(*texts: str) -> bool:
    """Tell whether a text may list a password, a community string or the like."""
    for text in texts:
        lower = text.lower()
        for word in _SECRET_WORDS:
            if word in lower:
                return True
    return False


def safe_evidence(text: str, *about: str) -> str:
    """Return what a scanner saw on a host, shortened; nothing of it where it, or the finding, is about secrets."""
    if not text:
        return ""
    return WITHHELD if is_about_secrets(text, *about) else text[:MOST_CHARACTERS]


def safe_prose(text: str) -> str:
    """Return a scanner's own words on a flaw, shortened, values behind words for secrets taken out."""
    text = text[:MOST_CHARACTERS]
    return _SECRET_VALUE.sub(lambda found: f"{found.group(1)}…", text) if is_about_secrets(text) else text


def safe_typed(text: str) -> str:
    """Return what people typed, as `safe_prose`; where it is about secrets, pairs of account and value go as well."""
    text = text[:MOST_CHARACTERS]
    if not is_about_secrets(text):
        return text
    for pattern in (_TYPED_VALUE, _ACCOUNT_PAIR):
        text = pattern.sub(lambda found: f"{found.group(1)}…", text)
    return safe_prose(text)


def joined(words: Iterable[str | None]) -> str:
    """Return texts as one, what is blank left out."""
    return " ".join(word.strip() for word in words if word and word.strip())
