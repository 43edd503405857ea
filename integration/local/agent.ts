/** The test's side of an agent: typed calls to the process of agent-main.ts in a namespace. */
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { spawnIn } from '../../sandbox/nodes/netns.ts'
import { exitOf } from '../../sandbox/nodes/processes.ts'

export interface EchoAnswer {
  node: string
  client: string
  text: string
}

export interface LoadResult {
  ok: number
  failed: number
  errors: Record<string, number>
}

type Answer = EchoAnswer | { error: string }
type Place = { host: string; port: number }

export interface AgentCalls {
  serve: { args: { name: string; port: number; addresses: readonly string[] }; result: void }
  serveHealth: { args: { port: number; status: number }; result: void }
  ask: { args: Place & { protocol: 'TCP' | 'UDP'; count: number; timeoutMs: number }; result: Answer[] }
  open: { args: Place; result: number }
  talk: { args: { handle: number; timeoutMs: number }; result: Answer }
  talkUdp: { args: Place & { handle: number; timeoutMs: number }; result: Answer }
  startLoad: { args: Place & { perSecond: number }; result: void }
  stopLoad: { args: Record<string, never>; result: LoadResult }
}

export interface Agent {
  call<K extends keyof AgentCalls>(call: K, args: AgentCalls[K]['args']): Promise<AgentCalls[K]['result']>
  stop(): Promise<void>
}

export function startAgent(namespace: string): Agent {
  const main = fileURLToPath(new URL('agent-main.ts', import.meta.url))
  const child = spawnIn(namespace, [process.execPath, main], { stdio: ['pipe', 'pipe', 'inherit'] })
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  let nextId = 1
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { id, result, error } = JSON.parse(line) as { id: number; result?: never; error?: string }
      const call = waiting.get(id)
      waiting.delete(id)
      if (error === undefined) call?.resolve(result as never)
      else call?.reject(new Error(error))
    })
  }
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the agent ended'))
  })
  return {
    call: (call, args) =>
      new Promise((resolve, reject) => {
        const id = nextId++
        waiting.set(id, { resolve, reject })
        child.stdin?.write(`${JSON.stringify({ id, call, args })}\n`)
      }),
    async stop() {
      child.stdin?.end()
      await exitOf(child)
    },
  }
}
