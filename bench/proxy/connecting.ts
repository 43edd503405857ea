/** Drives a process in a namespace that makes connections (connecting-main.ts). Times are of the machine's monotonic clock, in ms. */
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { spawnIn } from '../../sandbox/nodes/netns.ts'

export interface Target {
  host: string
  port: number
}

export type Order =
  /** Tries all of them again and again until each has answered; the time when the last one had. */
  | { op: 'until'; targets: readonly Target[]; timeoutMs: number }
  /** Connects to each once; how many answered. */
  | { op: 'sweep'; targets: readonly Target[]; width: number }
  /** Connects to each again and again until the wanted endpoint has answered; the time when the last one had. */
  | { op: 'reach'; wanted: readonly (Target & { endpoint: string })[]; timeoutMs: number }
  /** New connections at a steady rate until `stop`. */
  | { op: 'load'; target: Target; perSecond: number }
  /** Connections that are kept and used until `stop`; `udp` ones too. */
  | { op: 'flows'; tcp: Target; udp: Target; count: number }
  | { op: 'stop' }
  /** Blocking connect() calls one after another, round the targets; microseconds of each. */
  | { op: 'latency'; targets: readonly Target[]; count: number }
  /** GET; the answer's body. */
  | { op: 'fetch'; url: string }

export interface Answers {
  until: { at: number }
  sweep: { answered: number }
  reach: { at: number }
  load: { started: true }
  flows: { started: true }
  stop: { sent: number; failures: string[]; flows: number; lost: string[] }
  latency: { micros: number[] }
  fetch: { text: string }
}

export type Reply = { id: number } & ({ result: Answers[keyof Answers] } | { error: string })

export interface Connecting {
  ask<O extends Order>(order: O): Promise<Answers[O['op']]>
  end(): void
}

export function now(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}

export async function startConnecting(namespace: string, children: ChildProcess[]): Promise<Connecting> {
  const main = new URL('connecting-main.ts', import.meta.url).pathname
  const child = spawnIn(namespace, [process.execPath, main], { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  const waiting = new Map<number, (reply: Reply) => void>()
  let lastId = 0
  const ready = new Promise<void>((resolve, reject) => {
    waiting.set(0, () => resolve())
    child.once('exit', (code) => reject(new Error(`the connecting process ended with ${code}`)))
  })
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const reply = JSON.parse(line) as Reply
      waiting.get(reply.id)?.(reply)
      waiting.delete(reply.id)
    })
  }
  await ready
  return {
    ask: <O extends Order>(order: O) =>
      new Promise<Answers[O['op']]>((resolve, reject) => {
        const id = ++lastId
        waiting.set(id, (reply) => {
          if ('error' in reply) reject(new Error(`${order.op}: ${reply.error}`))
          else resolve(reply.result as Answers[O['op']])
        })
        child.stdin?.write(`${JSON.stringify({ id, ...order })}\n`)
      }),
    end: () => child.stdin?.end(),
  }
}
