/**
 * What kube-proxy knows and this proxy has no use for, with the reason it is told with. It is accepted, so that a configuration made for
 * kube-proxy works as it is, and named once at start where it says anything but the default.
 */
const noLimit = 'there is no limit of requests: the proxy lists and watches, and writes Events only'
const encoding = 'the API server is asked for JSON'
const follows = 'what was missed is found by the watch, and by a new list every hour'
const lines = 'the log is one JSON object a line on stderr'
const profiling = "Node's own profiler is there: node --inspect, kill -USR1"
const windows = 'it is for Windows'
const gone = 'kube-proxy does not use it any more either'
const hidden = 'no metric is hidden'

export const ignoredFlags: Readonly<Record<string, string>> = {
  'cleanup-ipvs': gone,
  'config-sync-period': follows,
  'enable-dsr': windows,
  'forward-healthcheck-vip': windows,
  'kube-api-burst': noLimit,
  'kube-api-content-type': encoding,
  'kube-api-qps': noLimit,
  'log-flush-frequency': lines,
  'log-json-info-buffer-size': lines,
  'log-json-split-stream': lines,
  'log-text-info-buffer-size': lines,
  'log-text-split-stream': lines,
  'logging-format': lines,
  'network-name': windows,
  profiling,
  'proxy-port-range': gone,
  'root-hnsendpoint-name': windows,
  'show-hidden-metrics-for-version': hidden,
  'source-vip': windows,
  'udp-timeout': gone,
  vmodule: lines,
  'windows-service': windows,
}

/** Fields, or whole groups of them. */
export const ignoredFields: Readonly<Record<string, string>> = {
  'clientConnection.acceptContentTypes': encoding,
  'clientConnection.burst': noLimit,
  'clientConnection.contentType': encoding,
  'clientConnection.qps': noLimit,
  configSyncPeriod: follows,
  enableProfiling: profiling,
  'logging.flushFrequency': lines,
  'logging.format': lines,
  'logging.options': lines,
  'logging.vmodule': lines,
  portRange: gone,
  resourceContainer: gone,
  showHiddenMetricsForVersion: hidden,
  udpIdleTimeout: gone,
  windowsRunAsService: windows,
  winkernel: windows,
}
