/**
 * A long-lived process of the sandbox (proxy, operator, balancer, relay): started in a namespace or on the machine, its output in a
 * log file, started again when it ends by itself. It dies with the sandbox, also by SIGKILL.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, sleep } from '../kube/clock.ts'
import type { Log } from '../kube/log.ts'
import { type Instance, recordProcess } from './nodes/instance.ts'
import { spawnIn } from './nodes/netns.ts'
import { exitOf } from './nodes/processes.ts'

export interface ComponentOptions {
  name: string
  instance: Instance
  argv: readonly string[]
  /** Network namespace; absent: where we are. */
  namespace?: string
  env: Readonly<Record<string, string | undefined>>
  clock: Clock
  log: Log
}

export interface Component {
  readonly name: string
  readonly logFile: string
  /** undefined while it does not run. */
  pid(): number | undefined
  /** Starts it unless it runs. */
  start(): void
  /** Ends it and leaves it ended until start(): SIGTERM and SIGKILL after 5 s, or the signal given. */
  stop(signal?: NodeJS.Signals): Promise<void>
  /** The end of what it printed, for messages. */
  lastWords(): string
}

/** Starts it at once. */
export function startComponent(options: ComponentOptions): Component {
  const { name, instance, clock, log } = options
  const logFile = join(instance.folder, `${name}.log`)
  let wanted = false
  let child: ChildProcess | undefined

  const component: Component = {
    name,
    logFile,
    pid: () => child?.pid,
    start() {
      if (wanted) return
      wanted = true
      launch()
    },
    async stop(signal) {
      wanted = false
      const running = child
      if (running === undefined) return
      const ended = exitOf(running)
      running.kill(signal ?? 'SIGTERM')
      const cancel = clock.after(5000, () => running.kill('SIGKILL'))
      await ended
      cancel()
    },
    lastWords() {
      try {
        return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-3).join('\n')
      } catch {
        return ''
      }
    },
  }

  function launch(): void {
    const output = openSync(logFile, 'a')
    const startedAt = clock.now()
    const started = spawnComponent(options, output)
    closeSync(output)
    child = started
    if (started.pid !== undefined) recordProcess(instance, name, started.pid)
    void again(started, startedAt)
  }

  /** Waits for its end; starts the next one unless the end was wanted. A process that ends at once is given a second. */
  async function again(started: ChildProcess, startedAt: number): Promise<void> {
    const { code, signal } = await exitOf(started)
    if (child === started) child = undefined
    if (!wanted) return
    log.warn({ component: name, code, signal, logFile }, `${name} ended and is started again; its log: ${logFile}`)
    await sleep(clock, clock.now() - startedAt < 1000 ? 1000 : 0)
    if (wanted && child === undefined) launch()
  }

  component.start()
  return component
}

function spawnComponent({ namespace, argv, env }: ComponentOptions, output: number): ChildProcess {
  const stdio: ['ignore', number, number] = ['ignore', output, output]
  if (namespace !== undefined) return spawnIn(namespace, argv, { stdio, env })
  // A session of its own: Ctrl-C is for the one who stops the parts in order.
  return spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...argv], { stdio, env: { ...env }, detached: true })
}
