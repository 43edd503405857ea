/**
 * What the user sees, from what the placements found. Pure. Where a cloud could not be asked, what was published before stays: an outage
 * takes no good address away, and a restart changes nothing before every cloud has answered.
 */
import type { LoadBalancerStatus, PlacementStatus } from '../../crds/load-balancer.ts'
import type { LoadBalancerClassSpec } from '../../crds/load-balancer-class.ts'
import type { LoadBalancerIngress, Service } from '../../kube/objects.ts'
import type { Reason } from '../../providers/contract.ts'
import { conditionOf } from '../conditions.ts'
import type { Finding } from '../conditions.ts'
import type { Outcome } from '../placement/outcome.ts'
import { conditionTypes } from '../words.ts'
import { noticeOf, notesOf } from './notice.ts'

export interface CloudView {
  cloud: string
  outcome: Outcome | undefined
}

export interface StatusInput {
  service: Service
  className: string
  readiness: LoadBalancerClassSpec['readiness']
  /** In the order of the class. */
  clouds: readonly CloudView[]
  missingClouds: readonly string[]
  /** The LoadBalancer object's status as it stands. */
  previous: LoadBalancerStatus | undefined
  /** What people should know beside what the clouds found. */
  notes: readonly Reason[]
}

export interface ServiceView {
  ingress: LoadBalancerIngress[]
  findings: Finding[]
  /** What the condition Notice is made of. */
  notes: Reason[]
  /** Without lastChangeTime. */
  loadBalancer: Omit<LoadBalancerStatus, 'lastChangeTime'>
}

/** For a Service that is provisioned, or being provisioned. */
export function statusOf(input: StatusInput): ServiceView {
  const { service, clouds, previous } = input
  const placements = clouds.map(({ cloud, outcome }) => placementStatus(cloud, outcome, previousOf(previous, cloud)))
  const notes = notesOf(clouds, input.notes)
  const findings = [
    accepted(input),
    ...serving(input, placements),
    ...trafficPolicy(input),
    ...portsError(input),
    ...noticeOf(clouds, notes, conditionOf(service.status?.conditions, conditionTypes.notice)),
  ]
  const ready = findings.find(({ type }) => type === conditionTypes.ready)
  const programmed = findings.find(({ type }) => type === conditionTypes.programmed)
  return {
    ingress: ingressOf(input, placements),
    findings,
    notes,
    loadBalancer: {
      service: { name: service.metadata.name ?? '', uid: service.metadata.uid ?? '' },
      className: input.className,
      clouds: clouds.map(({ cloud }) => cloud).join(','),
      ready: ready?.status ?? 'Unknown',
      reason: programmed?.status === 'True' ? (ready?.reason ?? '') : (programmed?.reason ?? ''),
      ...summary(placements),
    },
  }
}

/** For a Service that is refused as it is written. What stands stays published. */
export function refusedStatus(service: Service, reasons: readonly Reason[]): Finding[] {
  const [first] = reasons
  const reason = first?.reason ?? 'Invalid'
  const message = reasons.map((one) => one.message).join('; ')
  const stands = (service.status?.loadBalancer?.ingress ?? []).length > 0
  const held = [conditionTypes.programmed, conditionTypes.ready, conditionTypes.trafficPolicy].flatMap(
    (type) => conditionOf(service.status?.conditions, type) ?? [],
  )
  const nothing = [conditionTypes.programmed, conditionTypes.ready].map(
    (type): Finding => ({
      type,
      status: 'False',
      reason: 'NotAccepted',
      message: 'nothing is provisioned before the Service is accepted',
    }),
  )
  const note = stands ? '; the load balancer stays as it was provisioned before' : ''
  return [
    { type: conditionTypes.accepted, status: 'False', reason, message: message + note },
    ...(stands && held.length > 0
      ? held.map(({ type, status, reason, message }) => ({ type, status, reason, message }))
      : nothing),
  ]
}

