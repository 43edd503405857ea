/**
 * prom-client without what a node agent has no use for: its entry point loads OpenTelemetry (8 MiB resident on every node), and its default
 * metrics watch the event loop a hundred times a second. The names of process metrics are those every Kubernetes component has.
 */
import { createRequire } from 'node:module'
import type * as PromClient from 'prom-client'

type ProcessMetric = (registry: PromClient.Registry) => void

const require = createRequire(import.meta.url)

export const Counter = require('prom-client/lib/counter.js') as typeof PromClient.Counter
export const Gauge = require('prom-client/lib/gauge.js') as typeof PromClient.Gauge
export const Histogram = require('prom-client/lib/histogram.js') as typeof PromClient.Histogram
export const Registry = require('prom-client/lib/registry.js') as typeof PromClient.Registry

const processMetrics = [
  'osMemoryHeap',
  'heapSizeAndUsed',
  'processStartTime',
  'processOpenFileDescriptors',
  'processMaxFileDescriptors',
]

/** CPU time, memory, heap, open files, start time. */
export function collectProcessMetrics(registry: PromClient.Registry): void {
  const used = new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Total user and system CPU time spent in seconds.',
    registers: [registry],
    collect() {
      const { user, system } = process.cpuUsage()
      used.reset()
      used.inc((user + system) / 1e6)
    },
  })
  for (const name of processMetrics) {
    const collect = require(`prom-client/lib/metrics/${name}.js`) as ProcessMetric
    collect(registry)
  }
}
