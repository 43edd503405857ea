/** Drives an agent (agent-main.ts) in a namespace: probes made by it, and the Pod it stands for. */
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { spawnIn } from '../../sandbox/nodes/netns.ts'
import { exitOf } from '../../sandbox/nodes/processes.ts'

export interface Probe {
  host: string
  port: number
  timeoutMs: number
  localPort?: number
}

export type Answer = { ok: true; name: string; peer: string } | { ok: false; code: string }

export interface LoadResult {
  sent: number
  failures: string[]
  names: Record<string, number>
}

/** Status 0: no answer; the body is then the error code. */
export interface HttpResult {
  status: number
  headers: Record<string, string>
  body: string
}

type Result = Answer | LoadResult | HttpResult

export type Request = { id: number } & (
  | ({ op: 'tcp' | 'udp' } & Probe)
  | ({ op: 'load'; perSecond: number; forMs: number } & Probe)
  | { op: 'http'; url: string }
)

type Unnumbered<T> = T extends unknown ? Omit<T, 'id'> : never

export interface Reply {
  id: number
  result: Result
}

type Waiting = (result: Result) => void

export interface Agent {
  /** Name of who answered, or the error code: `ECONNREFUSED`, `TIMEOUT`, ... */
  tcp(host: string, port: number, more?: Partial<Probe>): Promise<string>
  udp(host: string, port: number, more?: Partial<Probe>): Promise<string>
  /** Source address that the answering Pod saw, or the error code. */
  seen(protocol: 'tcp' | 'udp', host: string, port: number): Promise<string>
  /** Distinct answers of `times` attempts, sorted. */
  spread(protocol: 'tcp' | 'udp', host: string, port: number, times?: number): Promise<string[]>
  load(host: string, port: number, load: { perSecond: number; forMs: number }): Promise<LoadResult>
  http(url: string): Promise<HttpResult>
  stop(): Promise<void>
}

export async function startAgent(namespace: string, name: string, ports: readonly number[] = []): Promise<Agent> {
  const main = fileURLToPath(new URL('agent-main.ts', import.meta.url))
  const child: ChildProcess = spawnIn(namespace, [process.execPath, main, name, ...ports.map(String)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const waiting = new Map<number, Waiting>()
  let lastId = 0
  const ready = new Promise<void>((resolve, reject) => {
    waiting.set(0, () => resolve())
    child.once('exit', () => reject(new Error(`agent ${name} ended`)))
  })
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { id, result } = JSON.parse(line) as Reply
      waiting.get(id)?.(result)
      waiting.delete(id)
    })
  }
  await ready

  const ask = (request: Unnumbered<Request>) =>
    new Promise<Result>((resolve) => {
      const id = ++lastId
      waiting.set(id, resolve)
      child.stdin?.write(`${JSON.stringify({ id, ...request })}\n`)
    })
  const probe = async (op: 'tcp' | 'udp', host: string, port: number, more: Partial<Probe> = {}) =>
    (await ask({ op, host, port, timeoutMs: 700, ...more })) as Answer
  const nameOf = (answer: Answer) => (answer.ok ? answer.name : answer.code)

  return {
    tcp: async (host, port, more) => nameOf(await probe('tcp', host, port, more)),
    udp: async (host, port, more) => nameOf(await probe('udp', host, port, more)),
    async seen(protocol, host, port) {
      const answer = await probe(protocol, host, port)
      return answer.ok ? answer.peer : answer.code
    },
    async spread(protocol, host, port, times = 40) {
      const answers = await Promise.all(Array.from({ length: times }, () => probe(protocol, host, port)))
      return [...new Set(answers.map(nameOf))].sort()
    },
    load: async (host, port, load) => (await ask({ op: 'load', host, port, timeoutMs: 2000, ...load })) as LoadResult,
    http: async (url) => (await ask({ op: 'http', url })) as HttpResult,
    async stop() {
      const ended = exitOf(child)
      child.stdin?.end()
      await ended
    },
  }
}
