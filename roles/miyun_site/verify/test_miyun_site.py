"""The second site accepts appends, lets drills read, and hands nobody a shell. Run by that site's administrator."""

import json

import pytest

ACCOUNTS = ("miyun-append", "miyun-read")
SIGNING = ("miyun_receipt.py", "miyun_head.py", "miyun_copies.py")
APPENDING = ("append_session.py", "append_rules.py", "hpack.py", "site_limits.py")
PROGRAMS = ("repository_gate.py", "site_facts.py", "miyun_reread.py", *APPENDING, *SIGNING)


def test_programs_belong_to_root_and_nobody_else_may_change_them(host):
    paths = [f"/usr/libexec/yunwei/{name}" for name in PROGRAMS]
    found = host.check_output(f"stat -c '%n %U %G %a' {' '.join(paths)}").splitlines()
    assert found == [f"{path} root root 755" for path in paths]


@pytest.mark.parametrize("account", ACCOUNTS)
def test_keys_are_root_s_and_every_line_is_tied_to_the_gate(host, account):
    with host.sudo():
        keys = host.file(f"/var/lib/{account}/.ssh/authorized_keys")
        assert (keys.user, keys.mode) == ("root", 0o644)
        assert host.file(f"/var/lib/{account}").user == "root"
        lines = [line for line in keys.content_string.splitlines() if line and not line.startswith("#")]
    mode = account.split("-")[1]
    assert lines
    for line in lines:
        assert line.startswith(f'restrict,command="/usr/libexec/yunwei/repository_gate.py {mode} ')


@pytest.mark.parametrize("account", ACCOUNTS)
def test_accounts_have_no_password_and_no_sudo_beyond_what_signs(host, account):
    with host.sudo():
        assert host.user(account).password == "*"  # noqa: S105 - a password that fits nothing
        allowed = host.run(f"sudo -n -l -U {account}").stdout
    rules = [line.strip() for line in allowed.splitlines() if "NOPASSWD" in line or "(ALL" in line]
    expected = [f"(miyun-sign) NOPASSWD: /usr/libexec/yunwei/{name}" for name in SIGNING]
    assert rules == (expected if account == "miyun-append" else [])


def test_the_reader_cannot_write_what_is_stored(host):
    with host.sudo():
        stores = host.check_output("find /srv/miyun -mindepth 1 -maxdepth 1 -type d").split()
        assert stores
        for store in stores:
            assert host.file(store).mode == 0o2750
            assert host.run(f"sudo -n -u miyun-read touch {store}/probe").rc != 0
            assert not host.file(f"{store}/probe").exists


def test_the_signing_key_is_the_signer_s_alone(host):
    with host.sudo():
        key = host.file("/var/lib/miyun-sign/receipt_key")
        assert (key.user, key.mode) == ("miyun-sign", 0o600)
        assert host.run("sudo -n -u miyun-append cat /var/lib/miyun-sign/receipt_key").rc != 0


@pytest.mark.parametrize("folder", ["/srv/miyun_heads", "/srv/miyun_copies"])
def test_only_the_signer_writes_the_heads_and_the_proven_copies(host, folder):
    with host.sudo():
        kept = host.file(folder)
        assert (kept.user, kept.group, kept.mode) == ("miyun-sign", "miyun-read", 0o2750)
        lists = host.run(f"find {folder} -type f -printf '%u %m %f\\n'").stdout.split("\n")[:-1]
        assert [line for line in lists if not line.startswith("miyun-sign 640 ")] == []
        for account in ACCOUNTS:
            assert host.run(f"sudo -n -u {account} touch {folder}/probe").rc != 0


def test_the_reader_answers_an_inspection_and_reads_no_more_than_it_may(host):
    with host.sudo():
        stores = host.check_output("find /srv/miyun -mindepth 1 -maxdepth 1 -type d").split()
        for store in stores:
            system = store.rpartition("/")[2]
            program = f"/usr/libexec/yunwei/site_facts.py {system} {store}"
            facts = json.loads(host.check_output(f"sudo -n -u miyun-read {program}"))
            assert facts["unread"] == {}
            assert facts["receipt_key"]["type"] == "ssh-ed25519"
            assert [account["foreign"] for account in facts["accounts"]] == [0, 0]
        assert host.run("sudo -n -u miyun-read ls /var/lib/miyun-sign").rc != 0


def test_every_system_has_a_quota_that_only_root_may_change(host):
    with host.sudo():
        for store in host.check_output("find /srv/miyun -mindepth 1 -maxdepth 1 -type d").split():
            limits = host.file(f"/etc/yunwei/site_limits/{store.rpartition('/')[2]}.json")
            assert (limits.user, limits.mode) == ("root", 0o644)
            assert json.loads(limits.content_string)["quota_bytes"] > 0


def test_the_share_that_the_gate_demands_is_mounted(host):
    with host.sudo():
        wanted = host.file("/etc/yunwei/site_share.json")
        if not wanted.exists:
            return
        assert (wanted.user, wanted.mode) == ("root", 0o644)
        told = json.loads(wanted.content_string)
        assert host.mount_point(told["path"]).exists
        assert host.file(f"{told['path']}/.yunwei-share").content_string.strip() == told["name"]


def test_what_is_kept_is_read_again_every_day_by_the_signing_account(host):
    shown = host.check_output("systemctl show -p UnitFileState,ActiveState,DropInPaths yunwei-reread.timer")
    assert sorted(shown.splitlines()) == ["ActiveState=active", "DropInPaths=", "UnitFileState=enabled"]
    timer = host.file("/etc/systemd/system/yunwei-reread.timer").content_string
    assert "OnCalendar=*-*-* 18:00:00 UTC\n" in timer
    assert "Persistent=true\n" in timer
    service = host.file("/etc/systemd/system/yunwei-reread.service").content_string
    assert "\nUser=miyun-sign\n" in service
    assert "\nExecStart=/usr/libexec/yunwei/miyun_reread.py\n" in service
    with host.sudo():
        assert host.run("sudo -n -u miyun-sign /usr/libexec/yunwei/miyun_reread.py").rc == 0


def test_a_receipt_is_signed_where_there_is_a_repository(host):
    with host.sudo():
        found = host.run("find /srv/miyun -mindepth 2 -maxdepth 2 -name config").stdout.split()
        for config in found:
            system = config.split("/")[3]
            program = f"/usr/libexec/yunwei/miyun_receipt.py {system}"
            answer = json.loads(host.check_output(f"sudo -n -u miyun-sign {program}"))
            assert json.loads(answer["receipt"])["bad"] == []
            assert "BEGIN SSH SIGNATURE" in answer["signature"]
