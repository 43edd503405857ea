/**
 * Cloud objects that carry our cluster's mark and whose Service is gone, or has nothing to do with us any more: reported in the log, in metrics and as an event; removed only where
 * the administrator chose so, after two searches in a row have found them and the API server, asked afresh, knows of no such Service.
 */
import { isApiError } from '../../kube/client.ts'
import type { KubeClient } from '../../kube/client.ts'
import { sleep } from '../../kube/clock.ts'
import type { Clock } from '../../kube/clock.ts'
import type { Log } from '../../kube/log.ts'
import type { ObjectReference, Service } from '../../kube/objects.ts'
import { services } from '../../kube/resources.ts'
import { ownerKey } from '../../providers/contract.ts'
import type { Owner, Provider } from '../../providers/contract.ts'
import { placementKey } from '../placement/placements.ts'
import type { Placements } from '../placement/placements.ts'
import type { EventText } from '../service/changes.ts'

export interface OrphanDeps {
  providers: readonly Provider[]
  client: KubeClient
  placements: Placements
  cluster: string
  /** Whether the Service is, or was until its cleanup ends, a load balancer of ours. */
  concerns: (service: Service) => boolean
  /** 0: never. */
  intervalMs: number
  remove: boolean
  enqueue: (cloud: string, placementKey: string) => void
  event: (reference: ObjectReference, text: EventText) => void
  measured: (cloud: string, count: number) => void
  clock: Clock
  log: Log
}

export interface OrphanSearch {
  /** Searches every cloud again and again until the signal aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>
}

export function orphanSearch(deps: OrphanDeps): OrphanSearch {
  return {
    async run(signal) {
      if (deps.intervalMs <= 0) return
      await Promise.all(deps.providers.map((provider) => searchCloud(deps, provider, signal)))
    },
  }
}

async function searchCloud(deps: OrphanDeps, provider: Provider, signal: AbortSignal): Promise<void> {
  let before = new Set<string>()
  while (!signal.aborted) {
    await sleep(deps.clock, deps.intervalMs, signal)
    if (signal.aborted) return
    try {
      before = await searchOnce(deps, provider, before, signal)
    } catch (error) {
      if (!signal.aborted) deps.log.warn({ cloud: provider.name, err: error }, 'the search for orphans failed')
    }
  }
}

/** Keys of the orphans found. */
async function searchOnce(
  deps: OrphanDeps,
  provider: Provider,
  before: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<Set<string>> {
  const { placements, log } = deps
  const found = new Map<string, Owner>()
  for await (const owner of provider.owners(deps.cluster, signal)) {
    if (placements.at(provider.name, placementKey(owner)) !== undefined) continue
    const state = await serviceOf(deps, owner, signal)
    if (state === 'gone') found.set(ownerKey(owner), owner)
    // The Service lives and has nothing to do in this cloud: its class has lost the cloud while nobody looked.
    else if (placements.ofName(`${owner.namespace}/${owner.name}`).length > 0) release(deps, provider.name, owner)
  }
  for (const [key, owner] of found) {
    if (!before.has(key)) {
      const where = { cloud: provider.name, ...owner }
      log.warn(where, 'a load balancer in the cloud has no Service any more')
      deps.event(
        { apiVersion: 'v1', kind: 'Namespace', name: owner.namespace },
        {
          type: 'Warning',
          reason: 'OrphanedLoadBalancer',
          message: `${provider.name} holds a load balancer of Service ${owner.namespace}/${owner.name} (UID ${owner.uid}), which is gone; remove it with roadstead gc or start the operator with --delete-orphans`,
        },
      )
    } else if (deps.remove) {
      release(deps, provider.name, owner)
    }
  }
  deps.measured(provider.name, found.size)
  return new Set(found.keys())
}

function release(deps: OrphanDeps, cloud: string, owner: Owner): void {
  if (deps.placements.want(cloud, owner, undefined)) deps.enqueue(cloud, placementKey(owner))
}

async function serviceOf(
  { client, concerns }: OrphanDeps,
  owner: Owner,
  signal: AbortSignal,
): Promise<'gone' | 'there'> {
  try {
    const service = await client.get(services, { namespace: owner.namespace, name: owner.name }, signal)
    return service.metadata.uid === owner.uid && concerns(service) ? 'there' : 'gone'
  } catch (error) {
    if (isApiError(error, 404)) return 'gone'
    throw error
  }
}
