#!/usr/bin/env bash
# Starts one real Kubernetes node in a network namespace of its own: up.sh PROGRAMS FOLDER IMAGES...
# PROGRAMS is what build.sh made; IMAGES are archives, the first of them the pause image. Pods are in
# 10.198.0.0/24, services in 10.199.0.0/16, both in reach of this machine. down.sh FOLDER ends it.
set -euo pipefail
readonly PROGRAMS=$1 FOLDER=$2
shift 2
HERE=$(cd "$(dirname "$0")" && pwd)
readonly HERE
readonly SPACE=docmill-node OUTSIDE=docmill-k8s ADDRESS=10.197.0.10
readonly PODS=/sys/fs/cgroup/cpu/kubepods
# Not `ip netns exec`: that hides /sys/fs/cgroup.
readonly INSIDE="nsenter --net=/run/netns/$SPACE"

start() {
  local name=$1
  shift
  # shellcheck disable=SC2086 # a command and its argument
  setsid $INSIDE "$@" >"$name.log" 2>&1 &
  echo $! >"$name.pid"
}

await() {
  local tries=300
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || { echo "never true: $*" >&2; exit 1; }
    sleep 0.2
  done
}

make_network() {
  ip netns add $SPACE
  ip link add $OUTSIDE type veth peer name eth0 netns $SPACE
  ip addr add 10.197.0.1/24 dev $OUTSIDE
  ip link set $OUTSIDE up
  ip -n $SPACE link set lo up
  ip -n $SPACE addr add $ADDRESS/24 dev eth0
  ip -n $SPACE link set eth0 up
  ip -n $SPACE route add default via 10.197.0.1
  $INSIDE sysctl -qw net.ipv4.ip_forward=1
  ip route replace 10.198.0.0/16 via $ADDRESS
  ip route replace 10.199.0.0/16 via $ADDRESS
}

certificate() {
  openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "$2" ${3:+-addext "$3"} 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -out "$1.crt" -days 30 \
    -copy_extensions copy 2>/dev/null
}

client() {
  certificate "$1" "$2"
  local config=(kubectl --kubeconfig "$1.conf" config)
  "${config[@]}" set-cluster node --server="https://$ADDRESS:6443" --certificate-authority=ca.crt --embed-certs
  "${config[@]}" set-credentials user --client-certificate="$1.crt" --client-key="$1.key" --embed-certs
  "${config[@]}" set-context node --cluster=node --user=user
  "${config[@]}" use-context node
}

make_keys() {
  openssl genrsa -out tokens.key 2048 2>/dev/null
  openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 30 -subj /CN=docmill-node 2>/dev/null
  certificate server /CN=kube-apiserver \
    "subjectAltName=IP:127.0.0.1,IP:$ADDRESS,IP:10.199.0.1,DNS:kubernetes.default.svc"
  client admin /O=system:masters/CN=admin
  client controller /CN=system:kube-controller-manager
  client scheduler /CN=system:kube-scheduler
  client proxy /CN=system:kube-proxy
  client kubelet /O=system:nodes/CN=system:node:node
}

start_control_plane() {
  start etcd etcd --data-dir etcd --listen-client-urls http://127.0.0.1:2379 \
    --advertise-client-urls http://127.0.0.1:2379 --unsafe-no-fsync
  start api "$PROGRAMS/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 \
    --bind-address=$ADDRESS --secure-port=6443 --advertise-address=$ADDRESS \
    --service-cluster-ip-range=10.199.0.0/16 --client-ca-file=ca.crt \
    --tls-cert-file=server.crt --tls-private-key-file=server.key \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file=tokens.key \
    --service-account-signing-key-file=tokens.key --authorization-mode=Node,RBAC --allow-privileged=true \
    --enable-admission-plugins=NodeRestriction --kubelet-client-certificate=admin.crt \
    --kubelet-client-key=admin.key --kubelet-preferred-address-types=InternalIP
  await kubectl --kubeconfig admin.conf get --raw /readyz
  start controller "$PROGRAMS/kube-controller-manager" --kubeconfig=controller.conf --root-ca-file=ca.crt \
    --service-account-private-key-file=tokens.key --use-service-account-credentials --leader-elect=false --port=0
  start scheduler "$PROGRAMS/kube-scheduler" --kubeconfig=scheduler.conf --leader-elect=false --port=0
}

start_containers() {
  mkdir -p net.d
  sed "s|@FOLDER@|$FOLDER|g" "$HERE/network.json" >net.d/10-docmill.conflist
  sed "s|@FOLDER@|$FOLDER|g" "$HERE/containerd.toml" >containerd.toml
  start containerd containerd -c containerd.toml
  await ctr -a "$FOLDER/containerd.sock" version
  local archive
  for archive in "$@"; do ctr -a "$FOLDER/containerd.sock" -n k8s.io images import "$archive" >/dev/null; done
}

start_node() {
  echo "nameserver $ADDRESS" >resolv.conf
  sed "s|@FOLDER@|$FOLDER|g" "$HERE/kubelet.yaml" >kubelet.yaml
  sed "s|@FOLDER@|$FOLDER|g" "$HERE/proxy.yaml" >proxy.yaml
  start kubelet "$PROGRAMS/kubelet" --config=kubelet.yaml --kubeconfig=kubelet.conf --hostname-override=node \
    --node-ip=$ADDRESS --root-dir="$FOLDER/kubelet" --cert-dir="$FOLDER/pki" --container-runtime=remote \
    --container-runtime-endpoint="unix://$FOLDER/containerd.sock" --containerd="$FOLDER/containerd.sock"
  start proxy "$PROGRAMS/kube-proxy" --config=proxy.yaml
  touch hosts
  start dns dnsmasq -k -u root --listen-address=$ADDRESS --bind-interfaces --no-resolv --no-hosts \
    --addn-hosts="$FOLDER/hosts" --local=/cluster.local/ --pid-file=
  start names "$HERE/names.sh" "$FOLDER"
  await sh -c "kubectl --kubeconfig admin.conf get node node | grep -q ' Ready'"
  # All pods together count as two processes by default: too few on a machine that others keep busy.
  [ ! -d $PODS ] || echo 16384 >$PODS/cpu.shares
}

mkdir -p "$FOLDER"
cd "$FOLDER"
make_network
make_keys >/dev/null
start_control_plane
start_containers "$@"
start_node
