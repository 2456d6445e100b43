{{/* Name of all objects: the release's name. */}}
{{- define "aim.fullname" -}}
{{- .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- end }}

{{/* Selector labels: dict "root" and "component". */}}
{{- define "aim.selector" -}}
app.kubernetes.io/name: aim
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "aim.labels" -}}
{{ include "aim.selector" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* A volume with one model's files is mounted as that model's folder, otherwise as the cache. */}}
{{- define "aim.mountPath" -}}
/workspace/model-cache
{{- if and .Values.model.name (not .Values.fleet.enabled) }}/{{ .Values.model.name }}{{ end }}
{{- end }}

{{- define "aim.volume" -}}
name: model
{{- if .Values.fleet.enabled }}
hostPath:
  path: {{ .Values.fleet.path }}
  type: Directory
{{- else }}
persistentVolumeClaim:
  claimName: {{ .Values.storage.existingClaim | default (include "aim.fullname" .) }}
{{- end }}
{{- end }}

{{/* Placement of every pod: job and engine need the same nodes, because a volume may be bound to one node. */}}
{{- define "aim.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Common fields of every pod. */}}
{{- define "aim.pod" -}}
serviceAccountName: {{ include "aim.fullname" . }}
automountServiceAccountToken: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "aim.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "aim.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "aim.env" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* Selects the profile and thereby the model: the same for downloads and the engine. */}}
{{- define "aim.selection" -}}
- name: AIM_PRECISION
  value: {{ .Values.profile.precision }}
- name: AIM_METRIC
  value: {{ .Values.profile.metric }}
{{- with .Values.profile.id }}
- name: AIM_PROFILE_ID
  value: {{ . | quote }}
{{- end }}
{{- if regexMatch "^(s3|oci)://" .Values.model.ref }}
- name: AIM_CUSTOM_MODEL_NAME
  value: {{ .Values.model.name | quote }}
{{- end }}
{{- end }}

{{/* Download source and credentials. */}}
{{- define "aim.source" -}}
{{- with .Values.source.endpoint }}
- name: HF_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- with .Values.source.tokenSecret }}
- name: HF_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: token
      optional: true
{{- end }}
{{- with .Values.download.maxBandwidth }}
- name: AIM_DOWNLOAD_MAX_BANDWIDTH
  value: {{ . | quote }}
{{- end }}
{{- include "aim.env" .Values.source.env }}
{{- end }}

{{/* Fields of a container that downloads, except name and command: dict "root" and "env". */}}
{{- define "aim.download" -}}
image: {{ .root.Values.image.downloader | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
env:
  - name: {{ if .root.Values.model.inImage }}AIM_ID{{ else }}AIM_MODEL_ID{{ end }}
    value: {{ .root.Values.model.ref | quote }}
  # The GPU of the serving nodes: this pod has none.
  - name: AIM_GPU_MODEL
    value: {{ .root.Values.gpu.model | quote }}
  - name: AIM_GPU_COUNT
    value: {{ .root.Values.gpu.count | quote }}
  {{- include "aim.selection" .root | nindent 2 }}
  {{- with include "aim.source" .root | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .env }}
  {{- . | nindent 2 }}
  {{- end }}
{{- with .root.Values.source.s3Secret }}
envFrom:
  - secretRef:
      name: {{ . }}
{{- end }}
{{- include "aim.downloadResources" .root | nindent 0 }}
{{- end }}

{{- define "aim.downloadResources" -}}
resources:
  requests:
    cpu: {{ .Values.download.cpu | quote }}
    memory: 256Mi
  limits:
    memory: {{ .Values.download.memory }}
securityContext:
  {{- include "aim.containerSecurity" . | nindent 2 }}
{{- end }}
