/**
 * Takes stale flows out after the rules have changed, so that clients that keep sending from one port reach the new endpoint with their
 * next packet. Runs beside the writing of rules and never delays it; what comes while a sweep runs goes into the next one.
 * Each frontend is looked at twice: a packet that was under way while the rules changed can make a flow of the old kind after the first look.
 */
import type { Clock } from '../../kube/clock.ts'
import type { Log } from '../../kube/log.ts'
import { type Family, families } from '../rules/addresses.ts'
import type { FlowTable, FrontendId } from './flow.ts'
import { isStale, queriesFor, type Serving } from './stale.ts'

export interface FlowReconcilerOptions {
  table: FlowTable
  /** As it is now; asked for the frontends given to `check` only. */
  serving: Serving
  /** Whether IPVS is how the node does it; not if omitted. */
  ipvs?: boolean
  clock: Clock
  log: Log
  observe: (swept: { family: Family; removed: number; seconds: number }) => void
}

export interface FlowReconciler {
  /** The rules in the kernel have changed for these frontends. Returns at once. */
  check(frontends: Iterable<FrontendId>): void
  /** Ends after what was given to `check` was looked at; second looks are taken at once. */
  stop(): Promise<void>
}

const secondLookMs = 1000
/** After a sweep as long a rest, within these bounds: sweeps take half of a thread's time at most. */
const shortestRestMs = 20
const longestRestMs = 1000
const firstRetryMs = 500
const longestRetryMs = 30_000

export function createFlowReconciler(options: FlowReconcilerOptions): FlowReconciler {
  const { table, serving, ipvs = false, clock, log, observe } = options
  let doubts = new Set<FrontendId>()
  /** What cancels them, and what they are for. */
  const secondLooks = new Map<() => void, readonly FrontendId[]>()
  let running: Promise<void> | undefined
  let resting = false
  let stopped = false
  let retryMs = firstRetryMs
  let cancelRest = () => {}

  const run = () => {
    if (running || resting || doubts.size === 0) return
    running = work()
  }

  const work = async () => {
    const started = clock.now()
    const waitMs = await sweepAll()
    running = undefined
    if (stopped) return
    resting = true
    const restMs = Math.min(longestRestMs, Math.max(shortestRestMs, clock.now() - started))
    cancelRest = clock.after(waitMs ?? restMs, () => {
      resting = false
      run()
    })
  }

  /** How long to wait before the next sweep if that is special. */
  const sweepAll = async (): Promise<number | undefined> => {
    const mine = doubts
    doubts = new Set()
    try {
      for (const family of families) await sweep(family, mine)
      retryMs = firstRetryMs
      return undefined
    } catch (error) {
      for (const frontend of mine) doubts.add(frontend)
      log.warn({ error, retryMs }, 'stale flows could not be removed from connection tracking')
      const wait = retryMs
      retryMs = Math.min(retryMs * 2, longestRetryMs)
      return wait
    }
  }

  const sweep = async (family: Family, all: ReadonlySet<FrontendId>) => {
    const mine = new Set([...all].filter((frontend) => frontend.startsWith(`${family} `)))
    if (mine.size === 0) return
    const started = clock.now()
    let removed = 0
    for (const query of queriesFor(mine, await table.count())) {
      const swept = await table.sweep(query, (flow) => mine.has(flow.frontend) && isStale(flow, serving, ipvs))
      removed += swept.removed
    }
    if (removed > 0) log.debug({ family, removed }, 'stale flows removed')
    observe({ family, removed, seconds: (clock.now() - started) / 1000 })
  }

  const lookAgain = (frontends: readonly FrontendId[]) => {
    const cancel = clock.after(secondLookMs, () => {
      secondLooks.delete(cancel)
      for (const frontend of frontends) doubts.add(frontend)
      run()
    })
    secondLooks.set(cancel, frontends)
  }

  return {
    check(frontends) {
      const given = [...frontends]
      if (stopped || given.length === 0) return
      for (const frontend of given) doubts.add(frontend)
      lookAgain(given)
      run()
    },
    async stop() {
      stopped = true
      cancelRest()
      await running
      for (const [cancel, frontends] of secondLooks) {
        cancel()
        for (const frontend of frontends) doubts.add(frontend)
      }
      // What is not done now nobody will do: the next process does not know what was gone before it came.
      for (let attempt = 0; attempt < 2 && doubts.size > 0; attempt++) await sweepAll()
    },
  }
}
