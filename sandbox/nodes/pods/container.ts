/**
 * One container of a Pod: a process that is started, probed, started again with kubelet's backoff when it ends, and stopped gracefully.
 * `view` is always the present state; `onChange` says that it is another one.
 */
import type { ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import { type Clock, sleep } from '../../../kube/clock.ts'
import type { Container } from '../../../kube/objects.ts'
import { exitOf } from '../processes.ts'
import { ContainerConfigError } from './environment.ts'
import { afterProbe, nextProbeMs, notReadyYet, type ProbePlan, probePlan } from './probe.ts'
import type { ContainerState, ContainerView } from './status.ts'

export interface ContainerOptions {
  spec: Container
  restartPolicy: 'Always' | 'OnFailure' | 'Never'
  /** Starts the process; throws ContainerConfigError, ImageError. */
  launch: () => ChildProcess
  /** undefined: success. */
  probe: (plan: ProbePlan) => Promise<string | undefined>
  backoff: RestartBackoff
  clock: Clock
  onChange: () => void
  /** For Events. */
  report: (type: 'Normal' | 'Warning', reason: string, message: string) => void
}

/** kubelet: 10 s, doubled at each crash up to 5 min, forgotten after 10 min of running. The first restart is at once. */
export interface RestartBackoff {
  initialMs: number
  maxMs: number
  forgetAfterMs: number
}

export const kubeletBackoff: RestartBackoff = { initialMs: 10_000, maxMs: 300_000, forgetAfterMs: 600_000 }

/** The container's image is not one of ours. */
export class ImageError extends Error {
  override readonly name = 'ImageError'
}

export interface RunningContainer {
  view(): ContainerView
  /** SIGTERM, after `graceMs` SIGKILL; resolves when it ended. A later call with less grace shortens it. */
  stop(graceMs: number): Promise<void>
}

export function startContainer(options: ContainerOptions): RunningContainer {
  const { spec, clock } = options
  let state: ContainerState = { kind: 'waiting', reason: 'ContainerCreating' }
  let last: ContainerState | undefined
  let restarts = 0
  let child: ChildProcess | undefined
  const stopping = new AbortController()

  const become = (next: ContainerState) => {
    state = next
    options.onChange()
  }

  /** One run of the process; resolves with how it ended, or undefined when it could not be started. */
  const runOnce = async (): Promise<(ContainerState & { kind: 'terminated' }) | undefined> => {
    try {
      child = options.launch()
    } catch (error) {
      become(cannotStart(error))
      options.report('Warning', 'Failed', error instanceof Error ? error.message : String(error))
      return undefined
    }
    const exit = exitOf(child)
    const startedAt = timestamp(clock)
    const plan = probePlan(spec)
    become({ kind: 'running', startedAt, ready: plan === undefined })
    options.report('Normal', 'Started', `Started container ${spec.name}`)
    const ended = new AbortController()
    if (typeof plan === 'string') options.report('Warning', 'Unhealthy', `Readiness probe errored: ${plan}`)
    else if (plan) void probeUntil(plan, startedAt, ended.signal)
    const { code, signal } = await exit
    ended.abort()
    killGroup(child)
    return terminated(code, signal, startedAt, timestamp(clock))
  }

  const probeUntil = async (plan: ProbePlan, startedAt: string, signal: AbortSignal) => {
    let result = notReadyYet
    let everReady = false
    await sleep(clock, plan.initialDelayMs, signal)
    while (!signal.aborted) {
      const failure = await options.probe(plan)
      if (signal.aborted) return
      const before = result.ready
      result = afterProbe(result, failure === undefined, plan)
      if (failure !== undefined && everReady)
        options.report('Warning', 'Unhealthy', `Readiness probe failed: ${failure}`)
      everReady ||= result.ready
      if (result.ready !== before) become({ kind: 'running', startedAt, ready: result.ready })
      await sleep(clock, nextProbeMs(plan, everReady), signal)
    }
  }

  const live = async () => {
    let crashes = 0
    while (!stopping.signal.aborted) {
      const began = clock.now()
      const end = await runOnce()
      if (stopping.signal.aborted || (end && !restartsAfter(end.exitCode, options.restartPolicy))) {
        if (end) become(end)
        return
      }
      crashes = clock.now() - began >= options.backoff.forgetAfterMs ? 0 : crashes + 1
      // The first failure of a process restarts it at once; a container that cannot even be created always waits.
      const waitMs = backoffMs(options.backoff, end ? crashes - 1 : crashes)
      if (end) {
        last = end
        become(
          waitMs > 0
            ? {
                kind: 'waiting',
                reason: 'CrashLoopBackOff',
                message: `back-off ${waitMs / 1000}s restarting failed container=${spec.name}`,
              }
            : end,
        )
        if (waitMs > 0) options.report('Warning', 'BackOff', `Back-off restarting failed container ${spec.name}`)
      }
      await sleep(clock, waitMs, stopping.signal)
      if (stopping.signal.aborted) {
        if (end) become(end)
        return
      }
      if (end) restarts += 1
    }
  }

  const living = live()
  let kill: (() => void) | undefined
  return {
    view: () => ({ spec, state, restarts, ...(last ? { last } : {}) }),
    async stop(graceMs) {
      if (!stopping.signal.aborted) {
        stopping.abort()
        child?.kill('SIGTERM')
      }
      kill?.()
      const cancel = clock.after(graceMs, () => child && isRunning(child) && killGroup(child))
      kill = cancel
      await living
      cancel()
    },
  }
}

function restartsAfter(exitCode: number, policy: ContainerOptions['restartPolicy']): boolean {
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0)
}

function backoffMs({ initialMs, maxMs }: RestartBackoff, failures: number): number {
  return failures <= 0 ? 0 : Math.min(initialMs * 2 ** (failures - 1), maxMs)
}

function cannotStart(error: unknown): ContainerState {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof ImageError) return { kind: 'waiting', reason: 'ErrImagePull', message }
  return {
    kind: 'waiting',
    reason: error instanceof ContainerConfigError ? 'CreateContainerConfigError' : 'CreateContainerError',
    message,
  }
}

function terminated(code: number | null, signal: NodeJS.Signals | null, startedAt: string, finishedAt: string) {
  const number = signal ? (constants.signals[signal] ?? 0) : undefined
  const exitCode = code ?? 128 + (number ?? 0)
  const reason = exitCode === 0 ? 'Completed' : 'Error'
  return { kind: 'terminated' as const, exitCode, reason, startedAt, finishedAt, ...(number ? { signal: number } : {}) }
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}

/** The process leads its own group (spawnIn): whatever it started goes with it, as with the first process of a container. */
function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  } catch {
    // Nobody left in the group.
  }
}

function timestamp(clock: Clock): string {
  return new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z')
}
