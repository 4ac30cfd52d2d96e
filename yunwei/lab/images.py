"""Makes the hosts' images from Debian packages; an image is named by the digest of its recipe and made once."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from yunwei.errors import LabError
from yunwei.lab import engine
from yunwei.paths import state_dir

Log = Callable[[str], None]

_BASE = ("systemd", "systemd-sysv", "dbus", "openssh-server", "openssh-client", "sudo", "iproute2", "procps")

# One image serves many hosts: the host key is made at first start, the cluster of PostgreSQL only where one is wanted.
_SETUP = """
cat > "$1/etc/systemd/system/yunwei-hostkey.service" <<'UNIT'
[Unit]
Description=Make this host's own SSH host key at its first start
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key
[Install]
WantedBy=multi-user.target
UNIT
rm -f "$1"/etc/ssh/ssh_host_*
cat > "$1/etc/ssh/sshd_config.d/00-yunwei-lab.conf" <<'SSHD'
HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
UseDNS no
MaxStartups 60:30:120
MaxSessions 60
SSHD
mkdir -p "$1/run/sshd"
chroot "$1" systemctl enable ssh.service yunwei-hostkey.service
chroot "$1" systemctl disable apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer 2>/dev/null || :
chroot "$1" systemctl mask systemd-networkd-wait-online.service 2>/dev/null || :
: > "$1/etc/machine-id"
"""

_NO_CLUSTER = """
mkdir -p "$1/etc/postgresql-common"
echo "create_main_cluster = false" > "$1/etc/postgresql-common/createcluster.conf"
"""

_QUIET_POSTGRESQL = """
chroot "$1" systemctl disable postgresql.service
"""


@dataclass(frozen=True)
class Recipe:
    """What an image is made of: a Debian release, packages, and shell run in the tree before and after them."""

    name: str
    suite: str
    packages: tuple[str, ...]
    before: str
    after: str

    @property
    def reference(self) -> str:
        """Name and tag of the image: another recipe is another image."""
        text = json.dumps(asdict(self), sort_keys=True).encode("utf-8")
        return f"localhost/yunwei-lab-{self.name}:{hashlib.sha256(text).hexdigest()[:16]}"


RECIPES = {
    "debian12": Recipe(
        name="debian12",
        suite="bookworm",
        packages=(
            *_BASE,
            "python3",
            "curl",
            "ca-certificates",
            "nftables",
            "postgresql-15",
            "postgresql-client-15",
            "restic",
            "rclone",
        ),
        before=_NO_CLUSTER,
        after=_SETUP + _QUIET_POSTGRESQL,
    ),
    # Stands for NeoKylin 7: no Python but 2.7.
    "bullseye": Recipe(
        name="bullseye",
        suite="bullseye",
        packages=(*_BASE, "python2.7"),
        before="",
        after=_SETUP + 'test ! -e "$1/usr/bin/python3"\n',
    ),
}


def bootstrap_command(recipe: Recipe, tarball: Path, before: Path, after: Path) -> list[str]:
    """Return the command that makes the image's tree as a tarball, as an argument vector."""
    command = ["mmdebstrap", "--variant=minbase", "--quiet", '--aptopt=Acquire::Retries "5"']
    command += [f"--include={','.join(recipe.packages)}"]
    if recipe.before:
        command.append(f"--essential-hook=sh -eu {before} $1")
    command += [f"--customize-hook=sh -eu {after} $1", recipe.suite, str(tarball)]
    mirror = os.environ.get("YUNWEI_LAB_MIRROR")
    return [*command, mirror] if mirror else command


def missing() -> list[Recipe]:
    """Return the recipes whose image is not there yet."""
    return [recipe for recipe in RECIPES.values() if not engine.image_exists(recipe.reference)]


def ensure(log: Log) -> list[str]:
    """Make every missing image, in parallel; return the names of those that were made. Raises LabError."""
    if not missing():
        return []
    with _only_builder(log):
        todo = missing()
        with ThreadPoolExecutor(max_workers=max(1, len(todo))) as pool:
            return list(pool.map(_build, todo))


@contextlib.contextmanager
def _only_builder(log: Log) -> Iterator[None]:
    """Hold the lock of image building, and clear what killed builds left."""
    folder = _work_folder()
    with (folder / "lock").open("w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log("another start is making the images; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in folder.glob("partial-*"):
            subprocess.run(engine.as_root(["rm", "-rf", "--one-file-system", str(leftover)]), check=False)
        yield


def _work_folder() -> Path:
    folder = state_dir() / "lab" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _build(recipe: Recipe) -> str:
    """Make one image: the name appears with podman's import, after everything else has succeeded."""
    with tempfile.TemporaryDirectory(prefix=f"partial-{recipe.name}-", dir=_work_folder()) as name:
        folder = Path(name)
        before, after, tarball = folder / "before.sh", folder / "after.sh", folder / "root.tar"
        before.write_text(recipe.before, encoding="utf-8")
        after.write_text(recipe.after, encoding="utf-8")
        _bootstrap(recipe, bootstrap_command(recipe, tarball, before, after), folder)
        engine.podman("import", "-c", 'CMD ["/sbin/init"]', str(tarball), recipe.reference)
    return recipe.name


def _bootstrap(recipe: Recipe, command: list[str], folder: Path) -> None:
    # Through `env`: sudo hands no environment on.
    command = engine.as_root(["env", f"TMPDIR={folder}", "LC_ALL=C.UTF-8", *command])
    log = folder / "log"
    with log.open("wb") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise LabError(
            f"The image '{recipe.name}' could not be made (mmdebstrap ended with {done.returncode}):\n{tail}"
        )
