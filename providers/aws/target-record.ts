/**
 * Which targets of a group are ours, where others may register theirs (another cluster, a person): instance ids in tags of the group, written
 * before a target is registered and taken out after it was deregistered, so that a node that left is still known after a restart. Pure.
 */
import type { Tags } from './resources.ts'

const prefix = 'roadstead.dev/targets-'
/** A tag's value holds 256 characters, an id without `i-` 17 and a blank. */
const idsPerTag = 14
/** AWS allows 50 tags; the user's and our others need room. */
const tagsAtMost = 30

export const recordedAtMost = idsPerTag * tagsAtMost

/** At least one tag, so that a group without targets is told from one without a record. */
export function recordTags(ids: Iterable<string>): Tags {
  const sorted = [...new Set(ids)].sort().map((id) => id.replace(/^i-/, ''))
  const count = Math.max(1, Math.ceil(sorted.length / idsPerTag))
  const chunk = (at: number) => sorted.slice(at * idsPerTag, (at + 1) * idsPerTag).join(' ')
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [prefix + at, chunk(at)]))
}

/** Ids of the instances that are ours; undefined without a record: then all are. */
export function recordedIds(tags: Tags): Set<string> | undefined {
  const found = Object.entries(tags).filter(([key]) => isRecordTag(key))
  if (found.length === 0) return undefined
  const ids = found.flatMap(([, value]) => value.split(' ')).filter((id) => id !== '')
  return new Set(ids.map((id) => `i-${id}`))
}

export function isRecordTag(key: string): boolean {
  return key.startsWith(prefix)
}

/** Of a target `<instance id>:<port>`. */
export function instanceOf(target: string): string {
  return target.slice(0, target.lastIndexOf(':'))
}
