{{/* All that call somebody: the services, and the pods that come and go. */}}
{{- define "docmill.clients" -}}
{{ include "docmill.services" . }}
migrate:
  stores: {{ ternary "[postgresql, s3]" "[postgresql]" .Values.evaluation.enabled }}
  silent: true
test:
  stores: [postgresql]
  callsApi: true
  silent: true
{{- end -}}

{{- define "docmill.evaluationPorts" -}}
postgresql: 5432
rabbitmq: 5672
s3: 8333
{{- end -}}

{{/* The rule that lets a pod reach a store. Takes a list: root, store. */}}
{{- define "docmill.storeEgress" -}}
{{- $root := index . 0 -}}
{{- $store := index . 1 -}}
{{- if $root.Values.evaluation.enabled -}}
- ports: [{port: {{ get (include "docmill.evaluationPorts" $root | fromYaml) $store }}}]
  to:
    - podSelector:
        matchLabels:
          {{- include "docmill.selector" (list $root $store) | nindent 10 }}
{{- else -}}
{{- $known := get $root.Values.networkPolicy $store -}}
- ports:
    {{- range $known.ports }}
    - port: {{ . }}
    {{- end }}
  {{- with $known.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}
