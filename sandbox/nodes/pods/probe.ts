/**
 * Readiness probes, the counting part: when to probe next and what a row of results means. Pure.
 * Defaults and thresholds are those of core/v1 Probe.
 */
import type { Container, Probe } from '../../../kube/objects.ts'

export type ProbeTarget =
  | { kind: 'http'; port: number; path: string; headers: Readonly<Record<string, string>> }
  | { kind: 'tcp'; port: number }

export interface ProbePlan {
  target: ProbeTarget
  initialDelayMs: number
  periodMs: number
  timeoutMs: number
  successThreshold: number
  failureThreshold: number
}

export interface ProbeState {
  ready: boolean
  /** Results in a row that speak against `ready`. */
  against: number
}

export const notReadyYet: ProbeState = { ready: false, against: 0 }

/** `undefined`: no probe, ready as soon as it runs. A string: the probe cannot be made, and why. */
export function probePlan(container: Container): ProbePlan | string | undefined {
  const probe = container.readinessProbe
  if (!probe) return undefined
  const target = probeTarget(probe, container)
  if (typeof target === 'string') return target
  return {
    target,
    initialDelayMs: seconds(probe.initialDelaySeconds, 0),
    periodMs: Math.max(seconds(probe.periodSeconds, 10), 1000),
    timeoutMs: Math.max(seconds(probe.timeoutSeconds, 1), 1000),
    successThreshold: Math.max(probe.successThreshold ?? 1, 1),
    failureThreshold: Math.max(probe.failureThreshold ?? 3, 1),
  }
}

export function afterProbe(state: ProbeState, ok: boolean, plan: ProbePlan): ProbeState {
  if (ok === state.ready) return { ready: state.ready, against: 0 }
  const against = state.against + 1
  const threshold = ok ? plan.successThreshold : plan.failureThreshold
  return against >= threshold ? { ready: ok, against: 0 } : { ready: state.ready, against }
}

/**
 * Waiting time after a probe. Until the container was ready for the first time it is asked four times a second, whatever the period:
 * a failure then changes nothing, and kubelet as well does not sit out a period after start-up.
 */
export function nextProbeMs(plan: ProbePlan, everReady: boolean): number {
  return everReady ? plan.periodMs : Math.min(plan.periodMs, 250)
}

function probeTarget(probe: Probe, container: Container): ProbeTarget | string {
  if (probe.httpGet) {
    const port = portNumber(probe.httpGet.port, container)
    const path = probe.httpGet.path ?? '/'
    return typeof port === 'string'
      ? port
      : { kind: 'http', port, path: path.startsWith('/') ? path : `/${path}`, headers: {} }
  }
  if (probe.tcpSocket) {
    const port = portNumber(probe.tcpSocket.port, container)
    return typeof port === 'string' ? port : { kind: 'tcp', port }
  }
  return 'the sandbox runs httpGet and tcpSocket probes'
}

function portNumber(port: number | string, container: Container): number | string {
  const byName = container.ports?.find(({ name }) => name === port)?.containerPort
  const value = byName ?? Number(port)
  return Number.isInteger(value) && value > 0 && value < 65_536 ? value : `couldn't find port: ${port}`
}

function seconds(value: number | undefined, fallback: number): number {
  return (value ?? fallback) * 1000
}
