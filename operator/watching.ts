/** Which change of which object wakes which key. */
import type { Service } from '../kube/objects.ts'
import { keyOf } from '../kube/key.ts'
import type { KeyQueue } from '../kube/queue.ts'
import type { NodeWindow } from '../reconcilers/placement/node-window.ts'
import type { Placements } from '../reconcilers/placement/placements.ts'
import type { Desire } from '../reconcilers/service/desire.ts'
import { classPrefix } from '../reconcilers/words.ts'
import { byClass, byNamespace } from './caches.ts'
import type { Caches } from './caches.ts'

export interface WatchingDeps {
  caches: Caches
  decide: (service: Service) => Desire
  placements: Placements
  window: NodeWindow
  serviceQueue: KeyQueue
  adminQueue: KeyQueue
  /** Services that were refused: ports or places that others give up may help them. */
  refused: Set<string>
}

/** Pools' use is counted again at most so often. */
const countAfterMs = 1000

/** Puts everything into its queue once, then what changes. Returns the cancellation. */
export function watchEverything(deps: WatchingDeps): () => void {
  const { caches, placements, window, serviceQueue, adminQueue, refused } = deps
  const touch = (service: Service) => serviceQueue.add(keyOf(service))
  const wakeRefused = () => {
    for (const key of refused) serviceQueue.add(key)
    refused.clear()
  }
  const countPools = () => {
    for (const name of caches.pools.cache.keys()) adminQueue.addAfter(`pool/${name}`, countAfterMs)
  }
  const touchClass = (name: string) => {
    for (const service of caches.services.cache.indexed(byClass, classPrefix + name)) touch(service)
    for (const service of caches.services.cache.indexed(byClass, '')) touch(service)
  }
  const concerns = (service: Service) =>
    placements.ofName(keyOf(service)).length > 0 || deps.decide(service).kind !== 'not-ours'

  for (const service of caches.services.cache.values()) if (concerns(service)) touch(service)
  for (const key of caches.loadBalancers.cache.keys())
    if (caches.services.cache.at(key) === undefined) serviceQueue.add(key)
  for (const name of caches.classes.cache.keys()) adminQueue.add(`class/${name}`)
  for (const name of caches.pools.cache.keys()) adminQueue.add(`pool/${name}`)

  const cancellations = [
    caches.services.cache.onChange(({ before, after }) => {
      const service = after ?? before
      if (service !== undefined && concerns(service)) touch(service)
      if (portsOf(before) === portsOf(after)) return
      countPools()
      if (before !== undefined) wakeRefused()
    }),
    caches.loadBalancers.cache.onChange(({ key }) => {
      if (placements.ofName(key).length > 0) serviceQueue.add(key)
    }),
    caches.nodes.cache.onChange(() => window.noticed()),
    caches.classes.cache.onChange(({ key }) => {
      adminQueue.add(`class/${key}`)
      touchClass(key)
    }),
    caches.pools.cache.onChange(({ key }) => {
      adminQueue.add(`pool/${key}`)
      for (const service of caches.services.cache.values()) {
        if (service.spec.allocateLoadBalancerNodePorts === false && concerns(service)) touch(service)
      }
    }),
    caches.namespaces.cache.onChange(({ key, before, after }) => {
      if (JSON.stringify(before?.metadata.labels) === JSON.stringify(after?.metadata.labels)) return
      for (const service of caches.services.cache.indexed(byNamespace, key)) if (concerns(service)) touch(service)
    }),
  ]
  return () => cancellations.forEach((cancel) => cancel())
}

function portsOf(service: Service | undefined): string {
  if (service === undefined) return ''
  const { ports = [], healthCheckNodePort = 0 } = service.spec
  return [healthCheckNodePort, ...ports.map(({ nodePort = 0 }) => nodePort)].join(',')
}
