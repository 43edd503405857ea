/**
 * Inbound rules of a load balancer's own security group: which clients may come in, at the ports that have listeners. Pure. Ports are merged
 * into ranges where the rules would not fit into the group: a port without a listener answers nobody, so a range opens nothing. What is new
 * is let in before what is not wanted any more is shut out, also where both do not fit at once.
 */
import type { Family, LoadBalancerSpec, Reason } from '../contract.ts'
import { compact, compareRanges, overlaps, parseRange, protocolsOf } from './node-rules.ts'
import type { PortGroup } from './port-groups.ts'
import type { Parameters } from './parameters.ts'
import { ruleLine } from './rules.ts'

/** AWS allows 60 inbound rules of a family in a group by default; the others are for the way from one set to the next. */
const ruleCap = 50
const rulesAtMost = 60

type Wish = Pick<LoadBalancerSpec, 'sourceRanges' | 'families'>
type Words = Pick<Parameters, 'prefixLists' | 'pathMtu'>

/** Lines in the form of rules.ts, sorted. */
export function ownRules(spec: Wish, { prefixLists = [], pathMtu }: Words, groups: readonly PortGroup[]): string[] {
  const sources = sourcesOf(spec, prefixLists)
  const ports = groups.flatMap(({ port, protocol }) => protocolsOf(protocol).map((name) => `${name}/${port}`))
  const most = Math.max(
    1,
    ...['IPv4', 'IPv6'].map((family) => sources.filter((one) => familyOf(one) === family).length),
  )
  const count = (ranges: number) => (ranges + (pathMtu ? 1 : 0)) * most + prefixLists.length
  const room = Math.floor((ruleCap - prefixLists.length) / most) - (pathMtu ? 1 : 0)
  const ranges = count(ports.length) <= ruleCap ? ports : compact(ports, Math.max(1, room)).rules
  // A prefix list counts with all the entries it may hold, which are not known here.
  const listRanges = prefixLists.length === 0 ? [] : compact(ports, 1).rules
  const lines = (all: readonly string[], from: readonly string[]) =>
    all.flatMap((range) => from.map((source) => ruleLine(...split(range), source)))
  const mtu = sources.map((cidr) =>
    familyOf(cidr) === 'IPv6' ? ruleLine('icmpv6', '2:0', cidr) : ruleLine('icmp', '3:4', cidr),
  )
  if (ports.length === 0) return []
  return [...new Set([...lines(ranges, sources), ...lines(listRanges, prefixLists), ...(pathMtu ? mtu : [])])].sort()
}

/** Nobody may come in: every source range is of a family that the load balancer has not. */
export function shutOut({ sourceRanges, families }: Wish, { prefixLists = [] }: Words): Reason[] {
  if (sourceRanges.length === 0 || sourcesOf({ sourceRanges, families }, prefixLists).length > 0) return []
  if (prefixLists.length > 0) return []
  const other = families.includes('IPv4') ? 'IPv6' : 'IPv4'
  const message = `nobody may come in: the load balancer has ${families.join(' and ')} addresses, and the source ranges (${sourceRanges.slice(0, 5).join(', ')}) are all ${other}; add ranges of ${families.join(' or ')}, or make the Service dual stack (spec.ipFamilyPolicy: RequireDualStack)`
  return [{ reason: 'SourceRangesOfOtherFamily', message }]
}

/** Of these families; everybody where nobody is named. */
function sourcesOf({ sourceRanges, families }: Wish, prefixLists: readonly string[]): string[] {
  const anybody = sourceRanges.length === 0 && prefixLists.length === 0
  const cidrs = anybody ? ['0.0.0.0/0', '::/0'] : sourceRanges
  return cidrs.filter((cidr) => families.includes(familyOf(cidr)))
}

function familyOf(cidr: string): Family {
  return cidr.includes(':') ? 'IPv6' : 'IPv4'
}

/**
 * The sets of rules to go through from `standing` to `wanted`, each the outcome of one call. A rule goes when everything wanted at its ports
 * stands. `others`: rules of others, which count as well.
 */
export function ruleChanges(
  standing: readonly string[],
  wanted: readonly string[],
  others: readonly string[],
): string[][] {
  const steps: string[][] = []
  let rules = [...standing]
  const become = (next: readonly string[]) => steps.push((rules = [...next].sort()))
  const missing = () => wanted.filter((rule) => !rules.includes(rule) && !others.includes(rule))
  const surplus = () => rules.filter((rule) => !wanted.includes(rule))
  for (;;) {
    const added = fitting([...rules, ...others], missing().toSorted(byPorts))
    if (added.length > 0) become([...rules, ...added])
    const still = missing()
    const gone = surplus().filter((rule) => !still.some((one) => meets(one, rule)))
    if (gone.length > 0) become(rules.filter((rule) => !gone.includes(rule)))
    if (added.length > 0 || gone.length > 0) continue
    const [next] = missing()
    if (next === undefined) return steps
    // No room for anything: what stands in the way of one goes first, and where that is nothing AWS says what it thinks.
    const blocking = surplus().filter((rule) => meets(next, rule))
    const way = blocking.length > 0 ? blocking : surplus().slice(0, 1)
    if (way.length === 0) {
      become([...rules, ...missing()])
      return steps
    }
    become(rules.filter((rule) => !way.includes(rule)))
  }
}

/** As many of `added` as there is room for; all of them where all fit, or where everything together does. */
function fitting(standing: readonly string[], added: readonly string[]): string[] {
  const room = { IPv4: rulesAtMost, IPv6: rulesAtMost }
  const take = (rule: string) => {
    const source = sourceOf(rule)
    const of = source.startsWith('pl-') || source.startsWith('sg-') ? (['IPv4', 'IPv6'] as const) : [familyOf(source)]
    const fits = of.every((family) => room[family] > 0)
    for (const family of of) room[family]--
    return fits
  }
  for (const rule of standing) take(rule)
  return added.filter(take)
}

function split(range: string): [protocol: string, ports: string] {
  const [protocol = '', ports = ''] = range.split('/')
  return [protocol, ports]
}

function sourceOf(line: string): string {
  return line.split(' ')[2] ?? ''
}

/** `tcp/80-90` of a line. */
function rangeOf(line: string): string {
  return line.split(' ').slice(0, 2).join('/')
}

function byPorts(a: string, b: string): number {
  return compareRanges(parseRange(rangeOf(a)), parseRange(rangeOf(b)))
}

/** Both let somebody in to the same port over the same family. */
function meets(a: string, b: string): boolean {
  const [one, other] = [sourceOf(a), sourceOf(b)]
  const isList = one.startsWith('pl-') || other.startsWith('pl-')
  if (!isList && familyOf(one) !== familyOf(other)) return false
  return overlaps(rangeOf(a), rangeOf(b))
}
