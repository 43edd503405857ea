/**
 * The account as this process knows it: lists by page, tags in twenties, indexed by owner, each part no older than ages.ts allows. Writes made
 * through `cloud` are laid over it at once, so a create costs few reads; a write without a clear answer makes the next look read again.
 */
import type { Owner } from '../../contract.ts'
import { CloudError, ownerKey } from '../../contract.ts'
import { halvesDue, healthDue, listDue, proofDue, provisioningDue, rareDue } from './ages.ts'
import type { AwsCloud } from '../cloud.ts'
import { pages } from '../discovery.ts'
import type { Filter } from '../ec2.ts'
import type { LoadBalancer, TargetGroup } from '../elbv2.ts'
import { describeNamesLimit, describeTagsLimit } from '../elbv2.ts'
import type {
  LoadBalancerRecord,
  List,
  ListenerRecord,
  Mark,
  Records,
  SecurityGroupRecord,
  TargetGroupRecord,
  Words,
} from './records.ts'
import {
  alike,
  emptyRecords,
  graceMs,
  mergeHealth,
  mergeList,
  settleMs,
  takeHealth,
  tombstoneMs,
  wordsOf,
} from './records.ts'
import { attributesTag, clusterTag, ownerOfTags } from '../tags.ts'
import { recordingWrites } from './writes.ts'

export interface InventoryOptions {
  cloud: AwsCloud
  /** Milliseconds. */
  now: () => number
  /** In which every Service is looked at again; default 5 min. */
  lookMs?: number
}

/** Everything with an owner's mark, read as fresh as a look needs. What is being deleted is among it. */
export interface Owned {
  loadBalancers: readonly LoadBalancerRecord[]
  targetGroups: readonly TargetGroupRecord[]
  securityGroups: readonly SecurityGroupRecord[]
}

export interface Inventory {
  /** The port; what is written through it is known here. */
  readonly cloud: AwsCloud
  readonly records: Records
  /** Milliseconds. */
  now(): number
  /** Throws CloudError. */
  owned(owner: Owner, signal: AbortSignal): Promise<Owned>
  /** The lists are younger than `ageMs`, by default than a look needs. Throws CloudError. */
  listed(signal: AbortSignal, ageMs?: number): Promise<void>
  /** The nodes' groups with their rules. Throws CloudError. */
  nodeGroups(groupIds: readonly string[], signal: AbortSignal): Promise<readonly SecurityGroupRecord[]>
  loadBalancerNamed(name: string): LoadBalancerRecord | undefined
  targetGroupNamed(name: string): TargetGroupRecord | undefined
  securityGroupNamed(name: string): SecurityGroupRecord | undefined
  /** The next look reads these lists again. */
  stale(...lists: readonly List[]): void
}

const tagAgeLooks = 12

