"""What would not come back after a start: each kind planted, found by its name; and nothing found where all is well."""

from __future__ import annotations

from pathlib import Path

import pytest
from yunwei_restart import kernels, look, network, processes, settings, storage, units

from tests.restart_host import PlantedHost, systemd_host

TCP = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
PORT_8080 = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000   {uid}        0 4711 1\n"
CONNECTED = "   1: 0100007F:1F90 0100007F:1F91 01 00000000:00000000 00:00000000 00000000   0        0 4712 1\n"


@pytest.fixture
def host(tmp_path: Path) -> PlantedHost:
    return systemd_host(tmp_path)


def items(found: list[dict[str, str]]) -> list[str]:
    return [one["item"] for one in found]


class TestListeners:
    @pytest.fixture
    def listening(self, host: PlantedHost) -> PlantedHost:
        host.plant("/proc/net/tcp", TCP + PORT_8080.format(uid=0) + CONNECTED)
        host.process(50, "java", unit="/system.slice/shop.service", sockets=[4711])
        return host

    @pytest.mark.parametrize(
        ("properties", "why"),
        [
            ("UnitFileState=enabled\n", None),
            ("UnitFileState=disabled\nWantedBy=\n", "not enabled (disabled)"),
            ("UnitFileState=static\nWantedBy=multi-user.target\n", None),
            ("UnitFileState=static\nTriggeredBy=\n", "not enabled (static)"),
            ("UnitFileState=transient\n", "made at run time"),
            ("UnitFileState=masked\nWantedBy=multi-user.target\n", "masked"),
            ("UnitFileState=enabled-runtime\nWantedBy=multi-user.target\n", "not enabled (enabled-runtime)"),
            ("UnitFileState=\n", "not enabled (no unit file)"),
        ],
    )
    def test_a_listener_comes_back_only_with_an_enabled_service(self, listening, properties, why):
        listening.answers["systemctl show shop.service"] = (0, properties)
        found = units.unsure_listeners(listening)
        assert items(found) == ([] if why is None else ["listener:tcp/127.0.0.1:8080"])
        if why:
            assert f"java (process 50) of shop.service: {why}" in found[0]["reason"]

    def test_what_a_generator_enables_comes_back_with_the_unit_that_pulls_it(self, listening):
        listening.plant("/run/systemd/generator/all.service.wants/shop.service")
        listening.answers["systemctl show shop.service"] = (0, "UnitFileState=enabled-runtime\n")
        listening.answers["systemctl show all.service"] = (0, "UnitFileState=enabled\n")
        assert units.unsure_listeners(listening) == []
        listening.answers["systemctl show all.service"] = (0, "UnitFileState=disabled\n")
        assert items(units.unsure_listeners(listening)) == ["listener:tcp/127.0.0.1:8080"]

    def test_a_service_that_an_enabled_socket_starts_comes_back(self, listening):
        listening.answers["systemctl show shop.service"] = (0, "UnitFileState=disabled\nTriggeredBy=shop.socket\n")
        listening.answers["systemctl show shop.socket"] = (0, "UnitFileState=enabled\n")
        assert units.unsure_listeners(listening) == []

    def test_a_program_started_in_a_session_does_not_come_back(self, host):
        host.plant("/proc/net/tcp", TCP + PORT_8080.format(uid=0))
        host.process(51, "python3", unit="/user.slice/user-1000.slice/session-3.scope", sockets=[4711])
        (found,) = units.unsure_listeners(host)
        assert "started by hand in a session" in found["reason"]

    def test_the_container_s_own_path_is_no_unit(self, host):
        host.plant("/proc/1/cgroup", "1:name=systemd:/machine.slice/libpod-1.scope/init.scope\n")
        host.process(52, "nginx", unit="/machine.slice/libpod-1.scope/system.slice/nginx.service")
        assert processes.unit_of(host, 52) == "nginx.service"

    def test_an_ephemeral_udp_port_is_a_client_and_a_low_one_a_service(self, host):
        line = PORT_8080.format(uid=0).replace("0100007F:1F90", "00000000:{}").replace(" 0A ", " 07 ")
        host.plant("/proc/net/udp", TCP + line.format("0202") + line.format("C000"))
        assert sorted(processes.listeners(host)) == ["udp 0.0.0.0:514"]

    def test_an_address_of_version_6_reads_as_people_write_it(self, host):
        line = PORT_8080.format(uid=0).replace("0100007F:1F90", "00000000000000000000000001000000:0016")
        host.plant("/proc/net/tcp6", TCP + line)
        assert sorted(processes.listeners(host)) == ["tcp [::1]:22"]


NFT = "table inet shop {\n\tchain input {\n\t\ttype filter hook input priority 0;\n\t\ttcp dport 9999 drop\n\t}\n}\n"
ENABLED, DISABLED = (0, "UnitFileState=enabled\n"), (0, "UnitFileState=disabled\n")


