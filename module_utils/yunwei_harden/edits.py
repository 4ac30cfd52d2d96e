"""Texts of configuration files with one setting in them changed: pure, and the same text again where nothing differs.

Files are read and written as latin-1, so that bytes of any encoding in them stay what they are.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

BEGIN = "# BEGIN yunwei hardening"
END = "# END yunwei hardening"
_WHOLE_BLOCK = re.compile("^%s\n.*?^%s\n" % (BEGIN, END), re.M | re.S)
_LOGIN_SHELL = """# Made by yunwei: what a login shell begins with. Accounts of database servers keep what they had.
case "$(id -un)" in
  %(exempt)s) ;;
  *)
%(lines)s
    ;;
esac
"""
# In a shell that has it already, setting it again would be an error on every login.
_TMOUT = "    case $- in *i*) (unset TMOUT) 2>/dev/null && { TMOUT=%s; readonly TMOUT; export TMOUT; } ;; esac"


def sshd_options(text):
    """Return the options of the block that this project keeps in sshd_config, as {lower-case name: (name, value)}."""
    found = {}
    for line in _block(text):
        words = line.split(None, 1)
        if len(words) == 2:
            found[words[0].lower()] = (words[0], words[1])
    return found


def with_sshd_option(text, name, value):
    """Return sshd_config with an option in the block at its top: of each option sshd takes the first."""
    options = sshd_options(text)
    options[name.lower()] = (name, value)
    lines = ["%s %s" % options[key] for key in sorted(options)]
    rest = _without_block(text)
    return "\n".join([BEGIN] + lines + [END, ""]) + rest


def _block(text):
    inside = re.search("^%s\n(.*?)^%s$" % (BEGIN, END), text, re.M | re.S)
    return inside.group(1).splitlines() if inside else []


def _without_block(text):
    return _WHOLE_BLOCK.sub("", text)


def assigned(text, key, sign):
    """Return the value that a file of `KEY<sign>VALUE` lines gives to `key` last, None where it gives none.

    `sign` is a space for login.defs, an equals sign for pwquality.conf and sysctl.
    """
    found = [line.group("value") for line in _assignments(text, key, sign)]
    return found[-1].strip() if found else None


def with_assignment(text, key, sign, value):
    """Return the file with `key` given once: in the place of its first line, or at the end."""
    line = "%s %s" % (key, value) if sign == " " else "%s %s %s" % (key, sign, value)
    places = [found.span() for found in _assignments(text, key, sign)]
    if not places:
        return text + ("" if not text or text.endswith("\n") else "\n") + line + "\n"
    for begin, end in reversed(places[1:]):
        text = text[:begin] + text[end:].lstrip("\n") if text[end : end + 1] == "\n" else text[:begin]
    begin, end = places[0]
    return text[:begin] + line + text[end:]


def _assignments(text, key, sign):
    between = r"[ \t]+" if sign == " " else r"[ \t]*%s[ \t]*" % re.escape(sign)
    return list(re.finditer(r"^[ \t]*%s%s(?P<value>[^\n#]*)[^\n]*$" % (re.escape(key), between), text, re.M))


def pam_values(text, stack, module, option):
    """Return what every line of `module` in a stack says of an option: its value, "" for a bare word, None without."""
    return [_option_of(line.group("arguments"), option) for line in _pam_lines(text, stack, module)]


def with_pam_option(text, stack, module, option, value):
    """Return the PAM file with an option on every line of `module` in a stack; a value of None takes it away."""
    for line in reversed(_pam_lines(text, stack, module)):
        words = [word for word in line.group("arguments").split() if word.split("=", 1)[0] != option]
        if value is not None:
            words.append("%s=%s" % (option, value) if value else option)
        text = text[: line.start("arguments")] + "".join(" " + word for word in words) + text[line.end("arguments") :]
    return text


def _pam_lines(text, stack, module):
    pattern = r"^[ \t]*-?%s[ \t]+(?:\[[^\]\n]*\]|\S+)[ \t]+\S*?%s(?P<arguments>(?:[ \t]+[^\s#]+)*)(?=[ \t]*(?:#|$))" % (
        re.escape(stack),
        re.escape(module),
    )
    return list(re.finditer(pattern, text, re.M))


def _option_of(arguments, option):
    for word in arguments.split():
        name, _, value = word.partition("=")
        if name == option:
            return value
    return None


def login_shell_values(text):
    """Return {"umask", "TMOUT"} as far as a text of `login_shell` sets them."""
    found = {}
    for name, pattern in (("umask", r"^    umask (\d+)$"), ("TMOUT", r"TMOUT=(\d+);")):
        value = re.search(pattern, text, re.M)
        if value:
            found[name] = value.group(1)
    return found


def login_shell(values, exempt):
    """Return the file below /etc/profile.d that sets `values` for everybody but the accounts of `exempt`."""
    lines = ["    umask %s" % values["umask"]] if "umask" in values else []
    lines += [_TMOUT % values["TMOUT"]] if "TMOUT" in values else []
    return _LOGIN_SHELL % {"exempt": "|".join(sorted(exempt)) or "''", "lines": "\n".join(lines)}