export function createInventory({ cloud: plain, now, lookMs = 300_000 }: InventoryOptions): Inventory {
  const records = emptyRecords()
  const cloud = recordingWrites(plain, records, now)
  const running = new Map<string, Promise<void>>()

  /** Many placements ask at once: one read serves them all. */
  const once = (key: string, read: () => Promise<void>): Promise<void> => {
    const under = running.get(key)
    if (under !== undefined) return under
    const reading = read().finally(() => running.delete(key))
    running.set(key, reading)
    return reading
  }

  const lists: Record<Exclude<List, 'nodeGroups'>, (signal: AbortSignal) => Promise<void>> = {
    async loadBalancers(signal) {
      const at = now()
      const value = await markerPages(
        (marker) => plain.describeLoadBalancers(marker, signal),
        (page) => page.loadBalancers,
      )
      mergeList(records.loadBalancers, { at, value }, loadBalancerMerge(at))
      await readTags(records.loadBalancers, (record) => record.loadBalancer.loadBalancerName, signal)
      records.listedAt.loadBalancers = at
    },
    async targetGroups(signal) {
      const at = now()
      const value = await markerPages(
        (marker) => plain.describeTargetGroups(marker, signal),
        (page) => page.targetGroups,
      )
      mergeList(
        records.targetGroups,
        { at, value },
        {
          id: ({ targetGroupArn }: TargetGroup) => targetGroupArn,
          make: (group): TargetGroupRecord => ({
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
          take: (record, group) => (record.group = group),
        },
      )
      await readTags(records.targetGroups, (record) => record.group.targetGroupName, signal)
      records.listedAt.targetGroups = at
    },
    async securityGroups(signal) {
      const at = now()
      const value = await describeGroups([{ name: 'tag-key', values: [clusterTag] }], signal)
      mergeList(records.securityGroups, { at, value }, groupMerge(at))
      records.listedAt.securityGroups = at
    },
  }

  function describeGroups(filters: readonly Filter[], signal: AbortSignal) {
    return pages(
      (nextToken) => plain.describeSecurityGroups({ filters, ...nextToken }, signal),
      (page) => page.securityGroups,
    )
  }

  /** Of objects with a name of our form: in twenties, and again once in a while. */
  async function readTags<R extends Mark & { deletedAt?: number }>(
    of: Map<string, R>,
    nameOf: (record: R) => string,
    signal: AbortSignal,
  ): Promise<void> {
    const at = now()
    const missing = [...of]
      .filter(([, record]) => nameOf(record).startsWith('rs-') && record.deletedAt === undefined)
      .filter(([, { tags }]) => tags === undefined || at - tags.at >= lookMs * tagAgeLooks)
      .map(([arn]) => arn)
    const found = await tagsOf(missing, signal)
    for (const arn of missing) {
      const record = of.get(arn)
      const tags = found.get(arn)
      if (record === undefined || (record.tags?.at ?? -Infinity) > at) continue
      // Gone since the list was read: the next list will not show it.
      if (tags === undefined) continue
      record.tags = { at, value: tags }
      record.owner = ownerOfTags(tags)
    }
  }

  async function tagsOf(arns: readonly string[], signal: AbortSignal): Promise<Map<string, Words>> {
    const found = new Map<string, Words>()
    const read = async (some: readonly string[]): Promise<void> => {
      try {
        const { tagDescriptions } = await plain.describeTags({ resourceArns: some }, signal)
        for (const { resourceArn, tags } of tagDescriptions) found.set(resourceArn, wordsOf(tags))
      } catch (error) {
        // One that has just gone refuses them all.
        if (!notFound(error)) throw error
        if (some.length === 1) return
        const half = Math.ceil(some.length / 2)
        await read(some.slice(0, half))
        await read(some.slice(half))
      }
    }
    for (let from = 0; from < arns.length; from += describeTagsLimit)
      await read(arns.slice(from, from + describeTagsLimit))
    return found
  }

  const listed = async (signal: AbortSignal, ageMs = lookMs / 2): Promise<void> => {
    const due = (['loadBalancers', 'targetGroups', 'securityGroups'] as const).filter(
      (list) => now() - records.listedAt[list] >= ageMs,
    )
    await Promise.all(due.map((list) => once(list, () => lists[list](signal))))
  }

  /** A delete is proven by a list that was read after it. */
  async function confirmDeleted(owned: Owned, signal: AbortSignal): Promise<boolean> {
    const waiting = (['loadBalancers', 'targetGroups', 'securityGroups'] as const).filter((list) =>
      owned[list].some(
        ({ deletedAt }) => deletedAt !== undefined && proofDue(records.listedAt[list], deletedAt, now()),
      ),
    )
    await Promise.all(waiting.map((list) => once(list, () => lists[list](signal))))
    return waiting.length > 0
  }

  /** Load balancers that are being made, all owners' together. */
  async function pollProvisioning(owned: Owned, signal: AbortSignal): Promise<void> {
    const made = (record: LoadBalancerRecord) => record.madeAt ?? record.firstSeenAt
    const pending = (record: LoadBalancerRecord) =>
      record.loadBalancer.state.code === 'provisioning' && record.deletedAt === undefined
    const due = owned.loadBalancers.some(
      (record) =>
        pending(record) && provisioningDue(polledAt.get(record) ?? records.listedAt.loadBalancers, made(record), now()),
    )
    if (due) await once('provisioning', () => poll(signal))

    async function poll(stop: AbortSignal): Promise<void> {
      const all = [...records.loadBalancers.values()].filter((record) => record.owner !== undefined && pending(record))
      const at = now()
      for (const record of all) polledAt.set(record, at)
      if (all.length > describeNamesLimit) return once('loadBalancers', () => lists.loadBalancers(stop))
      try {
        const arns = all.map(({ loadBalancer }) => loadBalancer.loadBalancerArn)
        const { loadBalancers } = await plain.describeLoadBalancers({ loadBalancerArns: arns }, stop)
        for (const loadBalancer of loadBalancers) {
          const record = records.loadBalancers.get(loadBalancer.loadBalancerArn)
          if (record !== undefined) record.loadBalancer = { ...record.loadBalancer, state: loadBalancer.state }
        }
      } catch (error) {
        // Not visible yet, or deleted by hand: the list tells which.
        if (!notFound(error)) throw error
        await once('loadBalancers', () => lists.loadBalancers(stop))
      }
    }
  }
  const polledAt = new WeakMap<LoadBalancerRecord, number>()

  async function readListeners(record: LoadBalancerRecord, signal: AbortSignal): Promise<void> {
    const at = now()
    const { loadBalancerArn } = record.loadBalancer
    try {
      const value = await markerPages(
        (marker) => plain.describeListeners({ loadBalancerArn, ...marker }, signal),
        (page) => page.listeners,
      )
      const known = record.listeners?.value ?? new Map<string, ListenerRecord>()
      mergeList(
        known,
        { at, value },
        {
          id: ({ listenerArn }) => listenerArn,
          make: (listener): ListenerRecord => ({
            listener,
            firstSeenAt: at,
            tags: undefined,
            certificates: undefined,
            attributes: undefined,
          }),
          take: (each, listener) => (each.listener = listener),
        },
      )
      record.listeners = { at, value: known }
    } catch (error) {
      vanished(error, record, 'loadBalancers')
      record.listeners ??= { at, value: new Map() }
    }
  }

  async function readHealth(record: TargetGroupRecord, signal: AbortSignal): Promise<void> {
    const at = now()
    const { targetGroupArn } = record.group
    try {
      const { targetHealthDescriptions } = await plain.describeTargetHealth({ targetGroupArn }, signal)
      mergeHealth(record, { at, value: targetHealthDescriptions })
    } catch (error) {
      vanished(error, record, 'targetGroups')
      record.health ??= { at, value: [] }
    }
  }

  /** NotFound of something that the list shows: too young to be seen everywhere, or deleted by hand since the list was read. */
  function vanished(error: unknown, { madeAt }: { madeAt?: number }, list: List): void {
    if (!notFound(error)) throw error
    if (madeAt === undefined || now() - madeAt > graceMs) records.listedAt[list] = -Infinity
  }

  async function readSettings(record: LoadBalancerRecord | TargetGroupRecord, signal: AbortSignal): Promise<void> {
    const at = now()
    try {
      const { attributes } =
        'group' in record
          ? await plain.describeTargetGroupAttributes({ targetGroupArn: record.group.targetGroupArn }, signal)
          : await plain.describeLoadBalancerAttributes({ loadBalancerArn: record.loadBalancer.loadBalancerArn }, signal)
      if (at >= (record.attributes?.at ?? -Infinity)) record.attributes = { at, value: wordsOf(attributes) }
    } catch (error) {
      vanished(error, record, 'group' in record ? 'targetGroups' : 'loadBalancers')
    }
  }

  async function readListenerSettings(record: ListenerRecord, signal: AbortSignal): Promise<void> {
    const at = now()
    const { listenerArn } = record.listener
    const { attributes } = await plain.describeListenerAttributes({ listenerArn }, signal)
    record.attributes = { at, value: wordsOf(attributes) }
    const tags = (await tagsOf([listenerArn], signal)).get(listenerArn)
    if (tags !== undefined && (record.tags?.at ?? -Infinity) <= at) record.tags = { at, value: tags }
  }

  async function readCertificates(record: ListenerRecord, signal: AbortSignal): Promise<void> {
    const at = now()
    const { listenerArn } = record.listener
    const all = await markerPages(
      (marker) => plain.describeListenerCertificates({ listenerArn, ...marker }, signal),
      (page) => page.certificates,
    )
    const value = all.filter(({ isDefault }) => !isDefault).map(({ certificateArn }) => certificateArn)
    record.certificates = { at, value: [...new Set(value)].sort() }
  }

  /** What costs a call per object, as far as it is due. */
  async function details(owned: Owned, signal: AbortSignal): Promise<void> {
    const loadBalancers = owned.loadBalancers.filter(({ deletedAt }) => deletedAt === undefined)
    const targetGroups = owned.targetGroups.filter(({ deletedAt }) => deletedAt === undefined)
    const due = dueOf(loadBalancers, targetGroups)
    const at = now()
    await Promise.all([
      ...loadBalancers.map(async (record) => {
        if (record.listeners === undefined || due.detail) await readListeners(record, signal)
        await listenerDetails(record, due.settings, signal)
      }),
      ...targetGroups
        .filter(({ health }) => health === undefined || due.detail)
        .map((record) => readHealth(record, signal)),
      ...(due.detail ? [] : alike(targetGroups.filter((record) => healthDue(record, at)))).map(
        async ([first, ...rest]) => {
          if (first === undefined) return
          await readHealth(first, signal)
          for (const record of rest) takeHealth(record, first)
        },
      ),
      ...[...loadBalancers, ...targetGroups].map(async (record) => {
        const unread = record.attributes === undefined && asked(record)
        if (unread || due.settings) await readSettings(record, signal)
      }),
    ])
  }

  function dueOf(loadBalancers: readonly LoadBalancerRecord[], targetGroups: readonly TargetGroupRecord[]) {
    const detail = [
      ...loadBalancers.map(({ listeners }) => listeners?.at),
      ...targetGroups.map(({ health }) => health?.at),
    ]
    const both = [...loadBalancers, ...targetGroups]
    if (both.length === 0 || detail.includes(undefined)) return { detail: false, settings: false }
    const read = both.flatMap(({ attributes }) => attributes?.at ?? [])
    const settings =
      read.length === both.length
        ? Math.min(...read)
        : { since: Math.min(...both.map(({ firstSeenAt }) => firstSeenAt)) }
    return halvesDue({ detail: Math.min(...detail.map((at) => at ?? 0)), settings }, now(), lookMs)
  }

  async function listenerDetails(record: LoadBalancerRecord, settings: boolean, signal: AbortSignal): Promise<void> {
    for (const listener of record.listeners?.value.values() ?? []) {
      if (listener.deletedAt !== undefined) continue
      listener.tags ??= assumedTags(record, listener, now())
      const wishes = asked(record) || listener.tags.value[attributesTag] !== undefined
      const tls = listener.listener.protocol === 'TLS'
      try {
        if (tls && (listener.certificates === undefined || settings)) await readCertificates(listener, signal)
        const unread = listener.attributes === undefined && wishes
        const rare = rareDue(listener.attributes, listener.firstSeenAt, now(), lookMs)
        if (unread || rare || (settings && wishes)) await readListenerSettings(listener, signal)
      } catch (error) {
        vanished(error, listener, 'loadBalancers')
        if (record.listeners !== undefined) record.listeners = { ...record.listeners, at: -Infinity }
      }
    }
  }

  const ownedNow = (owner: Owner): Owned => {
    const key = ownerKey(owner)
    const mine = <R extends Mark>(of: Map<string, R>) =>
      [...of.values()].filter((record) => record.owner !== undefined && ownerKey(record.owner) === key)
    return {
      loadBalancers: mine(records.loadBalancers),
      targetGroups: mine(records.targetGroups),
      securityGroups: mine(records.securityGroups),
    }
  }

  const named = <R extends { deletedAt?: number }>(of: Map<string, R>, name: string, nameOf: (record: R) => string) =>
    [...of.values()].find((record) => record.deletedAt === undefined && nameOf(record) === name)

  return {
    cloud,
    records,
    now,
    listed,
    async owned(owner, signal) {
      await listed(signal)
      if (await confirmDeleted(ownedNow(owner), signal)) forgetGone()
      await pollProvisioning(ownedNow(owner), signal)
      await details(ownedNow(owner), signal)
      return ownedNow(owner)
    },
    async nodeGroups(groupIds, signal) {
      const known = groupIds.every((id) => records.nodeGroups.has(id))
      if (groupIds.length > 0 && (!known || listDue(records.listedAt.nodeGroups, now(), lookMs))) {
        await once(`nodeGroups ${groupIds.join(' ')}`, async () => {
          const at = now()
          const value = await describeGroups([{ name: 'group-id', values: groupIds }], signal)
          mergeList(records.nodeGroups, { at, value }, groupMerge(at))
          records.listedAt.nodeGroups = at
        })
      }
      return groupIds.flatMap((id) => records.nodeGroups.get(id) ?? [])
    },
    loadBalancerNamed: (name) => named(records.loadBalancers, name, (record) => record.loadBalancer.loadBalancerName),
    targetGroupNamed: (name) => named(records.targetGroups, name, (record) => record.group.targetGroupName),
    securityGroupNamed: (name) => named(records.securityGroups, name, (record) => record.group.groupName),
    stale(...of) {
      for (const list of of) records.listedAt[list] = -Infinity
    },
  }

  /** Listeners go with their load balancer; what a lagging list still shows after a while is there again. */
  function forgetGone(): void {
    for (const record of records.loadBalancers.values()) {
      for (const [arn, { deletedAt }] of record.listeners?.value ?? []) {
        if (deletedAt !== undefined && now() > deletedAt + tombstoneMs + settleMs) record.listeners?.value.delete(arn)
      }
    }
  }
}

function asked({ tags }: Mark): boolean {
  return tags?.value[attributesTag] !== undefined
}

/**
 * A listener's tags cost a call, and nothing is decided by them: until they are read they are those of its load balancer, which were given in
 * the same breath.
 */
function assumedTags({ tags }: LoadBalancerRecord, { listener }: ListenerRecord, at: number) {
  return { at, value: { ...tags?.value, 'roadstead.dev/resource': `listener/${listener.port}` } }
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

function groupMerge(at: number) {
  const marked = (group: SecurityGroupRecord['group']) => {
    const tags = wordsOf(group.tags)
    return { group, tags: { at, value: tags }, owner: ownerOfTags(tags) }
  }
  return {
    id: ({ groupId }: SecurityGroupRecord['group']) => groupId,
    make: (group: SecurityGroupRecord['group']): SecurityGroupRecord => ({ ...marked(group), firstSeenAt: at }),
    take: (record: SecurityGroupRecord, group: SecurityGroupRecord['group']) => {
      Object.assign(record, marked(group))
    },
  }
}

async function markerPages<P extends { nextMarker?: string | undefined }, T>(
  read: (marker: { marker?: string }) => Promise<P>,
  items: (page: P) => readonly T[],
): Promise<T[]> {
  return pages(
    async ({ nextToken }) => {
      const page = await read(nextToken === undefined ? {} : { marker: nextToken })
      return { nextToken: page.nextMarker, items: items(page) }
    },
    (page) => page.items,
  )
}

export function notFound(error: unknown): boolean {
  return error instanceof CloudError && error.kind === 'not-found'
}
