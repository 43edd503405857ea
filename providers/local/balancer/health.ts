/**
 * Health checks: one probe per node address and question, shared by all target groups that ask it; verdicts by thresholds.
 * A target without a verdict is asked every 250 ms: the first pass makes it healthy at once, `unhealthyThreshold` failures in a row
 * make it unhealthy; but where nobody answers, not before `unhealthyThreshold` intervals are over, since the port of a new check may
 * open late. After that the interval of the check holds, and `healthyThreshold` passes bring a target back.
 */
import type { HealthCheckSpec } from '../wire.ts'
import type { Clock } from './clock.ts'

/** `answered`: the node itself said no, as opposed to silence or a closed port. */
export type ProbeResult = { healthy: true } | { healthy: false; reason: string; answered?: boolean }
export type Probe = (address: string, check: HealthCheckSpec, signal: AbortSignal) => Promise<ProbeResult>

/** One target under one check. */
export interface Subject {
  group: string
  target: string
  address: string
  check: HealthCheckSpec
  /** A target that comes back from draining is another subject: it has to hear the verdict again. */
  draining?: boolean
}

export interface HealthChecks {
  /** Starts what is new, stops what is gone, leaves the rest running. */
  watch(subjects: readonly Subject[]): void
  stop(): void
}

interface Running {
  subjects: readonly Subject[]
  result: ProbeResult | undefined
  stop(): void
}

const firstVerdictMs = 250

export function createHealthChecks(
  clock: Clock,
  probe: Probe,
  report: (subjects: readonly Subject[], result: ProbeResult) => void,
): HealthChecks {
  let running = new Map<string, Running>()
  return {
    watch(subjects) {
      const wanted = Map.groupBy(subjects, ({ address, check }) => `${address} ${JSON.stringify(check)}`)
      for (const [key, present] of running) if (!wanted.has(key)) present.stop()
      const before = running
      running = new Map()
      for (const [key, own] of wanted) {
        const present = before.get(key)
        if (!present) {
          running.set(key, start(own))
          continue
        }
        const known = new Set(present.subjects.map(subjectKey))
        const joined = own.filter((subject) => !known.has(subjectKey(subject)))
        present.subjects = own
        running.set(key, present)
        const { result } = present
        if (result && joined.length > 0) clock.after(0, () => report(joined, result))
      }
    },
    stop() {
      for (const present of running.values()) present.stop()
      running = new Map()
    },
  }

  function start(subjects: readonly Subject[]): Running {
    const [first] = subjects
    const stopped = new AbortController()
    const state: Running = { subjects, result: undefined, stop: () => stopped.abort() }
    if (!first) return state
    const { address, check } = first
    const intervalMs = check.intervalSeconds * 1000
    const patientUntil = clock.now() + check.unhealthyThreshold * intervalMs
    let passes = 0
    let failures = 0
    const next = () => void ask()
    let cancel = clock.after(0, next)
    stopped.signal.addEventListener('abort', () => cancel(), { once: true })
    return state

    async function ask(): Promise<void> {
      const began = clock.now()
      const result = await probe(address, check, stopped.signal)
      if (stopped.signal.aborted) return
      judge(result)
      const pauseMs = state.result ? intervalMs : Math.min(firstVerdictMs, intervalMs)
      cancel = clock.after(Math.max(0, pauseMs - (clock.now() - began)), next)
    }

    function judge(result: ProbeResult): void {
      passes = result.healthy ? passes + 1 : 0
      failures = result.healthy ? 0 : failures + 1
      const enough = result.healthy
        ? state.result === undefined || passes >= check.healthyThreshold
        : failures >= check.unhealthyThreshold &&
          (state.result !== undefined || result.answered === true || clock.now() >= patientUntil)
      if (!enough || same(state.result, result)) return
      state.result = result
      report(state.subjects, result)
    }
  }
}

function subjectKey({ group, target, draining = false }: Subject): string {
  return `${draining} ${group} ${target}`
}

function same(a: ProbeResult | undefined, b: ProbeResult): boolean {
  return a !== undefined && a.healthy === b.healthy && (a.healthy || b.healthy || a.reason === b.reason)
}
