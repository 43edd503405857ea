/** A node's prober as seen by the Pod runtime. A prober process that ends is started again; what it had not answered counts as failed. */
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { type Clock, sleep } from '../../../kube/clock.ts'
import { spawnIn } from '../netns.ts'
import { exitOf } from '../processes.ts'
import type { ProbeTarget } from './probe.ts'

export interface Prober {
  /** undefined: success; a text: what was wrong. */
  probe(host: string, target: ProbeTarget, timeoutMs: number): Promise<string | undefined>
  stop(): Promise<void>
}

export interface ProberOptions {
  /** Namespace of the node. */
  namespace: string
  node: string
  env: Readonly<Record<string, string>>
  clock: Clock
}

export function startProber({ namespace, node, env, clock }: ProberOptions): Prober {
  const waiting = new Map<number, (failure: string | undefined) => void>()
  let child: ChildProcess | undefined
  let stopped = false
  let lastId = 0

  const launch = () => {
    const argv = [node, join(import.meta.dirname, 'prober-main.ts')]
    const started = spawnIn(namespace, argv, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env })
    child = started
    started.on('message', (message) => {
      const { id, failure } = message as { id: number; failure: string }
      settle(id, failure === '' ? undefined : failure)
    })
    started.on('error', () => {})
    void restartAfter(started)
  }
  const restartAfter = async (started: ChildProcess) => {
    await exitOf(started)
    for (const id of waiting.keys()) settle(id, 'the prober ended')
    if (stopped) return
    await sleep(clock, 500)
    if (!stopped) launch()
  }
  const settle = (id: number, failure: string | undefined) => {
    const resolve = waiting.get(id)
    waiting.delete(id)
    resolve?.(failure)
  }

  launch()
  return {
    probe(host, target, timeoutMs) {
      if (stopped || !child?.connected) return Promise.resolve('the prober is not running')
      const id = ++lastId
      const result = new Promise<string | undefined>((resolve) => waiting.set(id, resolve))
      child.send({ id, host, target, timeoutMs }, (error) => error && settle(id, error.message))
      return result
    },
    async stop() {
      stopped = true
      if (!child) return
      const ended = exitOf(child)
      child.kill('SIGKILL')
      await ended
    },
  }
}
