"""Images, secrets' folder, keys and Vault of the lab: the parts that need no host."""

from __future__ import annotations

import base64
import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from yunwei import vault_policies
from yunwei.errors import LabError
from yunwei.lab import certificates, images, keys, memory, seeding, tools, topology, vaultserver, vaultsetup
from yunwei.lab.topology import SYSTEMS, Slot

# No slot that a real lab may stand in while the tests run.
SPARE = "spare"
SEED = Path(seeding.__file__).resolve().parent / "seed"


def test_another_recipe_is_another_image():
    recipe = images.RECIPES["debian12"]
    more = dataclasses.replace(recipe, packages=(*recipe.packages, "less"))
    assert recipe.reference.startswith("localhost/yunwei-lab-debian12:")
    assert more.reference != recipe.reference


def test_the_old_hosts_image_has_no_newer_python():
    assert "python2.7" in images.RECIPES["bullseye"].packages
    assert not [name for name in images.RECIPES["bullseye"].packages if name.startswith("python3")]


def test_a_mirror_of_the_environment_is_used(monkeypatch, tmp_path):
    recipe = images.RECIPES["bullseye"]
    paths = (tmp_path / "t", tmp_path / "b", tmp_path / "a")
    assert images.bootstrap_command(recipe, *paths)[-1] == str(paths[0])
    monkeypatch.setenv("YUNWEI_LAB_MIRROR", "http://packages.example/debian")
    assert images.bootstrap_command(recipe, *paths)[-2:] == [str(paths[0]), "http://packages.example/debian"]


MOUNTS = """\
/dev/vda / ext4 rw 0 0
tmpfs /dev/shm tmpfs rw,nosuid 0 0
/dev/vdb /dev/shm/disk\\040one ext4 rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/home/x", "ext4"), ("/dev/shm/yunwei", "tmpfs"), ("/dev/shm/disk one/x", "ext4"), ("/dev/shmx", "ext4")],
)
def test_the_file_system_of_a_path_is_that_of_its_nearest_mount(path, kind):
    assert memory.filesystem_of(Path(path), MOUNTS) == kind


def test_secrets_are_refused_on_a_disk(monkeypatch, tmp_path):
    monkeypatch.setattr("yunwei.lab.topology._SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(memory, "filesystem_of", lambda *_: "ext4")
    with pytest.raises(LabError, match="only lie on tmpfs"):
        memory.ensure_folder(Slot("check"))


def test_secrets_are_refused_behind_a_link(monkeypatch, tmp_path):
    monkeypatch.setattr("yunwei.lab.topology._SHARED_MEMORY", tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "yunwei-lab-check").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LabError, match="not a folder of this user"):
        memory.ensure_folder(Slot("check"))


def test_a_written_file_has_its_mode_from_its_first_moment(tmp_path):
    memory.write(tmp_path / "new" / "secret", "x")
    assert (tmp_path / "new" / "secret").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path / "new") == ["secret"]


def test_keys_are_what_ssh_understands(tmp_path):
    private, public = keys.generate("somebody")
    memory.write(tmp_path / "key", private)
    done = subprocess.run(["ssh-keygen", "-y", "-f", str(tmp_path / "key")], capture_output=True, text=True, check=True)
    assert done.stdout.split()[:2] == public.split()[:2]
    assert public.endswith(" somebody\n")


def test_pinned_keys_carry_addresses(monkeypatch, tmp_path):
    monkeypatch.setattr("yunwei.lab.topology._SHARED_MEMORY", tmp_path)
    keys.pin(Slot("check"), {"db1": "ssh-ed25519 AAAA", "app1": "ssh-ed25519 BBBB"})
    text = keys.known_hosts(Slot("check")).read_text(encoding="utf-8")
    assert text == "198.51.100.107 ssh-ed25519 BBBB\n198.51.100.108 ssh-ed25519 AAAA\n"


def test_the_configuration_for_people_never_lets_an_unknown_key_in(monkeypatch, tmp_path):
    monkeypatch.setattr("yunwei.lab.topology._SHARED_MEMORY", tmp_path)
    slot = Slot("check")
    (slot.secrets_dir / "ssh").mkdir(parents=True)
    path = keys.write_ssh_config(slot)
    for host in slot.hosts:
        done = subprocess.run(["ssh", "-G", "-F", str(path), host.name], capture_output=True, text=True, check=True)
        shown = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
        assert shown["stricthostkeychecking"] == "true"
        assert shown["identitiesonly"] == "yes"
        assert (shown["hostname"], shown["user"]) == (host.address, host.admin)


def test_the_certificate_is_signed_by_the_authority_and_made_once(tmp_path):
    certificates.ensure(tmp_path)
    verify = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", str(tmp_path / "ca.pem")]
    done = subprocess.run([*verify, str(tmp_path / "server.pem")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    before = (tmp_path / "server.key").read_bytes()
    certificates.ensure(tmp_path)
    assert (tmp_path / "server.key").read_bytes() == before


def test_a_root_token_is_unmasked():
    token, password = "s.abcDEF123", "0123456789x"
    masked = bytes(a ^ b for a, b in zip(token.encode(), password.encode(), strict=True))
    assert vaultserver.decode_root(base64.b64encode(masked).decode().rstrip("="), password) == token


@pytest.fixture
def vault_folder(monkeypatch, tmp_path) -> Path:
    """Return Vault's folder of a slot that was set up and filled, with memory and state below a folder of the test."""
    (tmp_path / "memory").mkdir()
    monkeypatch.setenv("YUNWEI_STATE", str(tmp_path / "state"))
    monkeypatch.setitem(topology._SUBNETS, SPARE, {})
    monkeypatch.setattr("yunwei.lab.topology._SHARED_MEMORY", tmp_path / "memory")
    monkeypatch.setattr(memory, "filesystem_of", lambda *_: "tmpfs")
    slot = Slot(SPARE)
    vaultserver.discard_unusable(slot)
    folder = slot.state_dir / "vault"
    (folder / "raft").mkdir()
    memory.write(vaultserver.filled_mark(slot), "x")
    memory.write(slot.secrets_dir / "vault" / "unseal.json", "{}")
    return folder


