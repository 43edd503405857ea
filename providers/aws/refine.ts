/**
 * The steps of a plan as single AWS calls. Pure. Each refined step differs from its `from` in what one call changes; execute() looks for that
 * difference. Within an object, what opens goes before what closes: authorise before revoke, register before deregister.
 */
import type { Step } from '../contract.ts'
import { unitsToReserve } from './capacity.ts'
import { attributeChanges } from './attributes.ts'
import type { AttributeKind } from './attributes.ts'
import { drainAsTags } from './drain.ts'
import { registerTargetsLimit } from './elbv2.ts'
import { nextOf, targetGroupsOf } from './moves.ts'
import { refineNodeRules } from './node-rules.ts'
import { ruleChanges } from './own-rules.ts'
import { aws } from './resources.ts'
import type {
  AwsResource,
  ListenerResource,
  LoadBalancerResource,
  SecurityGroupResource,
  Tags,
  TargetGroupResource,
} from './resources.ts'
import { asSeen } from './security-group-wishes.ts'
import { sourceNatTag, subnetsTag, tagChanges, tagsPerResource } from './tags.ts'
import { instanceOf, recordedIds, recordTags } from './target-record.ts'

export function refine(steps: readonly Step[], nodeRuleCap: number): Step[] {
  const goingBalancers = new Set(
    steps.flatMap(({ verb, resource }) => {
      const one = aws(resource)
      return verb === 'delete' && one.kind === 'load-balancer' ? [one.immutable.name] : []
    }),
  )
  // A target group is free once its listeners are gone, which happens with the load balancer.
  const first = steps.filter(({ verb, resource }) => verb === 'delete' && resource.kind === 'load-balancer')
  const start = steps.findIndex(({ verb }) => verb === 'delete')
  const ordered =
    first.length === 0
      ? steps
      : [...steps.slice(0, start), ...first, ...steps.slice(start).filter((step) => !first.includes(step))]
  const groups = targetGroupsOf(steps)
  const used = new Set<string>()
  const refined = ordered.flatMap((step): Step[] => {
    const whole = drainAsTags(aws(step.resource))
    const from = step.verb === 'update' ? aws(step.from) : undefined
    const moves = whole.kind === 'listener' && from?.kind === 'listener'
    const target = moves ? { ...whole, mutable: nextOf(from, whole, groups) } : whole
    if (moves && target.kind === 'listener') used.add(target.mutable.targetGroup)
    if (target.kind === 'node-rules') return refineNodeRules(step, nodeRuleCap)
    if (step.verb === 'delete') {
      // A listener has not moved away from it yet.
      if (target.kind === 'target-group' && used.has(target.immutable.name)) return []
      // DeleteLoadBalancer takes its listeners along, or, where it is protected, leaves everything as it is.
      return target.kind === 'listener' && goingBalancers.has(target.immutable.loadBalancer) ? [] : [step]
    }
    if (step.verb === 'update') return changes(aws(step.from), target)
    const born = atBirth(target)
    return [{ verb: 'create', resource: born }, ...changes(born, target)]
  })
  return reservedLast(afterUdp(refined))
}

/** AWS may lack the capacity, and does not reserve it while a TLS listener stands: nothing else waits for that. */
function reservedLast(steps: readonly Step[]): Step[] {
  const reserves = (step: Step) => {
    if (step.verb !== 'update') return false
    const [from, to] = [aws(step.from), aws(step.resource)]
    const isBalancer = from.kind === 'load-balancer' && to.kind === 'load-balancer'
    return isBalancer && (to.mutable.capacityUnits ?? 0) > 0 && from.mutable.capacityUnits !== to.mutable.capacityUnits
  }
  return [...steps.filter((step) => !reserves(step)), ...steps.filter(reserves)]
}

/** AWS makes no load balancer dual stack that has UDP listeners of IPv4 targets: that comes after the last of them has gone. */
function afterUdp(steps: readonly Step[]): Step[] {
  const restacks = (step: Step) => {
    if (step.verb !== 'update') return false
    const [from, to] = [aws(step.from), aws(step.resource)]
    const isStack = from.kind === 'load-balancer' && to.kind === 'load-balancer'
    return (
      isStack && from.mutable.ipAddressType !== to.mutable.ipAddressType && to.mutable.ipAddressType === 'dualstack'
    )
  }
  const udp = (step: Step) => {
    const before = aws(step.verb === 'update' ? step.from : step.resource)
    return step.verb !== 'create' && before.kind === 'listener' && before.mutable.protocol.includes('UDP')
  }
  const last = steps.findLastIndex(udp)
  const at = steps.findIndex(restacks)
  const moved = steps[at]
  if (moved === undefined || last < at) return [...steps]
  return [...steps.slice(0, at), ...steps.slice(at + 1, last + 1), moved, ...steps.slice(last + 1)]
}

