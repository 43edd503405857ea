/**
 * The operator against an AWS-compatible endpoint: in this process (through operator/run.ts, flags and budgets included) where nothing
 * has to die, and as a process of its own where it is killed or measured.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { run } from '../../operator/run.ts'

export interface OperatorOptions {
  kubeconfig: string
  /** Environment of the AWS SDK: endpoint, region, credentials. */
  env: Readonly<Record<string, string>>
  /** Further flags, after the common ones. */
  flags?: readonly string[]
  cluster?: string
  /** Folder of compiled code that starts share, for processes that are started often; it is filled by one that ends by itself. */
  compileCache?: string
}

export interface RunningOperator {
  /** As on SIGTERM. */
  stop: () => Promise<void>
  /** What it has written to its log. */
  log: () => string
}

export interface OperatorProcess extends RunningOperator {
  readonly pid: number
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
  readonly ended: boolean
  /** CPU time used and the most memory that was resident so far; of a process that still runs. */
  usage(): { cpuMs: number; peakMiB: number }
}

/** Node's flags in the image: those of the Containerfile's entry point. */
export const imageNodeFlags: readonly string[] = flagsOf(
  readFileSync(new URL('../../Containerfile', import.meta.url), 'utf8'),
)

function flagsOf(containerfile: string): string[] {
  const words = JSON.parse(/^ENTRYPOINT (\[.*\])$/m.exec(containerfile)?.[1] ?? '[]') as string[]
  return words.filter((word) => word.startsWith('--'))
}

const main = new URL('../../cli/main.ts', import.meta.url).pathname

function argvOf({ kubeconfig, flags = [], cluster = 'test' }: OperatorOptions): string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    // A replaced load balancer goes at once: its grace is for clients that remember names.
    ...(flags.some((flag) => flag.startsWith('--provider=')) ? [] : ['--provider=aws=replacement-grace=0']),
    `--cluster-id=${cluster}`,
    '--leader-elect=false',
    '--metrics-bind-address=0',
    '--health-bind-address=0',
    ...flags,
  ]
}

/** The SDK reads the process's environment, so all operators of one process talk to one endpoint. */
export function startInProcess(options: OperatorOptions): RunningOperator {
  Object.assign(process.env, options.env)
  const stopping = new AbortController()
  let log = ''
  const ended = run(argvOf(options), {
    env: { ...process.env, ...options.env },
    signal: stopping.signal,
    stdout: (text) => (log += text),
    stderr: (text) => (log += text),
  })
  // A failure is reported by stop; until then it must not end the test process.
  ended.catch(() => undefined)
  return {
    log: () => log,
    async stop() {
      stopping.abort()
      await ended
    },
  }
}

export function startProcess(options: OperatorOptions): OperatorProcess {
  const child = spawn(process.execPath, [...imageNodeFlags, main, 'operator', ...argvOf(options)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      HOME: '/nonexistent',
      ...(options.compileCache === undefined ? {} : { NODE_COMPILE_CACHE: options.compileCache }),
      ...options.env,
    },
  })
  let log = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (log += text))
  const closed = once(child, 'close')
  const pid = child.pid ?? 0
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    child.kill(signal)
    await closed
  }
  return {
    pid,
    log: () => log,
    get ended() {
      return child.exitCode !== null || child.signalCode !== null
    },
    async stop() {
      await end('SIGTERM')
      if (child.exitCode !== 0) throw new Error(`the operator ended with code ${child.exitCode}:\n${log}`)
    },
    kill: () => end('SIGKILL'),
    usage: () => ({ cpuMs: cpuMsOf(pid), peakMiB: peakMiBOf(pid) }),
  }
}

/** User and system time of /proc/PID/stat (proc(5)), whose ticks are 10 ms on every Linux that matters here. */
function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

function peakMiBOf(pid: number): number {
  const peak = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(peak ?? 0) / 1024
}
