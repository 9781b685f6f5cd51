#!/usr/bin/env bash
# Makes what `make test-k8s` starts from, in a cache outside the tree: prepare.sh CACHE. The node's programs,
# a Debian base where no registry gives one, docmill's images in the versions that the scenarios need, and
# their archives. Safe to run again; an unchanged layer is not built twice.
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly CACHE=${1:?folder of the cache}
readonly SERVICES=(ingest dispatcher validator ocr thumbnailer notifier scheduler client)
readonly PACKAGES=(
  podman buildah catatonit runc conmon netavark aardvark-dns containernetworking-plugins debootstrap dpkg-dev make
  openssl etcd-server containerd conntrack dnsmasq-base iptables iproute2
)
readonly STORES=(postgresql rabbitmq s3)
readonly WEED=.local/venv/bin/weed

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }

install_packages() {
  local package missing=()
  for package in "${PACKAGES[@]}"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "Installing ${missing[*]}"
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "${missing[@]}"
}

# A store and settings of its own: other images of this machine are neither seen nor touched.
configure_podman() {
  mkdir -p "$CACHE/podman"
  cat >"$CACHE/podman/storage.conf" <<STORAGE
[storage]
driver = "overlay"
graphroot = "$CACHE/podman/root"
runroot = "$CACHE/podman/run"
STORAGE
  cat >"$CACHE/podman/containers.conf" <<CONTAINERS
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
CONTAINERS
  export CONTAINERS_STORAGE_CONF=$CACHE/podman/storage.conf CONTAINERS_CONF=$CACHE/podman/containers.conf
}

# Where HTTPS leaves through a private authority, what is built must know it as this machine does.
make_base() {
  ! podman image exists localhost/debian:bookworm-slim || return 0
  say "Making a Debian base"
  local root=$CACHE/base
  rm -rf "$root"
  debootstrap --variant=minbase --include=ca-certificates bookworm "$root" >/dev/null
  cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/" 2>/dev/null || true
  chroot "$root" update-ca-certificates >/dev/null 2>&1
  tar -C "$root" -c . | podman import --change 'CMD ["/bin/bash"]' \
    --change 'ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt' - localhost/debian:bookworm-slim >/dev/null 2>&1
  rm -rf "$root"
}

build_images() {
  say "Building the images"
  BASE=localhost/debian:bookworm-slim NETWORK=host TAG=test PREFIX=localhost/ deploy/docker/build.sh
  local store service context=$CACHE/stores
  mkdir -p "$context"
  cp tests/k8s/stores/* "$context/"
  cp -u "$WEED" "$context/weed"
  for store in "${STORES[@]}"; do
    podman build -q --network host --build-arg BASE=localhost/debian:bookworm-slim --target "$store" \
      -t "localhost/docmill-store-$store:1" "$context" >/dev/null
  done
  for service in "${SERVICES[@]}"; do derive "$service" next tests/k8s/next; done
  derive ingest bad-migration tests/k8s/broken
  podman pod create --name docmill-pause >/dev/null
  podman pod rm docmill-pause >/dev/null
  podman tag "$(podman images -q localhost/podman-pause | head -n 1)" localhost/docmill-pause:1
}

derive() {
  podman build -q --format docker --build-arg "FROM=localhost/docmill-$1:test" -t "localhost/docmill-$1:$2" \
    -f tests/k8s/next/Dockerfile "$3" >/dev/null
}

save_archives() {
  local images names
  mapfile -t images < <(podman images --format '{{.Repository}}:{{.Tag}} {{.ID}}' | grep '^localhost/docmill-' | sort)
  [ "$(cat "$CACHE/archives.list" 2>/dev/null)" != "${images[*]}" ] || return 0
  say "Writing their archives"
  mapfile -t names < <(printf '%s\n' "${images[@]}" | cut -d ' ' -f 1 | grep -v pause)
  rm -f "$CACHE"/*.tar
  podman save -q --format docker-archive -o "$CACHE/pause.tar" localhost/docmill-pause:1
  podman save -q -m --format docker-archive -o "$CACHE/images.tar" \
    "${names[@]}"
  echo "${images[*]}" >"$CACHE/archives.list"
}

[ "$(id -u)" -eq 0 ] || { echo "make test-k8s needs root: it makes network namespaces and mounts" >&2; exit 1; }
mkdir -p "$CACHE"
install_packages
tests/k8s/node/build.sh "$CACHE/kubernetes-1.20.2"
configure_podman
make_base
build_images
save_archives
