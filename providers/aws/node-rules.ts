/**
 * The shared document of a cluster: one group that every load balancer carries, and the rules that let this group in to node ports in the
 * security groups of the nodes. Pure. Exactly the used ports are open while their rules fit under a cap; beyond it the ranges that open the
 * fewest other ports. What is new is opened before what is not wanted any more is closed, and nothing is closed that a target group still uses.
 */
import type { Assembled, DocumentKey, Fragment, Owner, Reason, Resource, Step } from '../contract.ts'
import { nodeAccessGroupName } from './names.ts'
import { aws, clusterOf, documentOf, keys } from './resources.ts'
import type { NodeAccessGroupResource, NodeRulesResource, TargetGroupResource } from './resources.ts'
import { documentTags } from './tags.ts'

/** AWS allows 60 inbound rules in a group by default; others' rules need some of them, and so does the way from one set to the next. */
export const defaultNodeRuleCap = 45
const spareRules = 5

interface PortRange {
  protocol: string
  from: number
  to: number
}

/** What one placement needs open: `tcp/30080`. */
export function portsFragment(owner: Owner, ports: Iterable<string>): Fragment {
  return { document: documentOf(owner.cluster).document, owner, content: { ports: [...new Set(ports)].sort(byRange) } }
}

/** Ports of the nodes that a target group as it stands uses, in its targets and in its health check. */
export function portsInUse({
  mutable,
}: {
  mutable: Pick<TargetGroupResource['mutable'], 'protocol' | 'targets' | 'healthCheck'>
}): string[] {
  const { protocol, targets, healthCheck } = mutable
  const used = new Set(targets.map((target) => target.slice(target.lastIndexOf(':') + 1)))
  const check = healthCheck.port === 'traffic-port' ? [...used] : [healthCheck.port]
  return [
    ...[...used].flatMap((port) => protocolsOf(protocol).map((name) => `${name}/${port}`)),
    ...(used.size === 0 ? [] : check.map((port) => `tcp/${port}`)),
  ]
}

/** Of a listener's or target group's protocol. */
export function protocolsOf(protocol: TargetGroupResource['mutable']['protocol']): ('tcp' | 'udp')[] {
  if (protocol === 'TCP_UDP') return ['tcp', 'udp']
  return protocol === 'UDP' ? ['udp'] : ['tcp']
}

/** The fragments that stand: what each owner's target groups use, as the inventory saw them. */
export function fragmentsOf(_document: DocumentKey, observed: readonly Resource[]): Fragment[] {
  return observed.flatMap((resource) => {
    const one = aws(resource)
    if (one.kind !== 'node-access-group') return []
    return (one.observed?.fragments ?? []).map(([owner, ports]) => portsFragment(owner, ports))
  })
}

/** `cap`: rules of ours in one group. */
export function assemble(cap: number) {
  return (document: DocumentKey, fragments: readonly Fragment[], observed: readonly Resource[]): Assembled => {
    if (fragments.length === 0) return { resources: [] }
    const used = [...new Set(fragments.flatMap(({ content }) => (content['ports'] ?? []) as readonly string[]))]
    const { rules, others } = compact(used, cap)
    const cluster = clusterOf(document)
    const group: NodeAccessGroupResource = {
      kind: 'node-access-group',
      key: keys.nodeAccessGroup,
      owner: document,
      needs: [],
      immutable: { name: nodeAccessGroupName(cluster) },
      mutable: { tags: documentTags(cluster, document, keys.nodeAccessGroup) },
      state: 'ready',
    }
    const nodeGroups = observed
      .map(aws)
      .filter((resource) => resource.kind === 'node-rules')
      .filter((resource) => resource.observed?.left !== true)
    const notes = [...unresolvedNodes(observed), ...(others > 0 ? [rangesOpened(cap, others)] : [])]
    return {
      resources: [
        group,
        ...nodeGroups.map(
          ({ immutable }): NodeRulesResource => ({
            kind: 'node-rules',
            key: keys.nodeRules(immutable.groupId),
            owner: document,
            needs: [keys.nodeAccessGroup],
            immutable,
            mutable: { rules },
            state: 'ready',
          }),
        ),
      ],
      ...(notes.length > 0 ? { notes } : {}),
    }
  }
}

/** The nodes whose group has no rules of ours, because it cannot be told which one it is. */
function unresolvedNodes(observed: readonly Resource[]): Reason[] {
  const words = observed.flatMap((resource) => {
    const one = aws(resource)
    return one.kind === 'node-access-group' ? (one.observed?.unresolved ?? []) : []
  })
  if (words.length === 0) return []
  const message = `no rules for ${[...new Set(words)].join('; ')}`
  return [{ reason: 'NodeSecurityGroupUnknown', message }]
}

