/** Counts what the load tool saw. Times are milliseconds of one monotonic clock, given by the caller. Pure but for its own counts. */
import type { Answer } from './attempts.ts'

export interface ProbeReport {
  kind: string
  target: string
  sent: number
  ok: number
  failed: number
  /** Answers by Pod, by node, by the client address that the Pod saw. */
  answers: Record<string, number>
  nodes: Record<string, number>
  clients: Record<string, number>
  /** Failures by reason. */
  failures: Record<string, number>
  /** The first failures: milliseconds after the start, and why. */
  firstFailures: { atMs: number; reason: string }[]
  latencyMs: { p50: number; p90: number; p99: number; max: number }
  seconds: number
}

export interface Tally {
  ok(answer: Answer, began: number, ended: number): void
  failed(reason: string, began: number): void
  report(now: number): ProbeReport
}

export function createTally(kind: string, target: string, start: number): Tally {
  const answers = new Map<string, number>()
  const nodes = new Map<string, number>()
  const clients = new Map<string, number>()
  const failures = new Map<string, number>()
  const firstFailures: { atMs: number; reason: string }[] = []
  const latencies: number[] = []
  let failed = 0
  return {
    ok(answer, began, ended) {
      latencies.push(ended - began)
      count(answers, answer.answer)
      if (answer.node) count(nodes, answer.node)
      if (answer.client) count(clients, answer.client)
    },
    failed(reason, began) {
      failed += 1
      count(failures, reason)
      if (firstFailures.length < 20) firstFailures.push({ atMs: Math.round(began - start), reason })
    },
    report(now) {
      const sorted = latencies.toSorted((a, b) => a - b)
      const at = (share: number) => round(sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? 0)
      return {
        kind,
        target,
        sent: sorted.length + failed,
        ok: sorted.length,
        failed,
        answers: Object.fromEntries(answers),
        nodes: Object.fromEntries(nodes),
        clients: Object.fromEntries(clients),
        failures: Object.fromEntries(failures),
        firstFailures,
        latencyMs: { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: round(sorted.at(-1) ?? 0) },
        seconds: round((now - start) / 1000),
      }
    },
  }
}

function count(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1)
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