/** For a Service whose load balancers are being removed and where that takes a while or fails. `absent`: clouds this operator was not given. */
export function releasingStatus(clouds: readonly CloudView[], absent: readonly string[] = []): Finding[] {
  const failed = clouds.find(({ outcome }) => outcome?.state === 'Failed')
  const drains = clouds.find(({ outcome }) => outcome?.state === 'Releasing' && outcome.reason === 'Draining')
  const waiting = clouds.filter(({ outcome }) => outcome?.state !== 'Released').map(({ cloud }) => cloud)
  const [reason, message] = failed?.outcome
    ? [failed.outcome.reason, `${failed.cloud}: ${failed.outcome.message}`]
    : absent.length > 0
      ? [
          'CloudNotConfigured',
          `objects may be left in ${absent.join(', ')}; start the operator with --provider ${absent[0]}`,
        ]
      : drains?.outcome
        ? [drains.outcome.reason, located(clouds, drains)]
        : ['Releasing', `removing the load balancer from ${waiting.join(', ')}`]
  return [
    { type: conditionTypes.programmed, status: 'False', reason, message },
    { type: conditionTypes.ready, status: 'False', reason: 'Releasing', message: 'the load balancer is being removed' },
  ]
}

/** Our record while load balancers are being removed: every cloud that it named, also what this process does not know of. */
export function releasingObject(
  previous: LoadBalancerStatus,
  clouds: readonly CloudView[],
  findings: readonly Finding[],
): Omit<LoadBalancerStatus, 'lastChangeTime'> {
  const { lastChangeTime: _, ...standing } = previous
  const programmed = findings.find(({ type }) => type === conditionTypes.programmed)
  const placements = previous.placements.map((before) => {
    const outcome = clouds.find(({ cloud }) => cloud === before.cloud)?.outcome
    return placementStatus(before.cloud, outcome, before)
  })
  return { ...standing, ready: 'False', reason: programmed?.reason ?? '', ...summary(placements) }
}

/** For our record of a cloud that the class no longer names. */
export function leavingStatus(cloud: string, outcome: Outcome | undefined): PlacementStatus {
  const drains = outcome?.reason === 'Draining' ? `; ${outcome.message}` : ''
  const message = `the class no longer names this cloud${drains}`
  const reason = drains === '' ? 'Releasing' : 'Draining'
  return { ...empty(cloud), state: 'Releasing', reason, message }
}

function accepted({ clouds, className }: StatusInput): Finding {
  const refused = clouds.filter(({ outcome }) => outcome?.state === 'Unsupported')
  const type = conditionTypes.accepted
  if (refused.length > 0 && refused.length === clouds.length) {
    const reason = refused[0]?.outcome?.reason ?? 'Unsupported'
    return { type, status: 'False', reason, message: refused.map((one) => located(clouds, one)).join('; ') }
  }
  return { type, status: 'True', reason: 'Accepted', message: `LoadBalancerClass ${className} serves this Service` }
}

function serving(input: StatusInput, placements: readonly PlacementStatus[]): Finding[] {
  const { service, clouds, readiness, missingClouds } = input
  const existing = [conditionTypes.programmed, conditionTypes.ready].map((type) =>
    conditionOf(service.status?.conditions, type),
  )
  if (clouds.some(({ outcome }) => outcome === undefined) && existing.every((one) => one !== undefined)) {
    return existing.map(({ type, status, reason, message }) => ({ type, status, reason, message }))
  }
  const total = clouds.length + missingClouds.length
  const good = placements.filter(serves).length
  const needed = readiness === 'any' ? 1 : readiness === 'all' ? total : Math.floor(total / 2) + 1
  const idle = placements.find((one) => one.addresses.length > 0 && !serves(one))
  const isReady = good >= needed
  const noNodes = idle?.targets.total === 0
  const outcome = clouds.find(({ cloud }) => cloud === idle?.cloud)?.outcome
  // What people were told to look at is not taken back by another start of the same checks.
  const told = existing.some((one) => one?.reason === 'NoHealthyTargets')
  const initial = !told && (outcome?.targets ?? []).some(({ checking }) => checking !== undefined)
  const unhealthy = initial ? 'TargetsInitial' : 'NoHealthyTargets'
  const reason = isReady ? 'Ready' : noNodes ? 'NoEligibleNodes' : idle ? unhealthy : 'NotServing'
  const of = total === 1 ? '' : ` (${good} of ${total} clouds serve, ${needed} needed)`
  const message = isReady
    ? `the load balancer serves${of}${checkedPorts(clouds)}`
    : noNodes
      ? `there is no node in ${idle?.cloud} that may receive traffic: check spec.providerID, the label roadstead.dev/cloud, exclusions and the annotation roadstead.dev/node-selector${of}`
      : idle && initial
        ? `the first health checks of the targets in ${idle.cloud} are under way, which takes some minutes${of}`
        : idle
          ? `no target is healthy in ${idle.cloud}: check the Pods, the node proxy and the firewall for health checks${of}`
          : `no address is in service yet${of}`
  return [programmed(input), { type: conditionTypes.ready, status: isReady ? 'True' : 'False', reason, message }]
}

