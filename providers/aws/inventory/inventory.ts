/**
 * The account as this process knows it: lists by page, tags in twenties, indexed by owner, each part no older than ages.ts allows. Writes made
 * through `cloud` are laid over it at once, so a create costs few reads; a write without a clear answer makes the next look read again.
 */
import type { Owner } from '../../contract.ts'
import { ownerKey } from '../../contract.ts'
import type { AwsCloud } from '../cloud.ts'
import { proofDue } from './ages.ts'
import { readDetails } from './details.ts'
import type { Lists } from './lists.ts'
import { createLists, ownedLists } from './lists.ts'
import { provisioningPoll } from './provisioning.ts'
import { sharedReads } from './reading.ts'
import type { List, LoadBalancerRecord, Mark, Records, SecurityGroupRecord, TargetGroupRecord } from './records.ts'
import { emptyRecords, settleMs, tombstoneMs } from './records.ts'
import { recordingWrites } from './writes.ts'

export interface InventoryOptions {
  cloud: AwsCloud
  /** Milliseconds. */
  now: () => number
  /** In which every Service is looked at again; default 3 min. */
  lookMs?: number
}

/** Everything with an owner's mark, read as fresh as a look needs. What is being deleted is among it. */
export interface Owned {
  loadBalancers: readonly LoadBalancerRecord[]
  targetGroups: readonly TargetGroupRecord[]
  securityGroups: readonly SecurityGroupRecord[]
}

export interface Inventory extends Pick<Lists, 'listed' | 'nodeGroups'> {
  /** The port; what is written through it is known here. */
  readonly cloud: AwsCloud
  readonly records: Records
  /** Milliseconds. */
  now(): number
  /** Throws CloudError. */
  owned(owner: Owner, signal: AbortSignal): Promise<Owned>
  loadBalancerNamed(name: string): LoadBalancerRecord | undefined
  targetGroupNamed(name: string): TargetGroupRecord | undefined
  securityGroupNamed(name: string): SecurityGroupRecord | undefined
  /** The next look reads these lists again. */
  stale(...lists: readonly List[]): void
}

export function createInventory({ cloud, now, lookMs = 180_000 }: InventoryOptions): Inventory {
  const records = emptyRecords()
  const reading = { cloud, records, now, lookMs, once: sharedReads() }
  const lists = createLists(reading)
  const pollProvisioning = provisioningPoll(reading, lists)

  /** A delete is proven by a list that was read after it. */
  async function confirmDeleted(owned: Owned, signal: AbortSignal): Promise<void> {
    const waiting = ownedLists.filter((list) =>
      owned[list].some(
        ({ deletedAt }) => deletedAt !== undefined && proofDue(records.listedAt[list], deletedAt, now()),
      ),
    )
    if (waiting.length === 0) return
    await lists.readAgain(waiting, signal)
    forgetListeners(records, now())
  }

  return {
    cloud: recordingWrites(cloud, records, now),
    records,
    now,
    listed: (signal, ageMs) => lists.listed(signal, ageMs),
    nodeGroups: (groupIds, sources, signal) => lists.nodeGroups(groupIds, sources, signal),
    async owned(owner, signal) {
      await lists.listed(signal)
      await confirmDeleted(ownedBy(records, owner), signal)
      await pollProvisioning(ownedBy(records, owner).loadBalancers, signal)
      await readDetails(reading, ownedBy(records, owner), signal)
      return ownedBy(records, owner)
    },
    loadBalancerNamed: (name) => named(records.loadBalancers, name, (record) => record.loadBalancer.loadBalancerName),
    targetGroupNamed: (name) => named(records.targetGroups, name, (record) => record.group.targetGroupName),
    securityGroupNamed: (name) => named(records.securityGroups, name, (record) => record.group.groupName),
    stale(...of) {
      for (const list of of) records.listedAt[list] = -Infinity
    },
  }
}

function ownedBy({ loadBalancers, targetGroups, securityGroups }: Records, owner: Owner): Owned {
  const key = ownerKey(owner)
  const mine = <R extends Mark>(of: ReadonlyMap<string, R>) => {
    const found: R[] = []
    for (const record of of.values())
      if (record.owner?.uid === owner.uid && ownerKey(record.owner) === key) found.push(record)
    return found
  }
  return {
    loadBalancers: mine(loadBalancers),
    targetGroups: mine(targetGroups),
    securityGroups: mine(securityGroups),
  }
}

function named<R extends { deletedAt?: number }>(
  of: ReadonlyMap<string, R>,
  name: string,
  nameOf: (record: R) => string,
): R | undefined {
  return [...of.values()].find((record) => record.deletedAt === undefined && nameOf(record) === name)
}

/** Listeners go with their load balancer; what a lagging list still shows after a while is there again. */
function forgetListeners({ loadBalancers }: Records, now: number): void {
  for (const { listeners } of loadBalancers.values()) {
    for (const [arn, { deletedAt }] of listeners?.value ?? []) {
      if (deletedAt !== undefined && now > deletedAt + tombstoneMs + settleMs) listeners?.value.delete(arn)
    }
  }
}
