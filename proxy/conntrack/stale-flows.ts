/**
 * Keeps connection tracking in step with the rules: hears what the ruleset hears, at the same moments, and has flows looked at when what
 * they depend on is in the kernel. Without a table to look into it does nothing.
 */
import type { Clock } from '../../kube/clock.ts'
import type { Log } from '../../kube/log.ts'
import type { Change } from '../rules/elements.ts'
import type { NodeFacts } from '../rules/rules.ts'
import type { ObjectView } from '../rules/ruleset.ts'
import type { FlowTable, FrontendId } from './flow.ts'
import { createFlowReconciler, type FlowReconcilerOptions } from './reconcile.ts'
import { createServedFrontends } from './served.ts'
import { doubtfulElements } from './stale.ts'

export interface StaleFlowsOptions {
  table: FlowTable | undefined
  view: ObjectView
  node: NodeFacts
  /** Whether the ruleset wants this frontend, of whatever protocol. */
  isFrontend: (frontend: FrontendId) => boolean
  ipvs?: boolean
  clock: Clock
  log: Log
  observe: FlowReconcilerOptions['observe']
}

export interface StaleFlows {
  mark(serviceKey: string): void
  setNode(facts: NodeFacts): void
  /** The ruleset has just been worked out. */
  settled(): void
  /** What was worked out last is in the kernel. Returns at once. */
  committed(change: Change): void
  stop(): Promise<void>
}

const nothing: StaleFlows = {
  mark: () => {},
  setNode: () => {},
  settled: () => {},
  committed: () => {},
  stop: () => Promise.resolve(),
}
const unnamed: ReadonlySet<string> = new Set()

export function createStaleFlows({ table, view, node, isFrontend, ...options }: StaleFlowsOptions): StaleFlows {
  if (table === undefined) return nothing
  const served = createServedFrontends(view, node)
  const serving = (frontend: FrontendId) => served.targets(frontend) ?? (isFrontend(frontend) ? unnamed : undefined)
  const reconciler = createFlowReconciler({ table, serving, ...options })
  return {
    mark: (key) => served.mark(key),
    setNode(facts) {
      served.setNode(facts)
      served.markAll()
    },
    settled: () => served.settle(),
    committed: (change) => reconciler.check([...served.doubts(), ...doubtfulElements(change)]),
    stop: () => reconciler.stop(),
  }
}