/** New ports beside those that serve. */
function checkedPorts(clouds: readonly CloudView[]): string {
  const all = clouds.flatMap(({ outcome }) => outcome?.targets ?? [])
  if (all.some(({ healthy }) => healthy)) return ''
  const ports = new Set(all.flatMap(({ serves: served, checking = [] }) => (served ? checking : [])))
  if (ports.size === 0) return ''
  const named = [...ports].toSorted((a, b) => a - b).join(', ')
  return `; the first health checks of port ${named} are under way`
}

/** Also where the last edit was refused: what stood before it serves on. */
function serves({ addresses, targets }: PlacementStatus): boolean {
  return addresses.length > 0 && targets.healthy > 0
}

function programmed({ clouds, missingClouds }: StatusInput): Finding {
  const type = conditionTypes.programmed
  const rank = ['Failed', 'Unsupported', 'Progressing', 'Releasing']
  const worst = clouds
    .filter(({ outcome }) => outcome !== undefined && outcome.state !== 'Ready')
    .toSorted((a, b) => rank.indexOf(a.outcome?.state ?? '') - rank.indexOf(b.outcome?.state ?? ''))[0]
  if (worst?.outcome) return { type, status: 'False', reason: worst.outcome.reason, message: located(clouds, worst) }
  if (missingClouds.length > 0) {
    const message = `this operator was not given the clouds ${missingClouds.join(', ')} of the class`
    return { type, status: 'False', reason: 'CloudNotConfigured', message }
  }
  const unknown = clouds.find(({ outcome }) => outcome === undefined)
  if (unknown) return { type, status: 'False', reason: 'Provisioning', message: `waiting for ${unknown.cloud}` }
  return { type, status: 'True', reason: 'Programmed', message: 'everything stands in every cloud as it should' }
}

function trafficPolicy({ service, clouds }: StatusInput): Finding[] {
  const type = conditionTypes.trafficPolicy
  const policies = new Set(clouds.map(({ outcome }) => outcome?.policy))
  const [policy] = policies
  if (policies.size === 1 && policy !== undefined) {
    const message = `health checks for externalTrafficPolicy ${policy} are in effect at every load balancer`
    return [{ type, status: 'True', reason: policy, message }]
  }
  const standing = conditionOf(service.status?.conditions, type)
  return standing ? [{ type, status: standing.status, reason: standing.reason, message: standing.message }] : []
}

function portsError({ clouds }: StatusInput): Finding[] {
  const errors = clouds.flatMap(({ outcome }) => failedPorts(outcome))
  if (errors.length === 0) return []
  const mixed = new Set(errors.map(({ protocol }) => protocol)).size > 1
  const message = errors.map(({ protocol, port, error }) => `${protocol} ${port}: ${error}`).join('; ')
  const reason = mixed ? 'LoadBalancerMixedProtocolNotSupported' : 'PortsNotProvisioned'
  return [{ type: conditionTypes.portsError, status: 'True', reason, message }]
}

function failedPorts(outcome: Outcome | undefined) {
  return (outcome?.ports ?? []).filter(({ error }) => error !== undefined)
}