/** What the create call makes, tags included. */
function atBirth(target: AwsResource): AwsResource {
  switch (target.kind) {
    case 'security-group':
      return { ...target, mutable: { ...target.mutable, rules: [] } }
    case 'load-balancer': {
      const { attributes: _attributes, privateLinkRules: _rules, capacityUnits: _units, ...mutable } = target.mutable
      // Nothing of it was read; nothing but defaults stands.
      return { ...target, mutable: { ...mutable, attributes: {} } }
    }
    case 'target-group':
      return { ...target, mutable: { ...target.mutable, targets: [], attributes: {} } }
    case 'listener':
      return {
        ...target,
        mutable: { ...target.mutable, certificates: target.mutable.certificates.slice(0, 1), attributes: {} },
      }
    default:
      return target
  }
}

function changes(from: AwsResource, to: AwsResource): Step[] {
  const walk = steps(from)
  switch (to.kind) {
    case 'security-group':
      if (from.kind === to.kind) groupChanges(walk, from, to)
      break
    case 'load-balancer':
      if (from.kind === to.kind) balancerChanges(walk, from, to)
      break
    case 'target-group':
      if (from.kind === to.kind) targetGroupChanges(walk, from, to)
      break
    case 'listener':
      if (from.kind === to.kind) listenerChanges(walk, from, to)
      break
    default:
      break
  }
  if (to.kind !== 'node-rules' && from.kind !== 'node-rules') {
    // A record of targets may have been widened on the way here.
    const tags = walk.tags()
    const { put, remove } = tagChanges(to.mutable.tags, tags)
    const kept = Object.fromEntries(Object.entries(tags).filter(([key]) => !remove.includes(key)))
    // An object full of tags has no room for the new ones before the old ones go.
    const crowded = Object.keys({ ...tags, ...put }).length > tagsPerResource
    if (crowded && remove.length > 0) walk.become({ tags: kept })
    if (Object.keys(put).length > 0) walk.become({ tags: { ...(crowded ? kept : tags), ...put } })
    if (!crowded && remove.length > 0) walk.become({ tags: { ...kept, ...put } })
  }
  return walk.steps
}

/** Collects updates, each from where the last one ended. */
function steps(from: AwsResource) {
  let current: AwsResource = from
  const all: Step[] = []
  return {
    steps: all,
    tags: (): Tags => (current.kind === 'node-rules' ? {} : current.mutable.tags),
    become(change: object) {
      const next = { ...current, mutable: { ...current.mutable, ...change } } as AwsResource
      all.push({ verb: 'update', resource: next, from: current })
      current = next
    },
  }
}

type Walk = ReturnType<typeof steps>

function groupChanges(walk: Walk, from: SecurityGroupResource, to: SecurityGroupResource): void {
  const others = from.observed?.others ?? []
  for (const rules of ruleChanges(from.mutable.rules, to.mutable.rules, others)) walk.become({ rules })
}

function balancerChanges(walk: Walk, from: LoadBalancerResource, to: LoadBalancerResource): void {
  const seen = from.mutable
  const want = to.mutable
  // Prefixes for source NAT need dual stack: it comes before them and goes after them.
  const restacked = seen.ipAddressType !== want.ipAddressType
  if (restacked && want.ipAddressType === 'dualstack') walk.become({ ipAddressType: want.ipAddressType })
  const subnets = from.observed?.subnetIds ?? want.subnets
  // What names mean, and what is discovered where none are given, is looked up when the wish changes: its mark is the load balancer's tag.
  const byId = want.subnets.length > 0 && want.subnets.every((subnet) => subnet.startsWith('subnet-'))
  const moved = byId ? !sameItems(subnets, want.subnets) : seen.tags[subnetsTag] !== want.tags[subnetsTag]
  if (moved || seen.sourceNat !== want.sourceNat || prefixesDiffer(seen, want)) {
    // Addresses and prefixes go by the place of their subnet: as the user named them, else by zone.
    const byZone = from.observed?.mappings?.map(({ subnetId }) => subnetId) ?? subnets
    const { sourceNat, sourceNatPrefixes, allocationIds, privateIpv4Addresses, ipv6Addresses } = want
    walk.become({
      subnets: want.subnets.length > 0 || moved ? want.subnets : byZone,
      sourceNat,
      sourceNatPrefixes,
      allocationIds,
      privateIpv4Addresses,
      ipv6Addresses,
    })
  }
  if (restacked && want.ipAddressType !== 'dualstack') walk.become({ ipAddressType: want.ipAddressType })
  const linkRules = want.privateLinkRules ?? (seen.privateLinkRules === 'off' ? 'on' : undefined)
  const relinked = linkRules !== undefined && linkRules !== (seen.privateLinkRules ?? 'on')
  const securityGroups = asSeen(want.securityGroups, from.observed?.groupNames ?? {})
  if (!sameItems(seen.securityGroups, securityGroups) || relinked) {
    walk.become({ securityGroups, ...(linkRules ? { privateLinkRules: linkRules } : {}) })
  }
  const capacityUnits = unitsToReserve(from, to)
  if (capacityUnits !== undefined) walk.become({ capacityUnits })
  attributes(walk, 'load-balancer', seen, want)
}

