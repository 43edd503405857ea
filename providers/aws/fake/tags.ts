/** Tags of elbv2 and EC2 objects, and the limits on them. */
import type { KeyValue } from '../elbv2.ts'
import { describeTagsLimit } from '../elbv2.ts'
import type { Account, Attributes, Sync } from './account.ts'
import { elbLag, pairs } from './account.ts'
import type { RefusalCode } from './refusal.ts'
import { refusal, demand } from './refusal.ts'
import type { Table } from './table.ts'

/** The tags as they are kept; refuses what AWS refuses. `limit`: the service's code for too many. */
export function tagged(
  account: Account,
  tags: readonly KeyValue[],
  before: Attributes = {},
  limit: RefusalCode = 'TooManyTags',
): Attributes {
  demand(new Set(tags.map(({ key }) => key)).size === tags.length, 'DuplicateTagKeys', 'a tag key was given twice')
  for (const { key, value } of tags) {
    const fits = key.length >= 1 && key.length <= 128 && value.length <= 256
    const allowed = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u
    demand(fits && allowed.test(key) && allowed.test(value), invalidTag(limit), `the tag ${key}=${value} is not valid`)
    demand(!key.startsWith('aws:'), invalidTag(limit), `the tag key ${key} is reserved for AWS`)
  }
  const result = { ...before, ...Object.fromEntries(tags.map(({ key, value }) => [key, value])) }
  demand(Object.keys(result).length <= account.quotas.tagsPerResource, limit, 'the limit of tags has been reached')
  return result
}

function invalidTag(limit: RefusalCode): RefusalCode {
  return limit === 'TooManyTags' ? 'ValidationError' : 'InvalidParameterValue'
}

interface Taggable {
  tags: Attributes
}

export function tagActions(account: Account): Sync<'describeTags' | 'addTags' | 'removeTags'> {
  /** elbv2's tables with tags, by the part of the ARN that names the kind. */
  const kinds: readonly [part: string, table: Table<Taggable>, missing: RefusalCode][] = [
    [':loadbalancer/', account.loadBalancers, 'LoadBalancerNotFound'],
    [':targetgroup/', account.targetGroups, 'TargetGroupNotFound'],
    [':listener/', account.listeners, 'ListenerNotFound'],
  ]
  const kindOf = (arn: string) => {
    const kind = kinds.find(([part]) => arn.includes(part))
    if (kind === undefined) throw refusal('ValidationError', `'${arn}' is not a valid ARN`)
    return kind
  }
  const change = (resourceArns: readonly string[], edit: (before: Attributes) => Attributes) => {
    for (const arn of resourceArns) {
      const [, table, missing] = kindOf(arn)
      demand(table.get(arn) !== undefined, missing, `'${arn}' does not exist`)
    }
    for (const arn of resourceArns) {
      const [, table] = kindOf(arn)
      const value = table.get(arn)
      if (value !== undefined) table.put(arn, { ...value, tags: edit(value.tags) })
    }
  }
  return {
    describeTags({ resourceArns }) {
      demand(resourceArns.length <= describeTagsLimit, 'ValidationError', 'Up to 20 ARNs can be described at once')
      const lag = elbLag(account)
      return {
        tagDescriptions: resourceArns.map((resourceArn) => {
          const [, table, missing] = kindOf(resourceArn)
          // The tags of what was just created are there: they are looked up by ARN, not searched for.
          const value = seenById(table, lag).get(resourceArn) ?? table.get(resourceArn)
          if (value === undefined) throw refusal(missing, `'${resourceArn}' does not exist`)
          return { resourceArn, tags: pairs(value.tags) }
        }),
      }
    },
    addTags({ resourceArns, tags }) {
      change(resourceArns, (before) => tagged(account, tags, before))
    },
    removeTags({ resourceArns, tagKeys }) {
      change(resourceArns, (before) =>
        Object.fromEntries(Object.entries(before).filter(([key]) => !tagKeys.includes(key))),
      )
    },
  }
}

function seenById(table: Table<Taggable>, lag: number): Map<string, Taggable> {
  return new Map(table.seen(lag).map((value) => [(value as Taggable & { arn: string }).arn, value]))
}
