"""One setting changed in a file: in its place, nothing else touched, and the same text again the second time."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from yunwei_harden import compare, edits

SSHD = (
    "# server\nPort 22\nInclude /etc/ssh/sshd_config.d/*.conf\nX11Forwarding yes\n\nMatch User b\n  X11Forwarding no\n"
)


def test_sshd_options_stand_before_everything_that_could_set_them_first():
    once = edits.with_sshd_option(SSHD, "X11Forwarding", "no")
    both = edits.with_sshd_option(once, "ClientAliveInterval", "300")
    block = f"{edits.BEGIN}\nClientAliveInterval 300\nX11Forwarding no\n{edits.END}\n"
    assert both == block + SSHD
    assert edits.with_sshd_option(both, "x11forwarding", "no").lower() == both.lower()
    assert edits.with_sshd_option(both, "X11Forwarding", "no") == both


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A 1\nKEY\t5\nB 2\n", "A 1\nKEY 90\nB 2\n"),
        ("#KEY 5\nKEYS 7\n", "#KEY 5\nKEYS 7\nKEY 90\n"),
        ("KEY 5\nB 2\nKEY 6\nC 3\n", "KEY 90\nB 2\nC 3\n"),
        ("KEY 5\nB 2\nKEY 6", "KEY 90\nB 2\n"),
        ("no end of line", "no end of line\nKEY 90\n"),
        ("", "KEY 90\n"),
    ],
)
def test_a_key_is_given_once(text: str, wanted: str):
    assert edits.with_assignment(text, "KEY", " ", "90") == wanted
    assert edits.with_assignment(wanted, "KEY", " ", "90") == wanted
    assert edits.assigned(wanted, "KEY", " ") == "90"


def test_the_last_assignment_is_the_one_in_force():
    assert edits.assigned("KEY 5\nKEY 6 # why\n#KEY 7\n", "KEY", " ") == "6"
    assert edits.assigned("minlen=8\n minlen = 9\n", "minlen", "=") == "9"
    assert edits.assigned("net.ipv4.ip_forward=1\n", "net.ipv4_ip_forward", "=") is None


PAM = (
    "# password sufficient pam_unix.so nullok\n"
    "auth\t[success=1 default=ignore]\tpam_unix.so nullok try_first_pass # why\n"
    "-auth  sufficient  /lib/security/pam_unix.so\n"
    "password sufficient pam_unix.so sha512 remember=3\n"
    "password sufficient pam_unix.so.old nullok_secure\n"
)


def test_an_option_is_taken_off_every_line_of_its_module_and_stack():
    assert edits.pam_values(PAM, "auth", "pam_unix.so", "nullok") == ["", None]
    changed = edits.with_pam_option(PAM, "auth", "pam_unix.so", "nullok", None)
    assert edits.pam_values(changed, "auth", "pam_unix.so", "nullok") == [None, None]
    assert changed.splitlines()[0] == PAM.splitlines()[0]
    assert " ".join(changed.splitlines()[1].split()).endswith("default=ignore] pam_unix.so try_first_pass # why")
    assert edits.with_pam_option(changed, "auth", "pam_unix.so", "nullok", None) == changed


def test_an_option_gets_its_value_once():
    changed = edits.with_pam_option(PAM, "password", "pam_unix.so", "remember", "5")
    assert "password sufficient pam_unix.so sha512 remember=5\n" in changed
    assert edits.with_pam_option(changed, "password", "pam_unix.so", "remember", "5") == changed


def _shell(tmp_path: Path, text: str, words: str) -> list[str]:
    (tmp_path / "settings.sh").write_text(text, encoding="ascii")
    script = f". {tmp_path}/settings.sh; . {tmp_path}/settings.sh; {words}"
    done = subprocess.run(["bash", "--norc", "-ic", script], capture_output=True, text=True, check=False)
    assert "TMOUT: readonly variable" not in done.stderr
    return done.stdout.split()


def test_a_login_shell_begins_with_the_settings_and_cannot_undo_them(tmp_path: Path):
    text = edits.login_shell({"umask": "027", "TMOUT": "600"}, ["postgres"])
    assert edits.login_shell_values(text) == {"umask": "027", "TMOUT": "600"}
    assert _shell(tmp_path, text, "umask; echo $TMOUT; (unset TMOUT) || echo fixed") == ["0027", "600", "fixed"]


def test_accounts_of_database_servers_keep_what_they_had(tmp_path: Path):
    me = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    text = edits.login_shell({"umask": "077", "TMOUT": "600"}, ["postgres", me])
    assert _shell(tmp_path, text, "umask 022; echo ${TMOUT:-none}") == ["none"]


@pytest.mark.parametrize(
    ("how", "wanted", "good", "bad"),
    [
        ("equal", "no", ["no", "NO"], ["yes", None]),
        ("at_least", "5", ["5", "24"], ["4", "many", None]),
        ("at_most", "600", ["600", "1"], ["601", "0", "-1", None]),
        ("at_most", "-1", ["-1", "-2"], ["0", "1"]),
        ("within", "a,b,c", ["a", "c,b"], ["a,d", "", None]),
        ("absent", "", [None], ["", "1"]),
    ],
)
def test_what_is_stricter_than_the_rule_is_good(how: str, wanted: str, good: list[str | None], bad: list[str | None]):
    setting = {"compare": how, "value": wanted}
    assert [value for value in good if not compare.fits(setting, value)] == []
    assert [value for value in bad if compare.fits(setting, value)] == []
