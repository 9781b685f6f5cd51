{{/*
A store for trying docmill out: its Service and the frame of its StatefulSet. Takes a dict: root, store.
*/}}
{{- define "docmill.evaluationStore" -}}
{{- $root := .root -}}
{{- $evaluation := $root.Values.evaluation -}}
{{- $values := get $evaluation .store -}}
{{- $name := include "docmill.componentName" (list $root .store) -}}
{{- $port := get (include "docmill.evaluationPorts" $root | fromYaml) .store -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  labels:
    {{- include "docmill.labels" (list $root .store) | nindent 4 }}
spec:
  selector:
    {{- include "docmill.selector" (list $root .store) | nindent 4 }}
  ports:
    - {name: {{ .store }}, port: {{ $port }}, protocol: TCP}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ $name }}
  labels:
    {{- include "docmill.labels" (list $root .store) | nindent 4 }}
spec:
  replicas: 1
  serviceName: {{ $name }}
  selector:
    matchLabels:
      {{- include "docmill.selector" (list $root .store) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "docmill.labels" (list $root .store) | nindent 8 }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      {{- include "docmill.pull" $root | nindent 6 }}
      securityContext:
        runAsNonRoot: true
        runAsUser: {{ $values.user }}
        runAsGroup: {{ $values.user }}
        fsGroup: {{ $values.user }}
        seccompProfile: {type: RuntimeDefault}
      containers:
        - name: {{ .store }}
          image: {{ $values.image }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          securityContext:
            {{- include "docmill.containerSecurity" $root | nindent 12 }}
          ports:
            - {name: {{ .store }}, containerPort: {{ $port }}, protocol: TCP}
          startupProbe:
            tcpSocket: {port: {{ .store }}}
            periodSeconds: 2
            failureThreshold: 90
          readinessProbe:
            tcpSocket: {port: {{ .store }}}
            periodSeconds: 5
          resources:
            {{- toYaml $evaluation.resources | nindent 12 }}
          {{- include (printf "docmill.%s.container" .store) $root | nindent 10 }}
      {{- include (printf "docmill.%s.volumes" .store) $root | nindent 6 }}
        - name: scratch
          emptyDir: {sizeLimit: 64Mi}
        {{- if not $evaluation.persistence.enabled }}
        - name: data
          emptyDir: {}
        {{- end }}
  {{- if $evaluation.persistence.enabled }}
  volumeClaimTemplates:
    - metadata:
        name: data
        labels:
          {{- include "docmill.selector" (list $root .store) | nindent 10 }}
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $evaluation.persistence.storageClassName }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests: {storage: {{ $evaluation.persistence.size }}}
  {{- end }}
{{- end -}}
