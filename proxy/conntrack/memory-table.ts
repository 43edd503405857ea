/** Flows in memory, for tests: the kernel's side of FlowTable. It shows what matches the query, as a kernel of today does. */
import { type Flow, FlowFailure, type FlowQuery, type FlowTable } from './flow.ts'

export interface MemoryFlows {
  flows: Flow[]
  queries: FlowQuery[]
  /** The next sweep fails with this. */
  failure: string | undefined
  /** A sweep waits for it. */
  gate: Promise<void>
}

export function memoryTable(): { table: FlowTable; memory: MemoryFlows } {
  const memory: MemoryFlows = { flows: [], queries: [], failure: undefined, gate: Promise.resolve() }
  const table: FlowTable = {
    name: 'memory',
    count: () => Promise.resolve(memory.flows.length),
    async sweep(query, isStale) {
      memory.queries.push(query)
      await memory.gate
      const { failure } = memory
      memory.failure = undefined
      if (failure !== undefined) throw new FlowFailure(failure)
      const shown = memory.flows.filter((flow) => matches(flow, query))
      const stale = new Set(shown.filter(isStale))
      memory.flows = memory.flows.filter((flow) => !stale.has(flow))
      return { seen: shown.length, removed: stale.size }
    },
  }
  return { table, memory }
}

function matches(flow: Flow, { family, protocol, destination, unreplied }: FlowQuery): boolean {
  if (flow.protocol !== protocol || !flow.frontend.startsWith(`${family} `)) return false
  if (unreplied && flow.replied) return false
  return (
    destination === undefined ||
    flow.frontend === `${family} ${destination.address} . ${protocol} . ${destination.port}`
  )
}
