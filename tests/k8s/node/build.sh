#!/usr/bin/env bash
# Builds Kubernetes 1.20.2 from Debian bookworm's own source package, with Debian's Go, and keeps only
# the programs: build.sh FOLDER. About ten minutes and 3 GB once; a folder that has them is left alone.
set -euo pipefail
readonly CACHE=${1:?folder for the programs}
readonly PROGRAMS=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)
readonly VERSION=1.20.2
readonly GO_PACKAGES=(
  golang-1.19-go golang-1.19-src golang-github-modern-go-reflect2-dev rsync libxxhash0 libpopt0
)

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }

complete() {
  local program
  for program in "${PROGRAMS[@]}"; do [ -x "$CACHE/$program" ] || return 1; done
}

# The machine's own lists stay as they are: the sources are asked for with lists of this build alone.
fetch_source() {
  mkdir -p apt/lists/partial apt/archives/partial
  local mirror
  # shellcheck disable=SC2016 # apt's own variable
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
  echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bookworm main" >apt/sources
  local options=(
    -o Dir::Etc::sourcelist="$PWD/apt/sources" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root
    -o Dir::State::lists="$PWD/apt/lists" -o Dir::Cache="$PWD/apt"
  )
  apt-get "${options[@]}" update -qq
  apt-get "${options[@]}" source -qq kubernetes >/dev/null
}

# Unpacked, not installed: the machine needs no compiler afterwards.
fetch_go() {
  mkdir -p debs root
  (cd debs && apt-get -o APT::Sandbox::User=root download -qq "${GO_PACKAGES[@]}")
  local package
  for package in debs/*.deb; do dpkg-deb -x "$package" root; done
}

# The vendored reflect2 does not link with Go 1.19; Debian's own does.
mend_source() {
  local name=github.com/modern-go/reflect2
  rm -rf "$source/vendor/$name"
  cp -rL "root/usr/share/gocode/src/$name" "$source/vendor/$name"
  rm -f "$source/vendor/$name"/*_test.go
  mkdir -p "$source/.go/src/k8s.io" shim tmp home
  ln -sfn "$source" "$source/.go/src/k8s.io/kubernetes"
  printf '#!/bin/sh\nLD_LIBRARY_PATH=%s/usr/lib/x86_64-linux-gnu exec %s/usr/bin/rsync "$@"\n' \
    "$PWD/root" "$PWD/root" >shim/rsync
  chmod 755 shim/rsync
}

compile() {
  local work=$PWD program
  export GOPATH=$source/.go GOROOT=$work/root/usr/lib/go-1.19 GOCACHE=$work/gocache GOTMPDIR=$work/tmp
  export HOME=$work/home PATH=$work/shim:$work/root/usr/lib/go-1.19/bin:$PATH
  export CGO_ENABLED=0 GOPROXY=off GO111MODULE=off
  export KUBE_GIT_VERSION=v$VERSION KUBE_GIT_COMMIT=debian KUBE_GIT_TREE_STATE=archive
  cd "$source/.go/src/k8s.io/kubernetes"
  make generated_files >"$work/generated.log" 2>&1 || { tail -n 20 "$work/generated.log" >&2; exit 1; }
  for program in "${PROGRAMS[@]}"; do
    go build -trimpath -ldflags "$(linker_flags)" -o "$work/bin/$program" "k8s.io/kubernetes/cmd/$program"
    say "built $program"
  done
}

linker_flags() {
  local package flags="-s -w"
  for package in component-base/version client-go/pkg/version; do
    package=k8s.io/kubernetes/vendor/k8s.io/$package
    flags+=" -X $package.gitVersion=v$VERSION -X $package.gitMajor=1 -X $package.gitMinor=20"
    flags+=" -X $package.gitTreeState=archive"
  done
  echo "$flags"
}

main() {
  if complete; then return; fi
  say "Building Kubernetes $VERSION into $CACHE: about ten minutes"
  mkdir -p "$CACHE"
  work=$(mktemp -d "$CACHE/work.XXXXXX")
  trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
  cd "$work"
  mkdir bin
  fetch_source
  source=$(echo "$PWD"/kubernetes-1.20*/)
  source=${source%/}
  fetch_go
  mend_source
  (compile)
  mv bin/* "$CACHE/"
}

main
