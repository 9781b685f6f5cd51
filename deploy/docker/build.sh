#!/usr/bin/env bash
# Builds the images with docker or podman, whichever is there: build.sh [SERVICE...], all by default.
#   TAG, PREFIX   names are ${PREFIX}docmill-ocr:${TAG}; the version of the packages by default
#   BASE          the Debian image to begin with
#   LANGUAGES     what the OCR worker reads: "eng deu chi-sim", Debian's names of tesseract-ocr-*
#   RAPIDOCR      any value: the OCR worker has the second engine that DOCMILL_OCR_SECOND_ENGINE may name
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly EVERY=(ingest dispatcher validator ocr thumbnailer notifier scheduler client)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' shared/docmill/pyproject.toml)
readonly TAG=${TAG:-$version} PREFIX=${PREFIX:-}

die() { printf 'make images: %s\n' "$*" >&2; exit 1; }

engine() {
  if docker info >/dev/null 2>&1; then
    echo docker
  elif command -v podman >/dev/null; then
    echo podman
  else
    die "neither a Docker engine nor podman is here"
  fi
}

build() {
  local service=$1 target=service options=()
  [ "$service" != client ] || target=tool
  [ "$engine" != podman ] || options+=(--format docker) # OCI images know no HEALTHCHECK
  [ -z "${BASE:-}" ] || options+=(--build-arg "BASE=$BASE")
  [ -z "${LANGUAGES:-}" ] || options+=(--build-arg "LANGUAGES=$LANGUAGES")
  [ "$service:${RAPIDOCR:+yes}" != ocr:yes ] || options+=(--build-arg EXTRA=rapidocr)
  [ -z "${NETWORK:-}" ] || options+=(--network "$NETWORK")
  "$engine" build --quiet --file deploy/docker/Dockerfile --target "$target" \
    --build-arg "SERVICE=$service" --build-arg "VERSION=$version" \
    --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
    "${options[@]}" --tag "${PREFIX}docmill-$service:$TAG" .
}

engine=$(engine)
[ $# -gt 0 ] || set -- "${EVERY[@]}"
for service in "$@"; do
  printf '\033[1m==>\033[0m %sdocmill-%s:%s\n' "$PREFIX" "$service" "$TAG"
  build "$service"
done
