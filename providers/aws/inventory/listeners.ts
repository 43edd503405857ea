/** The listeners of one load balancer, and of each its certificates, attributes and tags: read one by one, so only as often as ages.ts says. */
import { withoutDrain } from '../drain.ts'
import { describeTagsLimit } from '../elbv2.ts'
import { markerPages } from '../pages.ts'
import { keys } from '../resources.ts'
import { resourceTag } from '../tags.ts'
import { rareDue } from './ages.ts'
import type { Part } from './ages.ts'
import { asksForAttributes, readTags } from './marks.ts'
import type { Reading } from './reading.ts'
import { vanished } from './reading.ts'
import type { Aged, ListenerRecord, LoadBalancerRecord, Words } from './records.ts'
import { mergeList, wordsOf } from './records.ts'

/** Which listeners there are. */
export async function readListeners(reading: Reading, record: LoadBalancerRecord, signal: AbortSignal): Promise<void> {
  const at = reading.now()
  const { loadBalancerArn } = record.loadBalancer
  try {
    const value = await markerPages(
      (marker) => reading.cloud.describeListeners({ loadBalancerArn, ...marker }, signal),
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
    vanished(error, record, 'loadBalancers', reading)
    record.listeners ??= { at, value: new Map() }
  }
}

/** What has to be known of each of them; `due`: whose turn it is at this look. */
export async function readListenerDetails(
  reading: Reading,
  record: LoadBalancerRecord,
  due: ReadonlySet<Part>,
  signal: AbortSignal,
): Promise<void> {
  const { now } = reading
  for (const each of record.listeners?.value.values() ?? []) {
    if (each.deletedAt !== undefined) continue
    each.tags ??= assumedTags(record, each, now())
    const asked = asksForAttributes(record) || asksForAttributes(each)
    const tls = each.listener.protocol === 'TLS'
    try {
      if (tls && (each.certificates === undefined || due.has('settings'))) await readCertificates(reading, each, signal)
      const unread = each.attributes === undefined && asked
      if (unread || due.has('listenerSettings')) await readSettings(reading, each, signal)
    } catch (error) {
      vanished(error, each, 'loadBalancers', reading)
      if (record.listeners !== undefined) record.listeners = { ...record.listeners, at: -Infinity }
    }
  }
}

async function readCertificates({ cloud, now }: Reading, record: ListenerRecord, signal: AbortSignal): Promise<void> {
  const at = now()
  const { listenerArn } = record.listener
  const all = await markerPages(
    (marker) => cloud.describeListenerCertificates({ listenerArn, ...marker }, signal),
    (page) => page.certificates,
  )
  const value = all.filter(({ isDefault }) => !isDefault).map(({ certificateArn }) => certificateArn)
  record.certificates = { at, value: [...new Set(value)].sort() }
}

async function readSettings(reading: Reading, record: ListenerRecord, signal: AbortSignal): Promise<void> {
  const at = reading.now()
  const { listenerArn } = record.listener
  const { attributes } = await reading.cloud.describeListenerAttributes({ listenerArn }, signal)
  record.attributes = { at, value: wordsOf(attributes) }
  if (rareDue(record.tags, record.firstSeenAt, at, reading.lookMs)) await readOldTags(reading, signal)
}

/** One call has room for the tags of many: of the listeners whose tags were read longest ago. */
async function readOldTags(reading: Reading, signal: AbortSignal): Promise<void> {
  const at = reading.now()
  const all = [...reading.records.loadBalancers.values()].flatMap(({ listeners }) => [
    ...(listeners?.value.values() ?? []),
  ])
  const readAt = ({ tags, firstSeenAt }: ListenerRecord) => tags?.at ?? firstSeenAt
  const oldest = all
    .filter((each) => each.deletedAt === undefined)
    .toSorted((a, b) => readAt(a) - readAt(b))
    .slice(0, describeTagsLimit)
  const arns = oldest.map(({ listener }) => listener.listenerArn)
  return reading.once('listenerTags', async () => {
    const tags = await readTags(reading, arns, signal)
    for (const record of oldest) {
      const value = tags.get(record.listener.listenerArn)
      if (value !== undefined && readAt(record) <= at) record.tags = { at, value }
    }
  })
}

/**
 * A listener's tags cost a call, and nothing is decided by them: until they are read they are those of its load balancer, which were given in
 * the same breath.
 */
function assumedTags({ tags }: LoadBalancerRecord, { listener }: ListenerRecord, at: number): Aged<Words> {
  return { at, value: { ...withoutDrain(tags?.value ?? {}), [resourceTag]: keys.listener(listener.port) } }
}
