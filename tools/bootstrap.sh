# shellcheck shell=bash disable=SC2034
# (SC2034: the lists are used by the scripts that source this file)
# Sourced by ./demo and ./check: becomes root, installs what is missing, makes .venv. Safe to run again at any time.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

base_packages=(
  ca-certificates git openssh-client openssl
  podman runc crun conmon netavark aardvark-dns uidmap nftables iptables
  mmdebstrap
)
check_packages=(
  chromium fonts-noto-cjk poppler-utils gcc libc6-dev
  postgresql-15 restic rclone shellcheck python3-aiosmtpd systemd
)

say() { printf '%s\n' "$*" >&2; }

become_root() {
  if [ "$(id -u)" -eq 0 ]; then return; fi
  command -v sudo >/dev/null || { say "run this as root, or install sudo: the lab's hosts are rootful containers"; exit 2; }
  # Root's own home: what is written from here on is root's, and must not lie in this user's.
  exec sudo -E -H bash "$PWD/${0##*/}" "$@"
}

install_packages() {
  local missing=() name
  for name in "$@"; do
    dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
  done
  if [ ${#missing[@]} -eq 0 ]; then return; fi
  say "installing: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

find_python() {
  local name
  for name in python3.11 python3.12; do
    if "$name" -m venv --help >/dev/null 2>&1 && "$name" -c 'import ensurepip' >/dev/null 2>&1; then
      command -v "$name"
      return
    fi
  done
  install_packages python3 python3-venv
  command -v python3.11 || { say "Python 3.11 or 3.12 is needed and Debian's python3 is neither"; exit 2; }
}

make_venv() {
  local mark=.venv/.installed want python
  want="$(sha256sum < requirements.lock | cut -d' ' -f1) $PWD"
  if [ -x .venv/bin/yunwei ] && [ "$(cat "$mark" 2>/dev/null)" = "$want" ]; then return; fi
  python="$(find_python)"
  say "making .venv with $python"
  rm -rf .venv
  "$python" -m venv .venv
  .venv/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
  .venv/bin/pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
  printf '%s' "$want" > "$mark"
}
