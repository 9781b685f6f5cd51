{{/* A container that runs docmill-admin, but for its arguments. Takes a list: root, the Secret's name. */}}
{{- define "docmill.admin" -}}
{{- $root := index . 0 -}}
image: {{ include "docmill.image" (list $root "ingest") }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
command: [docmill-admin]
securityContext:
  {{- include "docmill.containerSecurity" $root | nindent 2 }}
env:
  {{- $stores := ternary (list "postgresql" "s3") (list "postgresql") $root.Values.evaluation.enabled }}
  {{- include "docmill.secrets" (list (index . 1) $stores "") | nindent 2 }}
  {{- include "docmill.certificateEnvironment" (list $root $stores) | nindent 2 }}
  {{- range $name, $value := include "docmill.storeSettings" $root | fromYaml }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
resources:
  {{- toYaml $root.Values.migration.resources | nindent 2 }}
volumeMounts:
  - {name: scratch, mountPath: /tmp}
  {{- include "docmill.certificateMount" $root | nindent 2 }}
{{- end -}}
