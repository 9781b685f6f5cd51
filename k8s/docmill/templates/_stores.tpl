{{/* Where the stores are: the operator's, or the ones of the evaluation. */}}

{{- define "docmill.storeSettings" -}}
DOCMILL_S3_ENDPOINT: {{ ternary (printf "http://%s:8333" (include "docmill.componentName" (list . "s3"))) .Values.s3.endpoint .Values.evaluation.enabled | quote }}
DOCMILL_S3_BUCKET: {{ .Values.s3.bucket | quote }}
DOCMILL_S3_REGION: {{ .Values.s3.region | quote }}
{{- with .Values.s3.encryption }}
DOCMILL_S3_ENCRYPTION: {{ . | quote }}
{{- end }}
{{- with .Values.s3.kmsKey }}
DOCMILL_S3_KMS_KEY: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* The secret settings by name; nothing when they are in a Secret of the operator's. */}}
{{- define "docmill.secretData" -}}
{{- if .Values.evaluation.enabled -}}
{{- $password := include "docmill.evaluationPassword" . -}}
DOCMILL_DATABASE_URL: {{ printf "postgresql://docmill:%s@%s:5432/docmill" $password (include "docmill.componentName" (list . "postgresql")) | quote }}
DOCMILL_RABBITMQ_URL: {{ printf "amqp://docmill:%s@%s:5672/docmill" $password (include "docmill.componentName" (list . "rabbitmq")) | quote }}
DOCMILL_S3_ACCESS_KEY: docmill
DOCMILL_S3_SECRET_KEY: {{ $password | quote }}
{{- else if not .Values.secret.existing -}}
{{- range $name, $value := dict "DOCMILL_DATABASE_URL" "databaseUrl" "DOCMILL_RABBITMQ_URL" "rabbitmqUrl" "DOCMILL_S3_ACCESS_KEY" "s3AccessKey" "DOCMILL_S3_SECRET_KEY" "s3SecretKey" }}
{{ $name }}: {{ get $.Values.secret $value | required (printf "secret.%s is not set: give it, or the name of a Secret in secret.existing, or evaluation.enabled=true" $value) | quote }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* One password for the three, made at the first install and found again at every upgrade. */}}
{{- define "docmill.evaluationPassword" -}}
{{- $evaluation := .Values.evaluation -}}
{{- if not $evaluation.password -}}
{{- $kept := lookup "v1" "Secret" .Release.Namespace (printf "%s-stores" (include "docmill.fullname" .)) -}}
{{- $_ := set $evaluation "password" (dig "data" "password" (randAlphaNum 24 | b64enc) (default (dict) $kept) | b64dec) -}}
{{- end -}}
{{- $evaluation.password -}}
{{- end -}}
