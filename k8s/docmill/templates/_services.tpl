{{/*
The services, and what sets each apart: the stores it reaches, whether it serves the API, whether it
calls webhooks, and the setting (with its default) that says how long it may take to leave.
*/}}
{{- define "docmill.services" -}}
ingest:
  stores: [postgresql, s3]
  api: true
  leave: {setting: DOCMILL_DRAIN_SECONDS, seconds: 30}
dispatcher:
  stores: [postgresql, rabbitmq]
  leave: {setting: "", seconds: 10}
validator:
  stores: [postgresql, rabbitmq, s3]
  leave: {setting: DOCMILL_DRAIN_SECONDS, seconds: 30}
ocr:
  stores: [postgresql, rabbitmq, s3]
  leave: {setting: DOCMILL_DRAIN_SECONDS, seconds: 30}
thumbnailer:
  stores: [postgresql, rabbitmq, s3]
  leave: {setting: DOCMILL_DRAIN_SECONDS, seconds: 30}
notifier:
  stores: [postgresql, rabbitmq]
  webhooks: true
  leave: {setting: DOCMILL_DRAIN_SECONDS, seconds: 30}
scheduler:
  stores: [postgresql, s3]
  leave: {setting: DOCMILL_SCHEDULER_FINISH_SECONDS, seconds: 60}
{{- end -}}

{{/* The secret settings of each store. */}}
{{- define "docmill.storeSecrets" -}}
postgresql: [DOCMILL_DATABASE_URL]
rabbitmq: [DOCMILL_RABBITMQ_URL]
s3: [DOCMILL_S3_ACCESS_KEY, DOCMILL_S3_SECRET_KEY]
{{- end -}}

{{/* What tells a service of each store's CA; PostgreSQL's is libpq's own variable. */}}
{{- define "docmill.storeCertificates" -}}
postgresql: PGSSLROOTCERT
rabbitmq: DOCMILL_RABBITMQ_CA_FILE
s3: DOCMILL_S3_CA_FILE
{{- end -}}

{{/*
Seconds between SIGTERM and SIGKILL: what the service takes to leave, the pause before it is told, and
15 s for late commits. Takes a list: root, service, traits.
*/}}
{{- define "docmill.grace" -}}
{{- $root := index . 0 -}}
{{- $leave := (index . 2).leave -}}
{{- $settings := merge (dict) (get $root.Values (index . 1)).settings $root.Values.settings -}}
{{- $seconds := ternary $leave.seconds (get $settings $leave.setting) (not (hasKey $settings $leave.setting)) -}}
{{- add (float64 $seconds | ceil | int) (include "docmill.pause" . | int) 15 -}}
{{- end -}}

{{/* Seconds for which a pod that leaves still takes calls, for the routes to it go later than it. */}}
{{- define "docmill.pause" -}}
{{- ternary 10 0 (hasKey (index . 2) "api") -}}
{{- end -}}