/** A prefix that AWS chose looks like one that was given: the tag tells them apart. */
function prefixesDiffer(seen: LoadBalancerResource['mutable'], want: LoadBalancerResource['mutable']): boolean {
  if (seen.tags[sourceNatTag] !== want.tags[sourceNatTag]) return true
  return want.sourceNatPrefixes.some((prefix) => prefix.includes(':') && !seen.sourceNatPrefixes.includes(prefix))
}

function targetGroupChanges(walk: Walk, from: TargetGroupResource, to: TargetGroupResource): void {
  const { healthCheck } = to.mutable
  if (JSON.stringify(sorted(healthCheck)) !== JSON.stringify(sorted(from.mutable.healthCheck)))
    walk.become({ healthCheck })
  attributes(walk, 'target-group', from.mutable, to.mutable)
  const refused = new Set((from.observed?.refused ?? []).map(({ target }) => target))
  const standing = new Set(from.mutable.targets)
  const wanted = new Set(to.mutable.targets)
  const added = to.mutable.targets.filter((target) => !standing.has(target) && !refused.has(target))
  const gone = from.mutable.targets.filter((target) => !wanted.has(target))
  const recorded = widened(from, to, added)
  if (recorded !== undefined) walk.become({ tags: { ...walk.tags(), ...recorded } })
  let targets = from.mutable.targets
  for (const batch of batches(added)) walk.become({ targets: (targets = [...targets, ...batch].sort()) })
  for (const batch of batches(gone)) {
    const going = new Set(batch)
    walk.become({ targets: (targets = targets.filter((target) => !going.has(target))) })
  }
}

/** What the record of our targets becomes before new ones are registered; undefined where it holds them, or where none is kept. */
function widened(from: TargetGroupResource, to: TargetGroupResource, added: readonly string[]): Tags | undefined {
  const seen = recordedIds(from.mutable.tags)
  if (recordedIds(to.mutable.tags) === undefined || (added.length === 0 && seen !== undefined)) return undefined
  const before = seen ?? from.mutable.targets.map(instanceOf)
  const record = recordTags([...before, ...added.map(instanceOf)])
  const standing = Object.entries(record).every(([key, value]) => from.mutable.tags[key] === value)
  return standing ? undefined : record
}

function listenerChanges(walk: Walk, from: ListenerResource, to: ListenerResource): void {
  const seen = from.mutable
  const want = to.mutable
  const [first, ...others] = want.certificates
  const [seenFirst, ...seenOthers] = seen.certificates
  const standing = seenFirst === undefined ? [] : [seenFirst]
  // AWS chooses a policy by itself where none is asked for.
  const sslPolicy = want.sslPolicy === '' ? seen.sslPolicy : want.sslPolicy
  const policy = want.protocol === 'TLS' ? sslPolicy : ''
  const now = {
    protocol: want.protocol,
    targetGroup: want.targetGroup,
    standby: want.standby,
    certificates: [
      ...(first === undefined ? [] : [first]),
      ...seenOthers.filter((one) => want.protocol === 'TLS' && one !== first),
    ],
    sslPolicy: policy,
    alpn: want.alpn,
  }
  const differs =
    seen.protocol !== now.protocol ||
    seen.targetGroup !== now.targetGroup ||
    seen.standby !== now.standby ||
    standing[0] !== first ||
    (want.protocol === 'TLS' && seen.sslPolicy !== policy) ||
    (want.protocol === 'TLS' && seen.alpn !== now.alpn)
  if (differs) walk.become(now)
  const current = differs ? now.certificates.slice(1) : seenOthers
  const added = others.filter((one) => !current.includes(one))
  const gone = current.filter((one) => !others.includes(one))
  const all = [...current, ...added].sort()
  const head = first === undefined ? [] : [first]
  if (added.length > 0) walk.become({ certificates: [...head, ...all] })
  if (gone.length > 0 && want.protocol === 'TLS') {
    walk.become({ certificates: [...head, ...all.filter((one) => !gone.includes(one))] })
  }
  // Only a TCP listener has attributes; one that becomes it begins with AWS's own.
  if (want.protocol === 'TCP')
    attributes(walk, 'listener', seen.protocol === 'TCP' ? seen : { ...seen, attributes: {} }, want)
}

function attributes(
  walk: Walk,
  kind: AttributeKind,
  seen: Parameters<typeof attributeChanges>[2],
  want: Pick<LoadBalancerResource['mutable'], 'attributes'>,
): void {
  const changed = attributeChanges(kind, want.attributes, seen)
  if (Object.keys(changed).length > 0) walk.become({ attributes: { ...seen.attributes, ...changed } })
}

function batches(items: readonly string[]): string[][] {
  const result: string[][] = []
  for (let at = 0; at < items.length; at += registerTargetsLimit)
    result.push(items.slice(at, at + registerTargetsLimit))
  return result
}

function sameItems(a: readonly string[], b: readonly string[]): boolean {
  return JSON.stringify(a.toSorted()) === JSON.stringify(b.toSorted())
}

function sorted(record: object): [string, unknown][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1))
}
