{{- define "roadstead.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "roadstead.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "roadstead.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "roadstead.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "roadstead.selector" -}}
app.kubernetes.io/name: {{ include "roadstead.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{/* Selector labels come last: commonLabels cannot change them. */}}
{{- define "roadstead.labels" -}}
{{- $own := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_"))
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/part-of" "roadstead"
  "app.kubernetes.io/managed-by" .Release.Service }}
{{- toYaml (merge (include "roadstead.selector" . | fromYaml) $own .Values.commonLabels) }}
{{- end }}

{{- define "roadstead.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "roadstead.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "roadstead.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* Names of the enabled providers as a JSON list. */}}
{{- define "roadstead.clouds" -}}
{{- $clouds := list }}
{{- range $name, $provider := .Values.providers }}
{{- if $provider.enabled }}{{ $clouds = append $clouds $name }}{{ end }}
{{- end }}
{{- if not $clouds }}{{ fail "enable at least one of the providers, for example --set providers.aws.enabled=true" }}{{ end }}
{{- toJson $clouds }}
{{- end }}

{{/* The enabled classes as one YAML stream for `roadstead operator --classes`; empty without one. */}}
{{- define "roadstead.classes" -}}
{{- $clouds := list }}
{{- range include "roadstead.clouds" . | fromJsonArray }}{{ $clouds = append $clouds (dict "name" .) }}{{ end }}
{{- range $name, $class := .Values.classes }}
{{- if and $class $class.enabled }}
---
{{ toYaml (dict
  "apiVersion" "roadstead.dev/v1alpha1"
  "kind" "LoadBalancerClass"
  "metadata" (dict "name" $name "labels" (dict "app.kubernetes.io/part-of" "roadstead" "app.kubernetes.io/instance" $.Release.Name))
  "spec" (merge (dict) ($class.spec | default dict) (dict "clouds" $clouds))) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "roadstead.proxy.name" -}}
{{- include "roadstead.fullname" . }}-proxy
{{- end }}

{{- define "roadstead.proxy.selector" -}}
{{- toYaml (merge (dict "app.kubernetes.io/component" "proxy") (include "roadstead.selector" . | fromYaml)) }}
{{- end }}

{{- define "roadstead.proxy.labels" -}}
{{- toYaml (merge (include "roadstead.proxy.selector" . | fromYaml) (include "roadstead.labels" . | fromYaml)) }}
{{- end }}

{{- define "roadstead.proxy.serviceAccount" -}}
{{- .Values.proxy.serviceAccount.name | default (ternary (include "roadstead.proxy.name" .) "default" .Values.proxy.serviceAccount.create) }}
{{- end }}

{{/*
The configuration file. system-node-critical has the kubelet set -997, the lowest of a Pod; the proxy's own -999 would need a capability more.
*/}}
{{- define "roadstead.proxy.config" -}}
{{- $own := dict "apiVersion" "kubeproxy.config.k8s.io/v1alpha1" "kind" "KubeProxyConfiguration" "mode" .Values.proxy.mode }}
{{- toYaml (merge $own .Values.proxy.config (dict "oomScoreAdj" -997)) }}
{{- end }}

{{/* Port of /healthz and /livez. */}}
{{- define "roadstead.proxy.healthPort" -}}
{{- $at := .Values.proxy.config.healthzBindAddress | default "" }}
{{- if regexMatch `^(\[.*\]|[^:]*):[0-9]+$` $at }}{{ regexFind "[0-9]+$" $at }}{{ else }}10256{{ end }}
{{- end }}
