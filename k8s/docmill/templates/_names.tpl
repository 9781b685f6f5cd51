{{/* Names, labels and images. */}}

{{- define "docmill.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Name of a component's objects. Takes a list: root, component. */}}
{{- define "docmill.componentName" -}}
{{- printf "%s-%s" (include "docmill.fullname" (index . 0)) (index . 1) -}}
{{- end -}}

{{/* What never changes, for selectors. Takes a list: root, and a component unless all are meant. */}}
{{- define "docmill.selector" -}}
app.kubernetes.io/name: {{ default (index . 0).Chart.Name (index . 0).Values.nameOverride | trunc 63 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- if gt (len .) 1 }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}
{{- end -}}

{{/* All labels. Takes a list: root, component. */}}
{{- define "docmill.labels" -}}
{{ include "docmill.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/part-of: docmill
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* An image of ours. Takes a list: root, service. */}}
{{- define "docmill.image" -}}
{{- $root := index . 0 -}}
{{- $image := $root.Values.image -}}
{{- printf "%s%sdocmill-%s:%s" $image.registry (ternary "/" "" (ne $image.registry "")) (index . 1) (default $root.Chart.AppVersion $image.tag) -}}
{{- end -}}

{{/* The Secret that holds the ways to the stores. */}}
{{- define "docmill.secretName" -}}
{{- default (include "docmill.fullname" .) .Values.secret.existing -}}
{{- end -}}

{{/* A value as text. Numbers are floats to helm, which writes large ones with an exponent. */}}
{{- define "docmill.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) (float64 .)) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}
