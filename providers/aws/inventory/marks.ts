/** Whose an object of Elastic Load Balancing is: its tags, which are not in the lists. Read in twenties, only of names of our form. */
import { describeTagsLimit } from '../elbv2.ts'
import { attributesTag, ownerOfTags } from '../tags.ts'
import type { Reading } from './reading.ts'
import { notFound } from './reading.ts'
import type { Life, Mark, Words } from './records.ts'
import { wordsOf } from './records.ts'

/** Tags of ours are rarely changed by others: they are read again once in so many looks. */
const tagAgeLooks = 12

/** Tags of records that have none yet, or old ones. */
export async function readMarks<R extends Mark & Life>(
  reading: Reading,
  of: ReadonlyMap<string, R>,
  nameOf: (record: R) => string,
  signal: AbortSignal,
): Promise<void> {
  const { now, lookMs } = reading
  const at = now()
  const missing = [...of]
    .filter(([, record]) => nameOf(record).startsWith('rs-') && record.deletedAt === undefined)
    .filter(([, { tags }]) => tags === undefined || at - tags.at >= lookMs * tagAgeLooks)
    .map(([arn]) => arn)
  const found = await readTags(reading, missing, signal)
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

/** By ARN; what does not exist any more is not in the answer. */
export async function readTags(
  { cloud }: Reading,
  arns: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, Words>> {
  const found = new Map<string, Words>()
  const read = async (some: readonly string[]): Promise<void> => {
    try {
      const { tagDescriptions } = await cloud.describeTags({ resourceArns: some }, signal)
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

/** Attributes were asked for, as the mark says: they are compared at every look. */
export function asksForAttributes({ tags }: Pick<Mark, 'tags'>): boolean {
  return tags?.value[attributesTag] !== undefined
}
