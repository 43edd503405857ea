/**
 * The AWS provider: the pure core, and observe, owners, documents and execute over the inventory. It knows AWS only through the port, so it is
 * the same over the SDK, the fake and, in tests, anything between.
 */
import type { DocumentKey, Owner, Provider } from '../contract.ts'
import { ownerKey } from '../contract.ts'
import { proofDue } from './inventory/ages.ts'
import type { AwsCloud } from './cloud.ts'
import { awsCore } from './core.ts'
import type { CoreOptions } from './core.ts'
import { createDiscovery } from './discovery.ts'
import type { DiscoveryOptions } from './discovery.ts'
import { execute } from './execute.ts'
import { createInventory } from './inventory/inventory.ts'
import type { Records } from './inventory/records.ts'
import { clusterOf, documentOf } from './resources.ts'
import { accessGroups, seenDocument, seenResources } from './seen.ts'

export interface AwsProviderOptions extends CoreOptions, Omit<DiscoveryOptions, 'cloud' | 'now'> {
  cloud: AwsCloud
  /** Milliseconds. */
  now: () => number
  /** In which every Service is looked at again: the operator's drift interval. What is read at a look ages by it. Default 3 min. */
  lookMs?: number
}

const defaultLookMs = 180_000

export function createAwsProvider(options: AwsProviderOptions): Provider {
  const { cloud, now, lookMs = defaultLookMs } = options
  const inventory = createInventory({ cloud, now, lookMs })
  const discovery = createDiscovery(options)
  const sight = () => ({ records: inventory.records, now: now(), lookMs })

  async function observeDocument(document: DocumentKey, signal: AbortSignal) {
    await inventory.listed(signal)
    await confirmGroups(document, signal)
    const access = accessGroups(inventory.records, clusterOf(document)).map(({ group }) => group)
    return seenDocument(document, await nodeGroups(access, signal), sight())
  }

  async function nodeGroups(access: readonly { groupId: string; vpcId: string }[], signal: AbortSignal) {
    const sources = access.map(({ groupId }) => groupId)
    const read = async () => {
      const { groupIds: current, unresolved } = await discovery.nodeGroupIds(signal, access[0]?.vpcId)
      const groups = await inventory.nodeGroups(current, sources, signal)
      const missing = current.filter((id) => !groups.some(({ group }) => group.groupId === id))
      const absent = missing.map((id) => `the nodes' security group ${id}: it does not exist (any more)`)
      return { groups, current, unresolved: [...unresolved, ...absent], missing }
    }
    const known = await read()
    if (known.missing.length === 0) return known
    discovery.forgetNodes()
    return read()
  }

  /** A group that this process has deleted is gone when a later list does not show it. */
  async function confirmGroups(document: DocumentKey, signal: AbortSignal): Promise<void> {
    const { listedAt } = inventory.records
    const unproven = accessGroups(inventory.records, clusterOf(document)).some(
      ({ deletedAt }) => deletedAt !== undefined && proofDue(listedAt.securityGroups, deletedAt, now()),
    )
    if (!unproven) return
    inventory.stale('securityGroups')
    await inventory.listed(signal)
  }

  return {
    ...awsCore(options),
    nodes: (nodes) => discovery.nodes(nodes),
    async observe(target, signal) {
      if ('document' in target) return observeDocument(target, signal)
      const owned = await inventory.owned(target, signal)
      const groups = owned.loadBalancers.flatMap(({ loadBalancer }) => loadBalancer.securityGroups)
      const others = groups.filter((id) => !inventory.records.securityGroups.has(id))
      if (others.length === 0) return seenResources(target, owned, sight())
      return seenResources(target, owned, { ...sight(), groupNames: await discovery.groupNames(others, signal) })
    },
    async *owners(cluster, signal) {
      await inventory.listed(signal)
      yield* ownersOf(inventory.records, cluster)
    },
    async documents(cluster, signal) {
      await inventory.listed(signal)
      await confirmGroups(documentOf(cluster), signal)
      return accessGroups(inventory.records, cluster).length > 0 ? [documentOf(cluster)] : []
    },
    execute: (step, signal) => execute({ inventory, discovery }, step, signal),
  }
}

function ownersOf({ loadBalancers, targetGroups, securityGroups }: Records, cluster: string): Owner[] {
  const found = new Map<string, Owner>()
  for (const records of [loadBalancers, targetGroups, securityGroups]) {
    for (const { owner } of records.values()) if (owner?.cluster === cluster) found.set(ownerKey(owner), owner)
  }
  return [...found.values()]
}
