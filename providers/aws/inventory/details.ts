/**
 * What costs a call per object: listeners, targets' health, attributes. Each look reads one part of it, so that it stays at two calls a
 * Service; ages.ts says which.
 */
import { drainOf } from '../drain.ts'
import { capacityTag } from '../tags.ts'
import { healthDue, partsDue } from './ages.ts'
import type { Part } from './ages.ts'
import { alike, mergeHealth, takeHealth } from './health.ts'
import { readListenerDetails, readListeners } from './listeners.ts'
import { asksForAttributes } from './marks.ts'
import type { Reading } from './reading.ts'
import { vanished } from './reading.ts'
import type { Life, ListenerRecord, LoadBalancerRecord, TargetGroupRecord } from './records.ts'
import { wordsOf } from './records.ts'

interface Standing {
  loadBalancers: readonly LoadBalancerRecord[]
  targetGroups: readonly TargetGroupRecord[]
}

/** Reads of one owner's objects what is due. Throws CloudError. */
export async function readDetails(reading: Reading, owned: Standing, signal: AbortSignal): Promise<void> {
  const loadBalancers = owned.loadBalancers.filter(({ deletedAt }) => deletedAt === undefined)
  const targetGroups = owned.targetGroups.filter(({ deletedAt }) => deletedAt === undefined)
  const due = dueOf({ loadBalancers, targetGroups }, reading)
  const at = reading.now()
  const waited = due.has('detail') ? [] : alike(targetGroups.filter((record) => healthDue(record, at)))
  await Promise.all([
    ...loadBalancers.map(async (record) => {
      if (record.listeners === undefined || due.has('detail')) await readListeners(reading, record, signal)
      await readListenerDetails(reading, record, due, signal)
      const reserves = record.tags?.value[capacityTag] !== undefined
      if (reserves && (record.capacity === undefined || due.has('settings')))
        await readCapacity(reading, record, signal)
    }),
    ...targetGroups
      .filter(({ health }) => health === undefined || due.has('detail'))
      .map((record) => readHealth(reading, record, signal)),
    ...waited.map((groups) => readHealthOnce(reading, groups, signal)),
    ...[...loadBalancers, ...targetGroups].map(async (record) => {
      const unread = record.attributes === undefined && (asksForAttributes(record) || asksToDrain(record))
      if (unread || due.has('settings')) await readSettings(reading, record, signal)
    }),
  ])
}

/** Beyond the parts, and only of load balancers that once asked for capacity. */
async function readCapacity(reading: Reading, record: LoadBalancerRecord, signal: AbortSignal): Promise<void> {
  const at = reading.now()
  const { loadBalancerArn } = record.loadBalancer
  try {
    const answer = await reading.cloud.describeCapacityReservation({ loadBalancerArn }, signal)
    record.capacity = { at, value: answer.minimumLoadBalancerCapacity?.capacityUnits ?? 0 }
  } catch (error) {
    vanished(error, record, 'loadBalancers', reading)
  }
}

/** The parts whose turn it is; none while listeners or targets of something are unread, which are then read anyway. */
function dueOf({ loadBalancers, targetGroups }: Standing, { now, lookMs }: Reading): ReadonlySet<Part> {
  const detail = [
    ...loadBalancers.map(({ listeners }) => listeners?.at),
    ...targetGroups.map(({ health }) => health?.at),
  ]
  const both = [...loadBalancers, ...targetGroups]
  if (both.length === 0 || detail.includes(undefined)) return new Set()
  const listeners = loadBalancers
    .flatMap((record) => [...(record.listeners?.value.values() ?? [])])
    .filter(({ deletedAt }) => deletedAt === undefined)
  const readAt = {
    detail: Math.min(...detail.map((at) => at ?? 0)),
    settings: settingsAt(both),
    // Without listeners there is nothing to read.
    listenerSettings: listeners.length === 0 ? now() : settingsAt(listeners),
  }
  return partsDue(readAt, now(), lookMs)
}

function settingsAt(records: readonly (Life & Pick<ListenerRecord, 'attributes'>)[]): number | { since: number } {
  const read = records.flatMap(({ attributes }) => attributes?.at ?? [])
  const since = Math.min(...records.map(({ firstSeenAt }) => firstSeenAt))
  return read.length === records.length ? Math.min(...read) : { since }
}

/** Whether it is protected has to be known before the first of its listeners goes. */
function asksToDrain({ tags }: LoadBalancerRecord | TargetGroupRecord): boolean {
  return drainOf(tags?.value ?? {}).seconds > 0
}

async function readHealth(reading: Reading, record: TargetGroupRecord, signal: AbortSignal): Promise<void> {
  const at = reading.now()
  const { targetGroupArn } = record.group
  try {
    const { targetHealthDescriptions } = await reading.cloud.describeTargetHealth({ targetGroupArn }, signal)
    mergeHealth(record, { at, value: targetHealthDescriptions })
  } catch (error) {
    vanished(error, record, 'targetGroups', reading)
    record.health ??= { at, value: [] }
  }
}

/** Of groups with the same check: the first one's answer serves all. */
async function readHealthOnce(
  reading: Reading,
  [first, ...rest]: readonly TargetGroupRecord[],
  signal: AbortSignal,
): Promise<void> {
  if (first === undefined) return
  await readHealth(reading, first, signal)
  for (const record of rest) takeHealth(record, first)
}

async function readSettings(
  reading: Reading,
  record: LoadBalancerRecord | TargetGroupRecord,
  signal: AbortSignal,
): Promise<void> {
  const { cloud, now } = reading
  const at = now()
  try {
    const { attributes } =
      'group' in record
        ? await cloud.describeTargetGroupAttributes({ targetGroupArn: record.group.targetGroupArn }, signal)
        : await cloud.describeLoadBalancerAttributes({ loadBalancerArn: record.loadBalancer.loadBalancerArn }, signal)
    if (at >= (record.attributes?.at ?? -Infinity)) record.attributes = { at, value: wordsOf(attributes) }
  } catch (error) {
    vanished(error, record, 'group' in record ? 'targetGroups' : 'loadBalancers', reading)
  }
}
