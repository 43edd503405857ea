/**
 * One request of the AWS Query protocol as data: service, action, flat parameters (`Subnets.member.1`). elbv2 and ec2 both speak it,
 * with lists as `Name.member.N` and `Name.N`.
 */
import type { IncomingHttpHeaders } from 'node:http'

export type AwsService = 'elbv2' | 'ec2' | 'other'
export type Parameters = ReadonlyMap<string, string>

export interface AwsCall {
  readonly service: AwsService
  /** '' when the request is not of the Query protocol. */
  readonly action: string
  readonly region: string
  readonly parameters: Parameters
  readonly requestId: string
}

/** As AWS's own throttling classes and the peers' measurements count: everything that is not Describe, Get or List. */
export function isMutating(action: string): boolean {
  return action !== '' && !/^(Describe|Get|List)/.test(action)
}

export function awsCall(headers: IncomingHttpHeaders, body: string, requestId: string): AwsCall {
  const form = headers['content-type']?.includes('x-www-form-urlencoded') === true ? new URLSearchParams(body) : []
  const parameters = new Map(form)
  const [, region = 'us-east-1', service = ''] =
    /Credential=[^/]+\/\d+\/([^/]+)\/([^/]+)\//.exec(headers.authorization ?? '') ?? []
  return { service: serviceOf(service), action: parameters.get('Action') ?? '', region, parameters, requestId }
}

function serviceOf(signed: string): AwsService {
  if (signed === 'elasticloadbalancing') return 'elbv2'
  return signed === 'ec2' ? 'ec2' : 'other'
}

/** The strings of a list: `Subnets.member` or, for ec2, `GroupId`. In the order of their numbers. */
export function strings(parameters: Parameters, name: string): string[] {
  return indices(parameters, name).flatMap((index) => parameters.get(`${name}.${index}`) ?? [])
}

/** The structures of a list, each with the names inside it: `SubnetMappings.member.1.SubnetId` is `SubnetId` of the first. */
export function structures(parameters: Parameters, name: string): Parameters[] {
  return indices(parameters, name).map((index) => {
    const start = `${name}.${index}.`
    return new Map(
      [...parameters].filter(([key]) => key.startsWith(start)).map(([key, value]) => [key.slice(start.length), value]),
    )
  })
}

function indices(parameters: Parameters, name: string): number[] {
  const found = new Set<number>()
  for (const key of parameters.keys()) {
    if (!key.startsWith(`${name}.`)) continue
    const index = Number.parseInt(key.slice(name.length + 1), 10)
    if (!Number.isNaN(index)) found.add(index)
  }
  return [...found].sort((a, b) => a - b)
}

/** The same parameters without those whose name begins with one of `prefixes`, and with `added`. */
export function changed(
  parameters: Parameters,
  prefixes: readonly string[],
  added: Readonly<Record<string, string>> = {},
): Parameters {
  const kept = [...parameters].filter(
    ([key]) => !prefixes.some((prefix) => key === prefix || key.startsWith(`${prefix}.`)),
  )
  return new Map([...kept, ...Object.entries(added)])
}
