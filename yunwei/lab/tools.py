"""The programs that the lab needs on the controller, and the Debian packages that carry them."""

from __future__ import annotations

import os
import shutil

from yunwei.errors import LabError

# program: package. netavark and conmon are found by podman itself, iptables is called by netavark.
PROGRAMS = {
    "podman": "podman",
    "runc": "runc",
    "conmon": "conmon",
    "iptables": "iptables",
    "mmdebstrap": "mmdebstrap",
    "newuidmap": "uidmap",
    "ssh": "openssh-client",
    "setsid": "util-linux",
}


def require() -> None:
    """Raise LabError that names every missing program and the packages to install."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        packages = " ".join(sorted({PROGRAMS[name] for name in missing}))
        raise LabError(
            f"The lab needs {', '.join(missing)}, which this machine does not have. Run: apt-get install {packages}"
        )
