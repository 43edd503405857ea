/**
 * The fresh read before destructive steps: a cache may be old, an API server's answer to a GET is not. What is read is learnt, so that a
 * stale view heals by the way.
 */
import { isApiError } from '../kube/client.ts'
import type { KubeClient } from '../kube/client.ts'
import type { Service } from '../kube/objects.ts'
import { services } from '../kube/resources.ts'
import { sameBase, serviceKeyOf } from '../reconcilers/placement/placements.ts'
import type { Placement } from '../reconcilers/placement/placements.ts'
import type { Desire } from '../reconcilers/service/desire.ts'

export interface ConfirmationDeps {
  client: KubeClient
  decide: (service: Service) => Desire
  learn: (service: Service) => void
  enqueue: (serviceKey: string) => void
}

/** Whether the Service, read now, still asks for exactly what the placement holds. Throws when the API server cannot be asked. */
export function confirmation({ client, decide, learn, enqueue }: ConfirmationDeps) {
  return async (placement: Placement, signal: AbortSignal): Promise<boolean> => {
    const { base, cloud, owner } = placement
    const fresh = await read(client, owner, signal)
    if (placement.base !== base) return false
    if (fresh !== undefined) learn(fresh)
    const confirmed = agrees(fresh?.metadata.uid === owner.uid ? fresh : undefined, placement, cloud, decide)
    if (!confirmed) enqueue(serviceKeyOf(owner))
    return confirmed
  }
}

function agrees(
  fresh: Service | undefined,
  { base }: Placement,
  cloud: string,
  decide: (service: Service) => Desire,
): boolean {
  if (fresh === undefined) return base === undefined
  const desire = decide(fresh)
  // What a person has to correct first keeps what it was provisioned with.
  if (desire.kind === 'invalid') return base !== undefined
  const wanted = desire.kind === 'wanted' ? desire.placements.find((one) => one.cloud === cloud)?.base : undefined
  return sameBase(wanted, base)
}

async function read(client: KubeClient, { namespace, name }: Placement['owner'], signal: AbortSignal) {
  try {
    return await client.get(services, { namespace, name }, signal)
  } catch (error) {
    if (isApiError(error, 404)) return undefined
    throw error
  }
}
