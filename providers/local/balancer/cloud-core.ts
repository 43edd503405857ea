/**
 * The local cloud without sockets and without a kernel: requests change the state through the state machine, the health checks'
 * verdicts and the passing of time do too, and whoever follows the state is told. The control API and the unit tests' fake both stand on it,
 * so the fake refuses what the real one refuses.
 */
import type { CloudKind, CloudObject, CloudRequest, HealthCheckSpec, Tags } from '../wire.ts'
import type { Faults } from './faults.ts'
import { noFaults } from './faults.ts'
import type { BalancerState, Settings } from './model.ts'
import { create, expire, list, remove, update } from './state.ts'
import { judge } from './targets.ts'

export type Change =
  | { verb: 'create' | 'update'; request: CloudRequest }
  | { verb: 'delete'; kind: CloudKind; name: string; tags: Tags }

/** What happened, for people and for comparing with a plan. */
interface Mutation {
  verb: Change['verb']
  kind: CloudKind
  name: string
}

export interface CloudCore {
  state(): BalancerState
  faults: Faults
  /** Throws a Refusal and changes nothing, or changes the state. */
  change(change: Change): void
  /** A client's view of the objects whose tags are wanted. */
  list(wanted: (tags: Tags) => boolean): CloudObject[]
  judge(verdict: { group: string; target: string; check: HealthCheckSpec; healthy: boolean; reason?: string }): void
  /** Forgets what has drained by now. */
  expire(): void
  mutations(): readonly Mutation[]
}

/** At least so many of the last mutations are remembered. */
const memory = 10_000

export function createCloudCore(
  initial: BalancerState,
  settings: Settings,
  now: () => number,
  changed: (state: BalancerState) => void = () => {},
): CloudCore {
  let state = initial
  let history: { at: number; state: BalancerState }[] = [{ at: -Infinity, state }]
  const mutations: Mutation[] = []
  const core: CloudCore = {
    faults: noFaults,
    state: () => state,
    change(change) {
      const quota = core.faults.loadBalancerQuota ?? settings.loadBalancerQuota
      const own = { ...settings, loadBalancerQuota: quota }
      const before = state
      if (change.verb === 'delete') become(remove(state, change.kind, change.name, change.tags, now()))
      else if (change.verb === 'create') become(create(state, change.request, own, now()))
      else become(update(state, change.request, own, now()))
      if (state === before) return
      become(expire(state, now()))
      const { kind, name } = change.verb === 'delete' ? change : change.request
      mutations.push({ verb: change.verb, kind, name })
      if (mutations.length > 2 * memory) mutations.splice(0, memory)
    },
    list(wanted) {
      const { visibilityMs, provisioningMs } = core.faults
      const seen = visibilityMs === 0 ? state : stateAt(now() - visibilityMs)
      return list(seen, wanted, now(), provisioningMs)
    },
    judge({ group: name, target, check, healthy, reason }) {
      const group = state.targetGroups[name]
      if (!group) return
      const verdict = { healthy, since: now(), ...(reason === undefined ? {} : { reason }) }
      const next = judge(group, target, check, verdict)
      if (next !== group) become({ ...state, targetGroups: { ...state.targetGroups, [name]: next } })
    },
    expire: () => become(expire(state, now())),
    mutations: () => mutations,
  }
  return core

  function become(next: BalancerState): void {
    if (next === state) return
    state = next
    const { visibilityMs } = core.faults
    history =
      visibilityMs === 0
        ? []
        : history.filter(({ at }, index) => index === history.length - 1 || at >= now() - 2 * visibilityMs)
    history.push({ at: now(), state })
    changed(state)
  }

  function stateAt(time: number): BalancerState {
    return (history.findLast(({ at }) => at <= time) ?? history[0])?.state ?? state
  }
}
