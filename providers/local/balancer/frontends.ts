/**
 * From the state to what the data plane has to do, pure: one frontend per address, protocol and port, with the targets that get new
 * connections and the nodes whose connections live on.
 */
import type { Family } from './addresses.ts'
import { canonical, familyOf } from './addresses.ts'
import type { BalancerState } from './model.ts'
import { eligible, lingering } from './targets.ts'

interface FrontendTarget {
  id: number
  address: string
  /** 0 in passthrough mode. */
  port: number
}

export interface Frontend {
  /** Name of the listener. */
  listener: string
  family: Family
  address: string
  protocol: 'TCP' | 'UDP'
  port: number
  mode: 'node-port' | 'passthrough'
  targets: readonly FrontendTarget[]
  /** Targets exist and none has been judged yet: callers wait instead of being refused. */
  waiting: boolean
  /** Node ids whose established connections live on, those of `targets` included. */
  keep: readonly number[]
  /** Only `sourceRanges` may connect; they may be none of this family. */
  restricted: boolean
  sourceRanges: readonly string[]
  affinitySeconds: number
}

export function frontendsOf(state: BalancerState, now: number): Frontend[] {
  return Object.values(state.listeners).flatMap(({ request: { name, spec } }) => {
    const loadBalancer = state.loadBalancers[spec.loadBalancer]
    const group = state.targetGroups[spec.targetGroup]
    if (!loadBalancer || !group) return []
    return loadBalancer.addresses.map((address): Frontend => {
      const family = familyOf(address)
      const port = spec.forward.mode === 'node-port' ? spec.forward.nodePort : 0
      const targets = eligible(group).flatMap(({ addresses }) => {
        const own = ofFamily(addresses, family)
        return own === undefined ? [] : [{ id: state.nodeIds[own] ?? 0, address: own, port }]
      })
      const old = lingering(group, spec.protocol, now).flatMap(({ addresses }) => {
        const own = ofFamily(addresses, family)
        return own === undefined ? [] : [state.nodeIds[own] ?? 0]
      })
      return {
        listener: name,
        family,
        address,
        protocol: spec.protocol,
        port: spec.port,
        mode: spec.forward.mode,
        targets,
        waiting: group.targets.length > 0 && group.targets.every(({ verdict }) => !verdict),
        keep: [...new Set([...targets.map(({ id }) => id), ...old])],
        restricted: spec.sourceRanges.length > 0,
        sourceRanges: spec.sourceRanges.filter((range) => familyOf(range) === family),
        affinitySeconds: spec.affinitySeconds,
      }
    })
  })
}

/** When the data plane changes by the passing of time alone; undefined when it does not. */
export function nextDeadline(state: BalancerState, now: number): number | undefined {
  const groups = Object.values(state.targetGroups)
  const ends = [
    ...state.retired.map(({ until }) => until),
    ...groups.flatMap((group) => lingering(group, 'TCP', now).map(({ until }) => until)),
  ].filter((until) => until > now)
  return ends.length > 0 ? Math.min(...ends) : undefined
}

function ofFamily(addresses: readonly string[], family: Family): string | undefined {
  const own = addresses.find((address) => familyOf(address) === family)
  return own === undefined ? undefined : canonical(own)
}
