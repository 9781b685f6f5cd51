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

{{/* The ways to these stores. Takes a list: the Secret's name, stores. */}}
{{- define "docmill.secrets" -}}
{{- $secret := index . 0 -}}
{{- $names := include "docmill.storeSecrets" $ | fromYaml -}}
{{- range index . 1 }}
{{- range get $names . }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ . }}}}
{{- end }}
{{- end }}
{{- end -}}

{{/* The CA of the stores, where libpq, OpenSSL and boto3 look for it. */}}
{{- define "docmill.certificateEnvironment" -}}
{{- if .Values.certificates.configMap }}
{{- range list "PGSSLROOTCERT" "SSL_CERT_FILE" "AWS_CA_BUNDLE" }}
- name: {{ . }}
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
