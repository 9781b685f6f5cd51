#!/usr/bin/env bash
# Ends the node of up.sh and takes away what it made outside its folder: down.sh FOLDER.
set -uo pipefail
cd "$1" || exit 0
readonly CTR=(ctr -a "$PWD/containerd.sock" -n k8s.io)

# Each with its children; what is not gone in ten seconds (the API server waits for its watchers) is killed.
stop() {
  local name pid
  for name in "$@"; do
    [ ! -f "$name.pid" ] || kill -- "-$(cat "$name.pid")" 2>/dev/null
  done
  for name in "$@"; do
    [ -f "$name.pid" ] || continue
    pid=$(cat "$name.pid")
    timeout 10 tail --pid="$pid" -f /dev/null || kill -9 -- "-$pid" 2>/dev/null
    rm "$name.pid"
  done
}

tasks() { "${CTR[@]}" task ls -q 2>/dev/null; }

stop controller # nobody makes pods again
timeout 40 kubectl --kubeconfig admin.conf delete pods -A --all --grace-period=1 --timeout=30s >/dev/null 2>&1
stop names proxy kubelet dns scheduler api etcd
for task in $(tasks); do "${CTR[@]}" task kill -s 9 "$task"; done
for task in $(tasks); do "${CTR[@]}" task rm -f "$task"; done >/dev/null 2>&1
stop containerd
grep -o " $PWD/[^ ]*" /proc/mounts | sort -r | xargs -r umount -l
find /sys/fs/cgroup -depth -type d -path "*/kubepods*" -exec rmdir {} + 2>/dev/null
ip netns del docmill-node
ip link del docmill-k8s 2>/dev/null
ip route del 10.198.0.0/16 2>/dev/null
ip route del 10.199.0.0/16 2>/dev/null
true
