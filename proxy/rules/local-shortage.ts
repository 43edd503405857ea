/**
 * How many Service ports have policy Local and endpoints only on other nodes: their traffic is dropped here. Costs what changed, not
 * what there is. No I/O.
 */
import type { Service } from '../../kube/objects.ts'
import { type Family, families } from './addresses.ts'
import { type Place, portEndpoints, reachable } from './endpoints.ts'
import { clusterIps, isProxied } from './frontends.ts'
import type { ObjectView } from './ruleset.ts'

type Shortage = Readonly<Record<'internal' | 'external', Readonly<Record<Family, number>>>>

export interface LocalShortage {
  mark(serviceKey: string): void
  setPlace(place: Place): void
  /** Ports that are short now. */
  count(): Shortage
}

type Short = Record<'internal' | 'external', Record<Family, number>>

const none = (): Short => ({ internal: { ip: 0, ip6: 0 }, external: { ip: 0, ip6: 0 } })

export function createLocalShortage(view: Pick<ObjectView, 'service' | 'slices'>, initial: Place): LocalShortage {
  let place = initial
  const marked = new Set<string>()
  /** Those that could be short (looked at again when the node's place changes), with what they are short of. */
  const concerned = new Map<string, Short>()
  const sum = none()

  const add = (each: Short, sign: 1 | -1) => {
    for (const policy of ['internal', 'external'] as const) {
      for (const family of families) sum[policy][family] += sign * each[policy][family]
    }
  }

  const look = (key: string) => {
    const before = concerned.get(key)
    if (before) add(before, -1)
    concerned.delete(key)
    const service = view.service(key)
    const policies = service !== undefined && isProxied(service) ? localPolicies(service) : []
    if (service === undefined || policies.length === 0) return
    const found = none()
    for (const port of service.spec.ports ?? []) {
      const named = { name: port.name ?? '', protocol: port.protocol ?? 'TCP' } as const
      for (const family of families) {
        if (!clusterIps(service).some((address) => address.family === family)) continue
        const { any, local } = reachable(portEndpoints(view.slices(key), named, family, place), place)
        if (any && local.length === 0) for (const policy of policies) found[policy][family]++
      }
    }
    concerned.set(key, found)
    add(found, 1)
  }

  return {
    mark: (key) => void marked.add(key),
    setPlace(now) {
      place = now
      for (const key of concerned.keys()) marked.add(key)
    },
    count() {
      for (const key of marked) look(key)
      marked.clear()
      return { internal: { ...sum.internal }, external: { ...sum.external } }
    },
  }
}

function localPolicies({ spec }: Service): ('internal' | 'external')[] {
  const isExternal = spec.type === 'NodePort' || spec.type === 'LoadBalancer'
  return [
    ...(spec.internalTrafficPolicy === 'Local' ? (['internal'] as const) : []),
    ...(isExternal && spec.externalTrafficPolicy === 'Local' ? (['external'] as const) : []),
  ]
}
