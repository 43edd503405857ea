/**
 * What stands under a name, and whose it is. Everything that is changed or deleted goes through here: an object without the mark of the
 * resource's owner or document is OwnedByOther and is never touched.
 */
import type { Owner } from '../contract.ts'
import { CloudError, ownerKey } from '../contract.ts'
import type { Discovery } from './discovery.ts'
import type { Inventory } from './inventory/inventory.ts'
import type { LoadBalancerRecord, ListenerRecord, Mark } from './inventory/records.ts'
import type { AwsResource } from './resources.ts'
import { wishedName } from './security-group-wishes.ts'
import { documentOfTags } from './tags.ts'

export interface Tools {
  inventory: Inventory
  discovery: Discovery
}

/** ARN or id of what stands under the resource's name; the one it was seen with where the name is not known. Throws OwnedByOther. */
export function idOf({ inventory }: Tools, target: AwsResource): string | undefined {
  switch (target.kind) {
    case 'security-group':
    case 'node-access-group': {
      const record = inventory.securityGroupNamed(target.immutable.name)
      if (record !== undefined) mine('security group', target.immutable.name, record, target)
      return record?.group.groupId ?? target.id
    }
    case 'load-balancer': {
      const record = inventory.loadBalancerNamed(target.immutable.name)
      if (record !== undefined) mine('load balancer', target.immutable.name, record, target)
      return record?.loadBalancer.loadBalancerArn ?? target.id
    }
    case 'target-group': {
      const record = inventory.targetGroupNamed(target.immutable.name)
      if (record !== undefined) mine('target group', target.immutable.name, record, target)
      return record?.group.targetGroupArn ?? target.id
    }
    case 'listener': {
      const balancer = inventory.loadBalancerNamed(target.immutable.loadBalancer)
      if (balancer !== undefined) mine('load balancer', target.immutable.loadBalancer, balancer, target)
      return (balancer && listenerOn(balancer, target.immutable.port))?.listener.listenerArn ?? target.id
    }
    default:
      return target.immutable.groupId
  }
}

export function listenerOn({ listeners }: LoadBalancerRecord, port: number): ListenerRecord | undefined {
  return [...(listeners?.value.values() ?? [])].find(
    ({ deletedAt, listener }) => deletedAt === undefined && listener.port === port,
  )
}

/** Ids of groups given by id, by the name of one of ours, or by Name tag. Throws CloudError that names what is not there. */
export async function groupIds(
  { inventory, discovery }: Tools,
  groups: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const named = groups.flatMap((group) => wishedName(group) ?? [])
  const found = named.length === 0 ? new Map<string, string>() : await discovery.groupsNamed(named, signal)
  return groups.map((group) => {
    if (group.startsWith('sg-')) return group
    const id = found.get(wishedName(group) ?? '') ?? inventory.securityGroupNamed(group)?.group.groupId
    if (id === undefined) throw missing('security group', group)
    return id
  })
}

/** Throws OwnedByOther unless the record carries the mark of the resource's owner or document. */
export function mine(what: string, name: string, { tags, owner }: Mark, target: AwsResource): void {
  const whose: Owner | { document: string } = target.owner
  const same =
    'document' in whose
      ? documentOfTags(tags?.value ?? {})?.document.document === whose.document
      : owner !== undefined && ownerKey(owner) === ownerKey(whose)
  if (!same) throw ownedByOther(what, name)
}

export function ownedByOther(what: string, name: string): CloudError {
  const message = `there is a ${what} ${name} that does not carry this Service's mark; it stays as it is. Delete or rename it, or give this cluster another --cluster-id`
  return new CloudError('conflict', message, { reason: 'OwnedByOther' })
}

export function missing(what: string, name: string): CloudError {
  return new CloudError('not-found', `${what} ${name} does not exist (any more)`)
}

export function nameOf({ key, immutable }: AwsResource): string {
  const name: unknown = immutable['name']
  return typeof name === 'string' ? name : key
}