class TestFirewall:
    def test_no_tool_or_no_rule_nothing_to_lose(self, host):
        assert network.unsaved_rules(host) == []
        host.program("nft")
        host.program("iptables-save", "# by\n*filter\n:INPUT ACCEPT [5:6]\nCOMMIT\n")
        assert network.unsaved_rules(host) == []

    def test_live_rules_that_no_service_loads_are_found(self, host):
        host.program("nft", NFT)
        host.answers["systemctl"] = DISABLED
        (found,) = network.unsaved_rules(host)
        assert found["item"] == "firewall:nftables"
        assert "no enabled service loads any" in found["reason"]

    def test_rules_that_were_saved_as_they_are_come_back_and_changed_ones_do_not(self, host):
        host.program("nft", NFT)
        host.answers["systemctl"] = ENABLED
        host.plant("/etc/nftables.conf", "#!/usr/sbin/nft -f\nflush ruleset\n" + NFT)
        assert network.unsaved_rules(host) == []
        host.answers["nft"] = (0, NFT.replace("9999", "9998"))
        assert items(network.unsaved_rules(host)) == ["firewall:nftables"]

    def test_iptables_rules_are_compared_without_their_counters(self, host):
        rules = "*filter\n:INPUT DROP [{0}:9]\n[{0}:7] -A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n"
        host.program("iptables-save", rules.format(1))
        host.answers["systemctl"] = ENABLED
        host.plant("/etc/sysconfig/iptables", rules.format(2))
        assert network.unsaved_rules(host) == []
        host.plant("/etc/sysconfig/iptables", rules.format(2).replace("22", "23"))
        assert items(network.unsaved_rules(host)) == ["firewall:iptables"]

    def test_what_iptables_keeps_in_nftables_is_not_counted_twice(self, host):
        host.program("nft", "table ip filter {\n\tchain INPUT {\n\t}\n}\n")
        host.program("iptables-save", "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")
        assert network.unsaved_rules(host) == []

    def test_firewalld_and_a_tool_that_fails_could_not_be_judged_and_block(self, host):
        host.program("nft", "Operation not permitted", code=1)
        assert "could not judge" in network.unsaved_rules(host)[0]["reason"]
        host.program("firewall-cmd", "running")
        assert items(network.unsaved_rules(host)) == ["firewall:firewalld"]


ROUTES = """default via 198.51.100.65 dev eth0 proto static metric 100
198.51.100.64/27 dev eth0 proto kernel scope link src 198.51.100.75
203.0.113.192/28 via 198.51.100.70 dev eth0
"""


class TestRoutes:
    def test_routes_by_hand_are_found_and_saved_ones_are_not(self, host):
        host.answers["ip"] = (0, ROUTES)
        assert items(network.unsaved_routes(host)) == ["route:default", "route:203.0.113.192/28"]
        host.plant("/etc/sysconfig/network-scripts/route-eth0", "203.0.113.192/28 via 198.51.100.70\n")
        host.plant("/etc/sysconfig/network", "# GATEWAY=198.51.100.65\n")
        assert items(network.unsaved_routes(host)) == ["route:default"], "a comment saves nothing"
        host.plant("/etc/sysconfig/network", "GATEWAY=198.51.100.65\n")
        assert network.unsaved_routes(host) == []

    def test_a_route_that_leads_nowhere_is_a_route(self, host):
        host.answers["ip"] = (0, "unreachable 192.0.2.0/28\n")
        assert items(network.unsaved_routes(host)) == ["route:192.0.2.0/28"]

    def test_a_container_s_default_route_is_its_engine_s(self, host):
        host.answers["ip"] = (0, ROUTES)
        host.plant("/run/systemd/container", "podman")
        assert items(network.unsaved_routes(host)) == ["route:203.0.113.192/28"]


class TestSettings:
    def test_a_saved_value_that_does_not_hold_and_one_that_nobody_saved(self, host):
        host.plant("/proc/sys/net/ipv4/ip_forward", "1\n")
        host.plant("/proc/sys/net/core/somaxconn", "128\n")
        host.plant("/etc/sysctl.d/50-shop.conf", "# x\nnet.core.somaxconn = 4096\n")
        assert items(settings.unsaved_settings(host)) == ["setting:net.core.somaxconn", "setting:net.ipv4.ip_forward"]
        host.plant("/etc/sysctl.conf", "net/ipv4/ip_forward=1\nnet.core.somaxconn=128\n")
        assert settings.unsaved_settings(host) == []

    def test_a_file_of_etc_hides_the_one_of_the_same_name(self, host):
        host.plant("/proc/sys/net/core/somaxconn", "128\n")
        host.plant("/usr/lib/sysctl.d/10-x.conf", "net.core.somaxconn = 4096\n")
        host.plant("/etc/sysctl.d/10-x.conf", "net.core.somaxconn = 128\n")
        assert settings.unsaved_settings(host) == []

    def test_a_kernel_s_settings_are_not_the_container_s(self, host):
        host.plant("/proc/sys/vm/swappiness", "1\n")
        assert items(settings.unsaved_settings(host)) == ["setting:vm.swappiness"]
        host.plant("/run/systemd/container", "podman")
        assert settings.unsaved_settings(host) == []


