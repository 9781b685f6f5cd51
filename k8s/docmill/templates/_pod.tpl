{{/* Parts of every pod of ours. */}}

{{- define "docmill.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "docmill.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "docmill.pull" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The settings that are no secret, by name: the chart's, everybody's, the service's. */}}
{{- define "docmill.settings" -}}
{{- $root := index . 0 -}}
{{- $chart := dict -}}
{{- if and (eq (index . 1) "ingest") $root.Values.ingress.enabled -}}
{{- $_ := set $chart "DOCMILL_TRUSTED_PROXIES" $root.Values.ingress.trustedProxies -}}
{{- if $root.Values.ingress.tls.enabled -}}
{{- $_ := set $chart "DOCMILL_HSTS_SECONDS" $root.Values.ingress.tls.hstsSeconds -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := merge (dict) (get $root.Values (index . 1)).settings $chart }}
- name: {{ $name }}
  value: {{ include "docmill.text" $value | quote }}
{{- end }}
{{- end -}}

{{/* The ways to these stores. Takes a list: the Secret's name, stores, the name of another for S3 or "". */}}
{{- define "docmill.secrets" -}}
{{- $names := include "docmill.storeSecrets" $ | fromYaml -}}
{{- $common := index . 0 -}}
{{- $ofS3 := default $common (index . 2) -}}
{{- range $store := index . 1 }}
{{- $secret := ternary $ofS3 $common (eq $store "s3") }}
{{- range get $names $store }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ . }}}}
{{- end }}
{{- end }}
{{- end -}}

{{/*
The CA of these stores, and of nothing else: webhooks are checked by the system's. Takes a list: root,
stores.
*/}}
{{- define "docmill.certificateEnvironment" -}}
{{- $names := include "docmill.storeCertificates" $ | fromYaml -}}
{{- if (index . 0).Values.certificates.configMap }}
{{- range index . 1 }}
- name: {{ get $names . }}
  value: /etc/docmill/ca.crt
{{- end }}
{{- end }}
{{- end -}}

{{- define "docmill.certificateMount" -}}
{{- if .Values.certificates.configMap }}
- {name: certificates, mountPath: /etc/docmill, readOnly: true}
{{- end }}
{{- end -}}

{{- define "docmill.certificateVolume" -}}
{{- with .Values.certificates }}
{{- if .configMap }}
- name: certificates
  configMap:
    name: {{ .configMap }}
    items: [{key: {{ .key }}, path: ca.crt}]
{{- end }}
{{- end }}
{{- end -}}
