#!/usr/bin/env bash
# Keeps the names of services in dnsmasq's file while the node runs: names.sh FOLDER. Stands in for CoreDNS.
set -euo pipefail
cd "$1"
readonly LINE='{{if ne .spec.clusterIP "None"}}{{.spec.clusterIP}} {{.metadata.name}}.{{.metadata.namespace}}.svc.cluster.local{{"\n"}}{{end}}'
kubectl --kubeconfig admin.conf get services -A --watch -o name | while read -r _; do
  kubectl --kubeconfig admin.conf get services -A -o go-template="{{range .items}}$LINE{{end}}" >hosts
  kill -HUP "$(cat dns.pid)"
done