MOUNTS = """20 1 8:1 / / rw - xfs /dev/sda1 rw
21 20 8:17 / /data rw - ext4 /dev/sdb1 rw
22 20 0:40 / /srv/my\\040share rw - nfs4 192.0.2.9:/share rw
23 20 0:41 / /run rw - tmpfs tmpfs rw
"""


class TestStorage:
    def test_a_mount_by_hand_is_found(self, host):
        host.plant("/proc/1/mountinfo", MOUNTS)
        host.plant("/etc/fstab", "/dev/sda1 / xfs defaults 0 1\n192.0.2.9:/share /srv/my\\040share nfs _netdev 0 0\n")
        assert items(storage.unsaved_mounts(host)) == ["mount:/data"]
        host.plant("/etc/systemd/system/data.mount", "[Mount]\nWhat=/dev/sdb1\nWhere=/data\n")
        assert storage.unsaved_mounts(host) == []

    def test_an_fstab_that_would_stop_the_start_is_found(self, host):
        host.plant("/dev/sda1")
        host.plant("/dev/disk/by-uuid/aaaa")
        lines = ["/dev/sda1 / xfs defaults 0 1", "UUID=aaaa /a ext4 defaults 0 2", "192.0.2.9:/s /s nfs _netdev 0 0"]
        lines += ["UUID=bbbb /b ext4 nofail 0 2", "/dev/sdz1 /z ext4 noauto 0 0", "tmpfs /t tmpfs size=1m 0 0", "# x"]
        host.plant("/etc/fstab", "\n".join(lines))
        assert storage.failing_fstab(host) == []
        host.plant("/etc/fstab", "\n".join([*lines, "UUID=cccc /c ext4 defaults 0 2", "/dev/sdb1 /d"]))
        assert items(storage.failing_fstab(host)) == ["fstab:UUID=cccc", "fstab:/dev/sdb1"]


class TestKernels:
    def plant(self, host: PlantedHost, *versions: str) -> None:
        for version in versions:
            host.plant(f"/boot/vmlinuz-{version}")
            host.plant(f"/boot/initramfs-{version}.img")

    def test_versions_are_ordered_as_packagers_mean_it(self, host):
        self.plant(host, "3.10.0-1160.119.1.el7.x86_64", "3.10.0-957.el7.x86_64", "0-rescue-ab12")
        assert kernels.installed(host) == ["3.10.0-957.el7.x86_64", "3.10.0-1160.119.1.el7.x86_64"]

    def test_a_missing_initramfs_or_an_empty_kernel_is_found(self, host):
        self.plant(host, "5.10.0-9", "5.10.0-10")
        assert kernels.missing_boot_files(host, 0) == []
        (host.folder / "boot/initramfs-5.10.0-10.img").unlink()
        assert items(kernels.missing_boot_files(host, 0)) == ["boot:initramfs"]
        host.plant("/boot/vmlinuz-5.10.0-10", "")
        assert items(kernels.missing_boot_files(host, 0)) == ["boot:kernel", "boot:initramfs"]

    def test_the_boot_loader_s_own_default_counts(self, host):
        self.plant(host, "3.10.0-957.el7.x86_64")
        host.program("grubby", "/boot/vmlinuz-3.10.0-1160.el7.x86_64\n")
        assert items(kernels.missing_boot_files(host, 0)) == ["boot:kernel", "boot:initramfs"]

    def test_an_old_grub_s_default_counts(self, host):
        self.plant(host, "2.6.32-1", "2.6.32-2")
        titles = (
            "default=1\ntitle new\n  root (hd0,0)\n  kernel /vmlinuz-2.6.32-2 ro\ntitle old\n  kernel /vmlinuz-{} ro\n"
        )
        host.plant("/boot/grub/grub.conf", titles.format("2.6.32-1"))
        assert kernels.missing_boot_files(host, 0) == []
        host.plant("/boot/grub/grub.conf", titles.format("2.6.32-0"))
        assert items(kernels.missing_boot_files(host, 0)) == ["boot:kernel", "boot:initramfs"]

    def test_a_full_boot_is_found(self, host):
        self.plant(host, "5.10.0-9")
        assert items(kernels.missing_boot_files(host, 1 << 60)) == ["boot:full"]

    def test_no_kernel_at_all_is_a_finding_but_in_a_container(self, host):
        assert items(kernels.missing_boot_files(host, 0)) == ["boot:kernel"]
        host.plant("/run/systemd/container", "podman")
        assert kernels.missing_boot_files(host, 0) == []


def test_a_waiver_names_its_finding_exactly_and_its_reason_is_told():
    found = [{"item": "mount:/data", "reason": "r"}, {"item": "mount:/data2", "reason": "s"}]
    judged = look.judged(found, [{"finding": "mount:/data", "reason": "a scratch disk"}])
    assert judged == [
        {"item": "mount:/data", "reason": "r (waived: a scratch disk)", "status": "waived"},
        {"item": "mount:/data2", "reason": "s", "status": "blocks"},
    ]
    assert items(look.blocking(judged)) == ["mount:/data2"]
