{{/* The run: a release is one. */}}
{{- define "crossad.run" -}}
{{ .Values.run | default .Release.Name }}
{{- end }}

{{/*
The cluster settings, as JSON: the values without what is the chart's own. Helm takes a key away whose value is null;
the settings tell "null" from "not said", so it is put back where null means something.
*/}}
{{- define "crossad.settings" -}}
{{- $found := omit (deepCopy .Values) "suite" "run" "networkPolicy" "global" -}}
{{- $_ := set $found "namespace" .Release.Namespace -}}
{{- range $part, $keys := dict "security" (list "runAsUser" "runAsGroup") "job" (list "maxRuntimeSeconds" "maxPreemptions") -}}
{{- range $key := $keys -}}
{{- if not (hasKey (get $found $part) $key) -}}{{- $_ := set (get $found $part) $key nil -}}{{- end -}}
{{- end -}}
{{- end -}}
{{ toJson $found }}
{{- end }}

{{/* A hash of all that the controller is told: other work, another Job. */}}
{{- define "crossad.hash" -}}
{{ list .Chart.AppVersion (include "crossad.run" .) .Values.suite (include "crossad.settings" .) | toJson | sha256sum }}
{{- end }}

{{/* The name of the controller's Job and of what it reads; 52 characters leave room for the pod's own five. */}}
{{- define "crossad.name" -}}
{{- $safe := include "crossad.run" . | lower | replace "_" "-" | replace "." "-" | replace "+" "-" | trunc 30 | trimAll "-" -}}
controller-{{ $safe }}-{{ include "crossad.hash" . | trunc 10 }}
{{- end }}

{{/* The store as options of a command line, to be typed: numbers as they were given, quotes where a shell needs them. */}}
{{- define "crossad.where" -}}
{{- $words := list "--store" .Values.store.uri -}}
{{- range $name, $value := .Values.store.options -}}
{{- $words = concat $words (list "--store-option" (printf "%s=%s" $name (kindIs "string" $value | ternary $value (toJson $value)))) -}}
{{- end -}}
{{- range $index, $word := $words -}}
{{- if $index }} {{ end -}}
{{- if regexMatch "^[A-Za-z0-9@%+=:,./_-]+$" $word }}{{ $word }}{{ else }}'{{ replace "'" "'\\''" $word }}'{{ end -}}
{{- end -}}
{{- end }}

{{- define "crossad.common" -}}
app.kubernetes.io/name: crossad
app.kubernetes.io/part-of: crossad
{{- end }}

{{- define "crossad.podSecurity" -}}
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- with .Values.security.runAsUser }}
runAsUser: {{ int64 . }}
{{- end }}
{{- with .Values.security.runAsGroup }}
runAsGroup: {{ int64 . }}
{{- end }}
{{- with .Values.security.fsGroup }}
fsGroup: {{ int64 . }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
{{- with .Values.security.supplementalGroups }}
supplementalGroups:
{{- range . }}
- {{ int64 . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "crossad.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop:
  - ALL
readOnlyRootFilesystem: true
{{- end }}

{{/* Variables of every container; the same as crossad's own manifests have, which a test compares. */}}
{{- define "crossad.environment" -}}
{{- $found := dict
  "HOME" "/cache/home" "USER" "crossad" "XDG_CACHE_HOME" "/cache/xdg" "TORCH_HOME" "/cache/torch"
  "HF_HOME" "/cache/huggingface" "TRITON_CACHE_DIR" "/cache/triton" "TORCHINDUCTOR_CACHE_DIR" "/cache/inductor"
  "MPLCONFIGDIR" "/cache/matplotlib" "NUMBA_CACHE_DIR" "/cache/numba" "CUDA_CACHE_PATH" "/cache/cuda" "TMPDIR" "/tmp" -}}
{{- with .Values.proxies -}}
{{- range $name, $value := dict "HTTP_PROXY" .http "HTTPS_PROXY" .https "NO_PROXY" (join "," .exceptFor) -}}
{{- if $value -}}{{- $_ := set $found $name $value -}}{{- $_ := set $found (lower $name) $value -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.ca -}}
{{- $bundle := printf "/etc/crossad/ca/%s" (.key | default "ca.crt") -}}
{{- range list "AWS_CA_BUNDLE" "SSL_CERT_FILE" "REQUESTS_CA_BUNDLE" -}}{{- $_ := set $found . $bundle -}}{{- end -}}
{{- end -}}
{{- if .Values.store.secret -}}
{{- $_ := set $found "AWS_SHARED_CREDENTIALS_FILE" (printf "/etc/crossad/credentials/%s" .Values.store.secretKey) -}}
{{- end -}}
{{- range $name, $value := $found }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "crossad.mounts" -}}
- name: cache
  mountPath: /cache
- name: scratch
  mountPath: /scratch
- name: tmp
  mountPath: /tmp
{{- if .Values.store.secret }}
- name: credentials
  mountPath: /etc/crossad/credentials
  readOnly: true
{{- end }}
{{- if .Values.ca }}
- name: ca
  mountPath: /etc/crossad/ca
  readOnly: true
{{- end }}
{{- end }}

{{- define "crossad.volumes" -}}
- name: cache
  emptyDir:
    sizeLimit: {{ .Values.volumes.cache | quote }}
- name: scratch
  emptyDir:
    sizeLimit: {{ .Values.volumes.scratch | quote }}
- name: tmp
  emptyDir:
    sizeLimit: {{ .Values.volumes.tmp | quote }}
{{- with .Values.store }}
{{- if .secret }}
- name: credentials
  secret:
    secretName: {{ .secret }}
    items:
    - key: {{ .secretKey }}
      path: {{ .secretKey }}
{{- end }}
{{- end }}
{{- with .Values.ca }}
{{- $key := .key | default "ca.crt" }}
- name: ca
  {{- if .configMap }}
  configMap:
    name: {{ .configMap }}
  {{- else }}
  secret:
    secretName: {{ .secret }}
  {{- end }}
    items:
    - key: {{ $key }}
      path: {{ $key }}
{{- end }}
{{- end }}

{{- define "crossad.placement" -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "priorityClassName" "runtimeClassName" "schedulerName" }}
{{- with get $ $key }}
{{ $key }}: {{ toJson . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "crossad.pullSecrets" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end }}
