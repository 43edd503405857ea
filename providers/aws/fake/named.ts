/** Objects of Elastic Load Balancing that are made by name: once, again with the same answer, never with other settings, up to a quota. */
import type { CloudError, JsonObject } from '../../contract.ts'
import { jsonEqual } from '../../json-equal.ts'
import { describeNamesLimit } from '../elbv2.ts'
import type { RefusalCode } from './refusal.ts'
import { demand } from './refusal.ts'
import type { Table } from './table.ts'

interface Naming<S> {
  /** `load balancer`. */
  what: string
  /** Equal for equal settings. */
  comparable: (settings: S) => JsonObject
  duplicate: RefusalCode
  quota: number
  tooMany: RefusalCode
}

/** What stands under the name with these settings; undefined: there is room for a new one. Refuses other settings and one too many. */
export function standing<S, T extends S & { name: string }>(
  table: Table<T>,
  name: string,
  settings: NoInfer<S>,
  { what, comparable, duplicate, quota, tooMany }: Naming<S>,
): T | undefined {
  const same = table.values().find((each) => each.name === name)
  if (same !== undefined) {
    const equal = jsonEqual(comparable(settings), comparable(same))
    demand(equal, duplicate, `A ${what} with the same name '${name}' exists, but with different settings`)
    return same
  }
  demand(table.values().length < quota, tooMany, `The maximum number of ${what}s has been reached`)
  return undefined
}

/** Those that are asked for by ARN or by name; each must be there. */
export function namedOnes<T extends { arn: string; name: string }>(
  all: readonly T[],
  { arns, names, what }: { arns: readonly string[] | undefined; names: readonly string[] | undefined; what: string },
  missing: (asked: readonly string[]) => CloudError,
): T[] {
  const asked = arns ?? names ?? []
  demand(asked.length <= describeNamesLimit, 'ValidationError', `Up to 20 ${what} can be named at once`)
  return asked.map((wanted) => {
    const one = all.find(({ arn, name }) => (arns === undefined ? name : arn) === wanted)
    if (one === undefined) throw missing(asked)
    return one
  })
}

export function checkName(name: string): void {
  demand(name.length >= 1 && name.length <= 32, 'ValidationError', `The name '${name}' must have 1 to 32 characters`)
  demand(
    /^[A-Za-z0-9-]+$/.test(name),
    'ValidationError',
    `The name '${name}' can contain only letters, digits and hyphens`,
  )
  demand(!/^-|-$/.test(name), 'ValidationError', `The name '${name}' cannot begin or end with a hyphen`)
}