/** In steps of 1, 2, 5: the text goes to every Service, and shall not be another one with each port that comes or goes. */
function rangesOpened(cap: number, others: number): Reason {
  const decade = 10 ** Math.floor(Math.log10(others))
  const atMost = [1, 2, 5, 10].map((step) => step * decade).find((step) => others <= step)
  const message = `the node ports in use do not fit into ${cap} rules of the nodes' security group: ranges are open that hold up to ${atMost} other ports; a higher node-rule-cap (and AWS quota) opens only what is used`
  return { reason: 'NodePortRangesOpened', message }
}

/** The fewest ranges that hold the ports, or `cap` ranges with the fewest ports that are not used (`others`). Sorted. */
export function compact(ports: readonly string[], cap: number): { rules: string[]; others: number } {
  const ranges: PortRange[] = []
  for (const range of [...new Set(ports)].map(parseRange).sort(compareRanges)) {
    const last = ranges.at(-1)
    if (last?.protocol === range.protocol && range.from <= last.to + 1) last.to = Math.max(last.to, range.to)
    else ranges.push({ ...range })
  }
  // Gaps are independent of each other: closing the smallest ones first opens the fewest ports.
  const gaps = ranges
    .flatMap((range, index) => {
      const next = ranges[index + 1]
      return next?.protocol === range.protocol ? [{ index, size: next.from - range.to - 1 }] : []
    })
    .sort((a, b) => a.size - b.size || a.index - b.index)
    .slice(0, Math.max(0, ranges.length - cap))
  const bridged = new Set(gaps.map(({ index }) => index))
  const merged: PortRange[] = []
  for (const [index, range] of ranges.entries()) {
    const last = merged.at(-1)
    if (last && bridged.has(index - 1)) last.to = range.to
    else merged.push({ ...range })
  }
  return { rules: merged.map(printRange), others: gaps.reduce((sum, { size }) => sum + size, 0) }
}

/**
 * The rules of one group from what stands to what is wanted, as single calls. At most `cap` and a few more rules stand at any moment; where
 * they do not fit at once, what new rules have made needless goes before the next ones come. Rules of ports in use stay.
 */
export function refineNodeRules(step: Step, cap: number): Step[] {
  const target = aws(step.resource)
  if (target.kind !== 'node-rules') return []
  const seen = step.verb === 'update' ? aws(step.from) : target
  if (seen.kind !== 'node-rules') return []
  const wanted = step.verb === 'delete' ? [] : target.mutable.rules
  const standing = step.verb === 'create' ? [] : seen.mutable.rules
  const inUse = seen.observed?.inUse ?? []
  const steps: Step[] = []
  let current = seen
  const become = (rules: readonly string[]) => {
    const next = { ...current, mutable: { rules: [...rules].sort(byRange) } }
    steps.push({ verb: 'update', resource: next, from: current })
    current = next
  }
  let rules = [...standing]
  const missing = () => wanted.filter((rule) => !rules.includes(rule))
  const needless = () => {
    const surplus = rules.filter((rule) => !wanted.includes(rule))
    return surplus.filter((rule) => {
      const others = rules.filter((other) => other !== rule && !surplus.includes(other))
      const needed = [...wanted.filter((one) => !rules.includes(one) && overlaps(one, rule)), ...inUse]
      return needed.every((port) => !overlaps(port, rule) || covered(intersection(port, rule), others))
    })
  }
  for (;;) {
    const room = Math.max(1, cap + spareRules - rules.length)
    const next = missing().slice(0, room)
    if (next.length > 0) become((rules = [...rules, ...next]))
    const gone = needless()
    if (gone.length > 0) become((rules = rules.filter((rule) => !gone.includes(rule))))
    if (next.length === 0 && gone.length === 0) return steps
  }
}

export function parseRange(text: string): PortRange {
  const [protocol = '', ports = ''] = text.split('/')
  // Of ICMP: type and code.
  const [from = 0, to = from] = ports.split(/[-:]/).map(Number)
  return { protocol, from, to }
}

function printRange({ protocol, from, to }: PortRange): string {
  return from === to ? `${protocol}/${from}` : `${protocol}/${from}-${to}`
}

export function compareRanges(a: PortRange, b: PortRange): number {
  return a.protocol < b.protocol ? -1 : a.protocol > b.protocol ? 1 : a.from - b.from || a.to - b.to
}

function byRange(a: string, b: string): number {
  return compareRanges(parseRange(a), parseRange(b))
}

export function overlaps(a: string, b: string): boolean {
  const [one, other] = [parseRange(a), parseRange(b)]
  return one.protocol === other.protocol && one.from <= other.to && other.from <= one.to
}

function intersection(a: string, b: string): PortRange {
  const [one, other] = [parseRange(a), parseRange(b)]
  return { protocol: one.protocol, from: Math.max(one.from, other.from), to: Math.min(one.to, other.to) }
}

/** Whether the ranges together hold every port of `range`. */
function covered(range: PortRange, ranges: readonly string[]): boolean {
  let next = range.from
  for (const { protocol, from, to } of ranges.map(parseRange).sort(compareRanges)) {
    if (protocol === range.protocol && from <= next && to >= next) next = to + 1
  }
  return next > range.to
}
