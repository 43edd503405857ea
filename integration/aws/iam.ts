/**
 * The part of IAM's evaluation that identity policies of ours use: statements that allow, actions and resources with `*`, conditions on
 * request tags and resource tags. An operator this file does not know is an error, so that a policy is never found better than it is.
 */
export interface PolicyDocument {
  Version: string
  Statement: readonly Statement[]
}

interface Statement {
  Sid?: string
  Effect: 'Allow' | 'Deny'
  Action: string | readonly string[]
  Resource: string | readonly string[]
  Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>
}

/** One request to AWS: for each resource it touches, what IAM knows of it. */
export interface AccessRequest {
  /** For example elasticloadbalancing:CreateListener. */
  action: string
  /** The ARN; IAM asks for `*` where an action has no resource. */
  resource: string
  /** Condition keys of the request and the resource: aws:RequestTag/..., aws:ResourceTag/..., aws:TagKeys, elasticloadbalancing:CreateAction. */
  context: Readonly<Record<string, string | readonly string[]>>
}

export function allows(policy: PolicyDocument, request: AccessRequest): boolean {
  const applying = policy.Statement.filter((statement) => applies(statement, request))
  return applying.length > 0 && applying.every(({ Effect }) => Effect === 'Allow')
}

function applies({ Action, Resource, Condition = {} }: Statement, request: AccessRequest): boolean {
  if (!list(Action).some((pattern) => like(pattern.toLowerCase(), request.action.toLowerCase()))) return false
  if (!list(Resource).some((pattern) => like(pattern, request.resource))) return false
  return Object.entries(Condition).every(([operator, tests]) =>
    Object.entries(tests).every(([key, values]) => holds(operator, list(values), contextOf(request, key))),
  )
}

/** Keys are compared without case up to the tag's name, as IAM does. */
function contextOf({ context }: AccessRequest, key: string): readonly string[] | undefined {
  const found = Object.entries(context).find(([name]) => name.toLowerCase() === key.toLowerCase())
  return found === undefined ? undefined : list(found[1])
}

function holds(operator: string, values: readonly string[], actual: readonly string[] | undefined): boolean {
  const among = (one: string) => values.includes(one)
  const alike = (one: string) => values.some((pattern) => like(pattern, one))
  switch (operator) {
    case 'Null':
      return values[0] === String(actual === undefined)
    case 'StringEquals':
      return actual?.some(among) ?? false
    case 'StringLike':
    case 'ArnLike':
      return actual?.some(alike) ?? false
    case 'StringNotEquals':
      return !(actual?.some(among) ?? false)
    case 'StringEqualsIfExists':
      return actual?.some(among) ?? true
    case 'StringLikeIfExists':
      return actual?.some(alike) ?? true
    case 'ForAllValues:StringEquals':
      return actual?.every(among) ?? true
    case 'ForAllValues:StringLike':
      return actual?.every(alike) ?? true
    case 'ForAllValues:StringNotEquals':
      return !(actual?.some(among) ?? false)
    case 'ForAnyValue:StringEquals':
      return actual?.some(among) ?? false
    default:
      throw new Error(`condition operator ${operator} is not known to this test`)
  }
}

function like(pattern: string, text: string): boolean {
  const escaped = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${escaped}$`, 's').test(text)
}

function list(value: string | readonly string[]): readonly string[] {
  return typeof value === 'string' ? [value] : value
}
