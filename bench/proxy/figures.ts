/** Medians, percentiles and what the machine was doing meanwhile. */
import { readFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import type { BenchCluster } from './world.ts'

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

/** Kernel memory that cannot be reclaimed, MiB, of the whole machine. */
export function kernelMiB(): number {
  return Number(/^SUnreclaim:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) / 1024
}

/** Processes that wanted to run, over the last minute. */
export function load(): number {
  return loadavg()[0] ?? Number.NaN
}

/** Seconds that the proxy on this node has spent waiting for the kernel, by its own count. */
export async function kernelSeconds({ onNode }: BenchCluster): Promise<number> {
  const { text } = await onNode.ask({ op: 'fetch', url: 'http://127.0.0.1:10249/metrics' })
  return Number(/^roadstead_proxy_kernel_seconds_total (\S+)$/m.exec(text)?.[1] ?? Number.NaN)
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