function located(clouds: readonly CloudView[], { cloud, outcome }: CloudView): string {
  return clouds.length === 1 ? (outcome?.message ?? '') : `${cloud}: ${outcome?.message ?? ''}`
}

/** One entry per address and cloud. A cloud whose ports failed lists every port, as core/v1 asks for. */
function ingressOf({ service, clouds }: StatusInput, placements: readonly PlacementStatus[]): LoadBalancerIngress[] {
  const known = placements.flatMap(({ addresses, cloud }) => {
    const outcome = clouds.find((one) => one.cloud === cloud)?.outcome
    const ports = failedPorts(outcome).length > 0 ? { ports: [...(outcome?.ports ?? [])] } : {}
    if (addresses.length === 0) return 'ports' in ports ? [ports] : []
    return addresses.map((address): LoadBalancerIngress => ({ ...ingressAddress(address), ...ports }))
  })
  const undecided = placements.some(
    ({ addresses }, index) => addresses.length === 0 && clouds[index]?.outcome?.addresses === undefined,
  )
  if (!undecided) return known
  const name = ({ ip, hostname }: LoadBalancerIngress) => ip ?? hostname ?? ''
  const standing = (service.status?.loadBalancer?.ingress ?? []).filter((entry) => name(entry) !== '')
  return [...known, ...standing.filter((entry) => !known.some((other) => name(other) === name(entry)))]
}

/** ipMode belongs to IPs only; VIP is the API server's default and is written out, so that nothing differs when read back. */
function ingressAddress({ ip, hostname, ipMode }: PlacementStatus['addresses'][number]): LoadBalancerIngress {
  if (ip === undefined) return hostname === undefined ? {} : { hostname }
  return { ip, ipMode: ipMode ?? 'VIP', ...(hostname === undefined ? {} : { hostname }) }
}

function placementStatus(
  cloud: string,
  outcome: Outcome | undefined,
  before: PlacementStatus | undefined,
): PlacementStatus {
  if (outcome === undefined) return before ?? { ...empty(cloud), state: 'Pending', reason: 'Pending', message: '' }
  const silent = outcome.addresses === undefined
  return {
    cloud,
    state: outcome.state === 'Released' ? 'Releasing' : outcome.state,
    reason: outcome.reason,
    message: outcome.message,
    addresses: (outcome.addresses ?? before?.addresses ?? []).map((address) => ({ ...address })),
    targets: silent ? (before?.targets ?? empty(cloud).targets) : targetCounts(outcome),
    resources: silent ? (before?.resources ?? []) : outcome.resources.map((resource) => ({ ...resource })),
  }
}

function empty(cloud: string) {
  return { cloud, addresses: [], targets: { healthy: 0, total: 0, unhealthy: [] }, resources: [] }
}

function targetCounts({ targets }: Outcome): PlacementStatus['targets'] {
  const current = targets.filter(({ draining }) => draining !== true)
  // One that serves some port and is being checked for another one has not failed.
  const unhealthy = current
    .filter(({ healthy, serves: served }) => !healthy && served !== true)
    .map(({ node, reason = '' }) => ({ node, reason }))
  return { healthy: current.length - unhealthy.length, total: current.length, unhealthy: unhealthy.slice(0, 20) }
}

function summary(placements: readonly PlacementStatus[]) {
  const addresses = placements.flatMap((one) => one.addresses.map(({ ip, hostname }) => ip ?? hostname ?? ''))
  const sum = (of: 'healthy' | 'total') => placements.reduce((total, one) => total + one.targets[of], 0)
  const ids = placements.flatMap(({ resources }) =>
    resources.filter(({ kind, id }) => kind === 'load-balancer' && id !== ''),
  )
  return {
    address: addresses[0] ?? '',
    addresses,
    targets: `${sum('healthy')}/${sum('total')}`,
    cloudIds: ids.map(({ id }) => id).join(','),
    placements: [...placements],
  }
}

function previousOf(previous: LoadBalancerStatus | undefined, cloud: string): PlacementStatus | undefined {
  return previous?.placements.find((one) => one.cloud === cloud)
}
