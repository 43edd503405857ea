/**
 * Which instances become targets, and how their health reads. Pure. A node without an instance id is left out by name and stops nobody else;
 * near a limit of AWS a choice is made that stays the same while nodes come and go: each node has a rank of its own in each Service.
 */
import type { LoadBalancerSpec, Reason, Resource, TargetHealth, TargetNode } from '../contract.ts'
import { digest } from './names.ts'
import { instanceIdOf, isFargate, namesOf } from './nodes.ts'
import type { Parameters } from './parameters.ts'
import { aws } from './resources.ts'

/** Registrations (target group and target) in one zone of a load balancer; of all zones when traffic crosses them. */
const targetsPerZone = 500
const targetsPerLoadBalancer = 3000
const targetsPerGroup = 1000

/** Instance ids, sorted, for a load balancer with so many target groups. */
export function chooseTargets(
  { nodes, owner, policy }: LoadBalancerSpec,
  { maxTargets, crossZone }: Parameters,
  groups: number,
): { targets: string[]; notes: Reason[] } {
  const found = nodes.map(({ name, providerId, zone = '' }) => ({ name, zone, id: instanceIdOf(providerId) }))
  const named = found.flatMap(({ id, zone }) => (id === undefined ? [] : [{ id, zone }]))
  const perGroup = Math.max(
    1,
    Math.min(targetsPerGroup, maxTargets ?? Infinity, Math.floor(targetsPerLoadBalancer / Math.max(1, groups))),
  )
  const perZone = Math.max(1, Math.floor(targetsPerZone / Math.max(1, groups)))
  const zones = new Map<string, { id: string }[]>()
  for (const node of named) {
    const zone = crossZone ? '' : node.zone
    zones.set(zone, [...(zones.get(zone) ?? []), node])
  }
  const rank = ({ id }: { id: string }) => digest([owner.uid, id])
  const best = (of: { id: string }[], count: number) =>
    of.length <= count
      ? of
      : of
          .map((node) => ({ node, rank: rank(node) }))
          .sort((a, b) => (a.rank < b.rank ? -1 : 1))
          .slice(0, count)
          .map(({ node }) => node)
  const chosen = best(
    [...zones.values()].flatMap((of) => best(of, perZone)),
    perGroup,
  )
  return {
    targets: [...new Set(chosen.map(({ id }) => id))].sort(),
    notes: [
      ...strangers(nodes.filter(({ providerId }) => instanceIdOf(providerId) === undefined && !isFargate(providerId))),
      ...(chosen.length < named.length ? [limited(chosen.length, policy)] : []),
    ],
  }
}

function strangers(nodes: readonly TargetNode[]): Reason[] {
  if (nodes.length === 0) return []
  const message = `no traffic for node ${namesOf(nodes.map(({ name }) => name))}: spec.providerID names no EC2 instance (aws:///<zone>/i-...)`
  return [{ reason: 'NodeWithoutInstance', message }]
}

/** Without numbers that change with every node. */
function limited(count: number, policy: LoadBalancerSpec['policy']): Reason {
  const local = policy === 'Local' ? '; with externalTrafficPolicy Local, Pods on the others get no traffic' : ''
  const message = `only ${count} nodes are targets, as many as AWS (or max-targets) allows for the ports of this Service${local}`
  return { reason: 'TargetsLimited', message }
}

/** Nodes whose instance AWS did not take as a target, by name. */
export function targetNotes(observed: readonly Resource[], nodes: readonly TargetNode[]): Reason[] {
  const refused = new Set(
    observed.flatMap((resource) => {
      const group = aws(resource)
      if (group.kind !== 'target-group' || group.state === 'deleting') return []
      return (group.observed?.refused ?? []).map(({ target }) => target.slice(0, target.lastIndexOf(':')))
    }),
  )
  const named = nodes.flatMap(({ name, providerId }) => {
    const id = instanceIdOf(providerId)
    return id !== undefined && refused.has(id) ? [`${name} (${id})`] : []
  })
  if (named.length === 0) return []
  const message = `no traffic for node ${namesOf(named)}: AWS does not take the instance as a target; it has to exist, run, and be in the VPC of the load balancer. AWS's words stand in the LoadBalancer object`
  return [{ reason: 'InstanceRefused', message }]
}

/** By node: healthy where every target group says so, being checked where the others do, draining where every one does. */
export function targetHealth(observed: readonly Resource[], nodes: readonly TargetNode[]): TargetHealth[] {
  const names = new Map(nodes.map(({ name, providerId }) => [instanceIdOf(providerId) ?? '', name]))
  const found = new Map<string, Registration[]>()
  for (const resource of observed) {
    const group = aws(resource)
    if (group.kind !== 'target-group' || group.state === 'deleting') continue
    const refused = (group.observed?.refused ?? []).map(({ target, reason }) => ({ target, state: 'refused', reason }))
    const known = new Map([...(group.observed?.health ?? []), ...refused].map((one) => [one.target, one]))
    for (const target of group.mutable.targets) {
      if (!known.has(target)) known.set(target, { target, state: 'initial', reason: 'Elb.RegistrationInProgress' })
    }
    const port = Number(group.key.split('/')[1])
    for (const { target, state, reason } of known.values()) {
      const id = target.slice(0, target.lastIndexOf(':'))
      const node = names.get(id) ?? id
      const one = { port, state, reason: reason || state }
      const others = found.get(node)
      if (others === undefined) found.set(node, [one])
      else others.push(one)
    }
  }
  return [...found].map(([node, all]) => ofNode(node, all)).sort((a, b) => (a.node < b.node ? -1 : 1))
}

interface Registration {
  /** Of the Service. */
  port: number
  /** As AWS says it. */
  state: string
  reason: string
}

/** A registration that drains says nothing about the node's other ones. */
function ofNode(node: string, all: readonly Registration[]): TargetHealth {
  const current = all.filter(({ state }) => state !== 'draining' && state !== 'unhealthy.draining')
  const [first] = all
  if (current.length === 0) return { node, healthy: false, reason: first?.reason ?? '', draining: true }
  const initial = current.filter(({ state }) => state === 'initial')
  const bad = current.find(({ state }) => state !== 'healthy' && state !== 'initial')
  if (bad !== undefined) return { node, healthy: false, reason: bad.reason }
  const [checked] = initial
  if (checked === undefined) return { node, healthy: true }
  const checking = [...new Set(initial.map(({ port }) => port))].sort((a, b) => a - b)
  const serves = initial.length < current.length
  return { node, healthy: false, reason: checked.reason, checking, ...(serves ? { serves } : {}) }
}
