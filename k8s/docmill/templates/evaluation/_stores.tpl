{{/* What is each store's own: a part of its container, and of its pod's volumes. */}}

{{- define "docmill.postgresql.container" -}}
args: [postgres, -c, config_file=/etc/postgresql/postgresql.conf]
env:
  - {name: POSTGRES_USER, value: docmill}
  - {name: POSTGRES_DB, value: docmill}
  - {name: PGDATA, value: /var/lib/postgresql/data/pgdata}
  - name: POSTGRES_PASSWORD
    valueFrom: {secretKeyRef: {name: {{ include "docmill.componentName" (list . "stores") }}, key: password}}
volumeMounts:
  - {name: data, mountPath: /var/lib/postgresql/data}
  - {name: configuration, mountPath: /etc/postgresql, readOnly: true}
  - {name: scratch, mountPath: /tmp, subPath: tmp}
  - {name: scratch, mountPath: /var/run/postgresql, subPath: run}
{{- end -}}

{{- define "docmill.postgresql.volumes" -}}
volumes:
  - name: configuration
    secret:
      secretName: {{ include "docmill.componentName" (list . "stores") }}
      items: [{key: postgresql.conf, path: postgresql.conf}]
{{- end -}}

{{- define "docmill.rabbitmq.container" -}}
env:
  - {name: RABBITMQ_NODENAME, value: docmill@localhost}
volumeMounts:
  - {name: data, mountPath: /var/lib/rabbitmq}
  - {name: configuration, mountPath: /etc/rabbitmq, readOnly: true}
  - {name: scratch, mountPath: /tmp}
{{- end -}}

{{- define "docmill.rabbitmq.volumes" -}}
volumes:
  - name: configuration
    secret:
      secretName: {{ include "docmill.componentName" (list . "stores") }}
      items:
        - {key: rabbitmq.conf, path: rabbitmq.conf}
        - {key: enabled_plugins, path: enabled_plugins}
        - {key: definitions.json, path: definitions.json}
{{- end -}}

{{- define "docmill.s3.container" -}}
args:
  - server
  - -dir=/data
  - -ip=127.0.0.1
  - -ip.bind=0.0.0.0
  - -s3.port=8333
  - -s3.config=/etc/seaweedfs/s3.json
  {{- range .Files.Lines "files/seaweedfs/options" | compact }}
  - -{{ . }}
  {{- end }}
volumeMounts:
  - {name: data, mountPath: /data}
  - {name: configuration, mountPath: /etc/seaweedfs, readOnly: true}
  - {name: scratch, mountPath: /tmp}
{{- end -}}

{{- define "docmill.s3.volumes" -}}
volumes:
  - name: configuration
    secret:
      secretName: {{ include "docmill.componentName" (list . "stores") }}
      items: [{key: s3.json, path: s3.json}]
{{- end -}}
