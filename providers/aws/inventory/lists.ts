/** The account's complete lists, by page: each lays what AWS shows over the records. Many who ask at once share one read. */
import type { Filter, SecurityGroup } from '../ec2.ts'
import type { LoadBalancer, TargetGroup } from '../elbv2.ts'
import { markerPages, pages } from '../pages.ts'
import { clusterTag, ownerOfTags } from '../tags.ts'
import { listDue } from './ages.ts'
import { readMarks } from './marks.ts'
import type { Reading } from './reading.ts'
import type { List, LoadBalancerRecord, SecurityGroupRecord, TargetGroupRecord } from './records.ts'
import { mergeList, wordsOf } from './records.ts'

export interface Lists {
  /** Each list is younger than `ageMs`, by default than a look needs. Throws CloudError. */
  listed(signal: AbortSignal, ageMs?: number): Promise<void>
  /** Reads these, however young they are. Throws CloudError. */
  readAgain(lists: readonly OwnedList[], signal: AbortSignal): Promise<void>
  /**
   * These groups of the nodes with their rules, and all other groups that have rules with one of `sources`: nodes that have left the cluster
   * leave theirs behind. Throws CloudError.
   */
  nodeGroups(
    groupIds: readonly string[],
    sources: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly SecurityGroupRecord[]>
}

/** Lists of objects that may have an owner. */
export type OwnedList = Exclude<List, 'nodeGroups'>

export const ownedLists: readonly OwnedList[] = ['loadBalancers', 'targetGroups', 'securityGroups']

export function createLists(reading: Reading): Lists {
  const { cloud, records, now, lookMs, once } = reading

  const read: Record<OwnedList, (at: number, signal: AbortSignal) => Promise<void>> = {
    async loadBalancers(at, signal) {
      const value = await markerPages(
        (marker) => cloud.describeLoadBalancers(marker, signal),
        (page) => page.loadBalancers,
      )
      mergeList(records.loadBalancers, { at, value }, loadBalancerMerge(at))
      await readMarks(reading, records.loadBalancers, (record) => record.loadBalancer.loadBalancerName, signal)
    },
    async targetGroups(at, signal) {
      const value = await markerPages(
        (marker) => cloud.describeTargetGroups(marker, signal),
        (page) => page.targetGroups,
      )
      mergeList(records.targetGroups, { at, value }, targetGroupMerge(at))
      await readMarks(reading, records.targetGroups, (record) => record.group.targetGroupName, signal)
    },
    async securityGroups(at, signal) {
      const value = await describeGroups([{ name: 'tag-key', values: [clusterTag] }], signal)
      mergeList(records.securityGroups, { at, value }, securityGroupMerge(at))
    },
  }

  async function readNodeGroups(
    groupIds: readonly string[],
    sources: readonly string[],
    at: number,
    signal: AbortSignal,
  ): Promise<void> {
    const filters = [
      { name: 'group-id', values: groupIds },
      { name: 'ip-permission.group-id', values: sources },
    ].filter(({ values }) => values.length > 0)
    const found = await Promise.all(filters.map((filter) => describeGroups([filter], signal)))
    const value = [...new Map(found.flat().map((group) => [group.groupId, group])).values()]
    mergeList(records.nodeGroups, { at, value }, securityGroupMerge(at))
  }

  function describeGroups(filters: readonly Filter[], signal: AbortSignal): Promise<SecurityGroup[]> {
    return pages(
      (nextToken) => cloud.describeSecurityGroups({ filters, ...nextToken }, signal),
      (page) => page.securityGroups,
    )
  }

  /** A list is as old as the beginning of its read. */
  async function aged(list: List, readIt: (at: number) => Promise<void>): Promise<void> {
    const at = now()
    await readIt(at)
    records.listedAt[list] = at
  }

  const readAgain = async (lists: readonly OwnedList[], signal: AbortSignal): Promise<void> => {
    await Promise.all(lists.map((list) => once(list, () => aged(list, (at) => read[list](at, signal)))))
  }

  return {
    readAgain,
    async listed(signal, ageMs = lookMs / 2) {
      const due = ownedLists.filter((list) => now() - records.listedAt[list] >= ageMs)
      await readAgain(due, signal)
    },
    async nodeGroups(groupIds, sources, signal) {
      const known = groupIds.every((id) => records.nodeGroups.has(id))
      if (!known || listDue(records.listedAt.nodeGroups, now(), lookMs))
        await once(`nodeGroups ${[...groupIds, ...sources].join(' ')}`, () =>
          aged('nodeGroups', (at) => readNodeGroups(groupIds, sources, at, signal)),
        )
      return [...records.nodeGroups.values()].filter(
        ({ group: { groupId, ipPermissions } }) =>
          groupIds.includes(groupId) ||
          ipPermissions.some(({ userIdGroupPairs = [] }) =>
            userIdGroupPairs.some((pair) => sources.includes(pair.groupId)),
          ),
      )
    },
  }
}

function loadBalancerMerge(at: number) {
  return {
    id: ({ loadBalancerArn }: LoadBalancer) => loadBalancerArn,
    make: (loadBalancer: LoadBalancer): LoadBalancerRecord => ({
      loadBalancer,
      firstSeenAt: at,
      tags: undefined,
      owner: undefined,
      listeners: undefined,
      attributes: undefined,
    }),
    take: (record: LoadBalancerRecord, loadBalancer: LoadBalancer) => {
      record.loadBalancer = loadBalancer
    },
  }
}

function targetGroupMerge(at: number) {
  return {
    id: ({ targetGroupArn }: TargetGroup) => targetGroupArn,
    make: (group: TargetGroup): TargetGroupRecord => ({
      group,
      firstSeenAt: at,
      tags: undefined,
      owner: undefined,
      health: undefined,
      registered: new Map(),
      deregistered: new Map(),
      refused: new Map(),
      attributes: undefined,
    }),
    take: (record: TargetGroupRecord, group: TargetGroup) => {
      record.group = group
    },
  }
}

function securityGroupMerge(at: number) {
  const marked = (group: SecurityGroup) => {
    const tags = wordsOf(group.tags)
    return { group, tags: { at, value: tags }, owner: ownerOfTags(tags) }
  }
  return {
    id: ({ groupId }: SecurityGroup) => groupId,
    make: (group: SecurityGroup): SecurityGroupRecord => ({ ...marked(group), firstSeenAt: at }),
    take: (record: SecurityGroupRecord, group: SecurityGroup) => {
      Object.assign(record, marked(group))
    },
  }
}
