/**
 * How many Service ports have policy Local and endpoints only on other nodes: their traffic is dropped here. Kept up to date Service by
 * Service, by family. No I/O.
 */
import type { Service } from '../kube/objects.ts'
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
  const short = new Map<string, Short>()
  /** Those that could be short: looked at again when the node's place changes. */
  const concerned = new Set<string>()

  const look = (key: string) => {
    const service = view.service(key)
    short.delete(key)
    concerned.delete(key)
    if (service === undefined || !isProxied(service)) return
    const policies = localPolicies(service)
    if (policies.length === 0) return
    concerned.add(key)
    const found = none()
    for (const port of service.spec.ports ?? []) {
      const named = { name: port.name ?? '', protocol: port.protocol ?? 'TCP' } as const
      for (const family of families) {
        if (!clusterIps(service).some((address) => address.family === family)) continue
        const { any, local } = reachable(portEndpoints(view.slices(key), named, family, place), place)
        if (any && local.length === 0) for (const policy of policies) found[policy][family]++
      }
    }
    short.set(key, found)
  }

  return {
    mark: (key) => void marked.add(key),
    setPlace(now) {
      place = now
      for (const key of concerned) marked.add(key)
    },
    count() {
      for (const key of marked) look(key)
      marked.clear()
      const sum = none()
      for (const each of short.values()) {
        for (const policy of ['internal', 'external'] as const) {
          for (const family of families) sum[policy][family] += each[policy][family]
        }
      }
      return sum
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
