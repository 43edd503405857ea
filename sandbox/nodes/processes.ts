/**
 * Processes by identity: a pid and the time it started, from /proc. A pid alone may be somebody else's by now,
 * so nothing is signalled unless both still match.
 */
import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type Clock, sleep } from '../../kube/clock.ts'

export interface ProcessIdentity {
  pid: number
  /** Field 22 of /proc/<pid>/stat: clock ticks since boot. */
  startTime: number
}

/** Identity of a running process; undefined when there is none with this pid. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = statOf(pid)
  return stat && { pid, startTime: stat.startTime }
}

/** True while exactly this process runs; a zombie does not. */
export function isAlive(process: ProcessIdentity): boolean {
  const stat = statOf(process.pid)
  return stat !== undefined && stat.startTime === process.startTime && stat.state !== 'Z' && stat.state !== 'X'
}

/** Signals exactly this process; false when it is gone. */
function signalProcess(target: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(target)) return false
  try {
    return process.kill(target.pid, signal)
  } catch {
    return false // ended between the look and the signal
  }
}

/** SIGTERM to all, SIGKILL to those left after `graceMs`; resolves when none runs. */
export async function endProcesses(
  targets: readonly ProcessIdentity[],
  options: { clock: Clock; graceMs: number },
): Promise<void> {
  let left = targets.filter((target) => signalProcess(target, options.graceMs > 0 ? 'SIGTERM' : 'SIGKILL'))
  const deadline = options.clock.now() + options.graceMs
  let killed = options.graceMs <= 0
  while (left.length > 0) {
    await sleep(options.clock, 5)
    left = left.filter(isAlive)
    const late = options.clock.now() - deadline
    if (!killed && late >= 0) {
      for (const target of left) signalProcess(target, 'SIGKILL')
      killed = true
    }
    if (late > 10_000) throw new Error(`processes survived SIGKILL: ${left.map(({ pid }) => pid).join(' ')}`)
  }
}

/** Resolves with the exit of a child: at once when it already ended. */
export function exitOf(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  if (child.exitCode !== null || child.signalCode !== null)
    return Promise.resolve({ code: child.exitCode, signal: child.signalCode })
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
    child.once('error', () => resolve({ code: 127, signal: null }))
  })
}

function statOf(pid: number): { state: string; startTime: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold spaces and parentheses: fields are counted from the last one.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { state: fields[0] ?? '', startTime: Number(fields[19]) }
  } catch {
    return undefined
  }
}