def test_a_vault_with_its_unseal_key_is_kept(vault_folder):
    before = memory.generation(Slot(SPARE))
    vaultserver.discard_unusable(Slot(SPARE))
    assert (vault_folder / "raft").is_dir()
    assert memory.generation(Slot(SPARE)) == before


def test_when_memory_was_lost_vault_goes_and_every_host_is_stale(vault_folder):
    before = memory.generation(Slot(SPARE))
    memory.remove(Slot(SPARE))
    vaultserver.discard_unusable(Slot(SPARE))
    assert not (vault_folder / "raft").exists()
    assert memory.generation(Slot(SPARE)) != before


def test_a_filled_vault_without_its_key_makes_every_host_stale(vault_folder):
    before = memory.generation(Slot(SPARE))
    (Slot(SPARE).secrets_dir / "vault" / "unseal.json").unlink()
    vaultserver.discard_unusable(Slot(SPARE))
    assert not (vault_folder / "raft").exists()
    assert memory.generation(Slot(SPARE)) != before


def test_a_first_start_killed_before_the_key_was_kept_costs_vault_only(vault_folder):
    before = memory.generation(Slot(SPARE))
    vaultserver.filled_mark(Slot(SPARE)).unlink()
    (Slot(SPARE).secrets_dir / "vault" / "unseal.json").unlink()
    vaultserver.discard_unusable(Slot(SPARE))
    assert not (vault_folder / "raft").exists()
    assert memory.generation(Slot(SPARE)) == before


def test_a_vault_of_another_state_folder_is_ended_and_every_host_is_stale(vault_folder, tmp_path):
    """A killed run of another checkout leaves one: the port is the machine's, and its storage is not ours to find."""
    words = ["server", f"-config={tmp_path}/elsewhere/lab/{SPARE}/vault/server.hcl"]
    program = "import signal; print('up', flush=True); signal.pause()"
    stranger = subprocess.Popen([sys.executable, "-c", program, *words], stdout=subprocess.PIPE)
    assert stranger.stdout
    assert stranger.stdout.readline() == b"up\n", "from then on its command line can be read"
    before = memory.generation(Slot(SPARE))
    vaultserver.discard_unusable(Slot(SPARE))
    assert stranger.wait(30) == -signal.SIGKILL
    stranger.stdout.close()
    assert memory.generation(Slot(SPARE)) != before


def test_every_secret_that_a_job_fetches_is_made():
    made = vaultsetup.wanted_secrets()
    for system, hosts in SYSTEMS.items():
        for job in vault_policies.JOBS:
            for site in ("local", "miyun"):
                for name in vault_policies.secret_names(job, hosts, site):
                    assert f"systems/{system}/{name}" in made


def test_a_seeds_digest_covers_every_file_and_every_file_is_used():
    used = {name for names in seeding.SEEDS.values() for name in names}
    assert used == {path.name for path in SEED.iterdir() if path.is_file()}
    assert len({seeding.digest(name) for name in seeding.SEEDS}) == len(seeding.SEEDS)


def test_a_missing_program_is_named_with_its_package(monkeypatch):
    monkeypatch.setitem(tools.PROGRAMS, "no-such-program", "its-package")
    with pytest.raises(LabError, match=r"no-such-program.*apt-get install its-package"):
        tools.require()
