/**
 * One Service: decides what it asks for, holds it by its finalizer, hands the placements to their clouds, and writes what they found. Level
 * triggered: the same path serves creation, change, deletion, restart and drift.
 */
import type { LoadBalancer } from '../../crds/load-balancer.ts'
import { parseLoadBalancer } from '../../crds/load-balancer.ts'
import type { Clock } from '../../kube/clock.ts'
import type { Service } from '../../kube/objects.ts'
import type { WorkResult } from '../../kube/workers.ts'
import type { Reason } from '../../providers/contract.ts'
import type { NodePorts } from '../nodeports/node-ports.ts'
import { placementKey } from '../placement/placements.ts'
import type { Outcome } from '../placement/outcome.ts'
import type { Placement, Placements } from '../placement/placements.ts'
import { cloudEvents, noticeEvents, releasingEvents, statusEvents } from './changes.ts'
import type { EventText } from './changes.ts'
import { ownerOf } from './desire.ts'
import type { Desire } from './desire.ts'
import { freshNotes } from './notice.ts'
import { leavingStatus, refusedStatus, releasingObject, releasingStatus, statusOf } from './status.ts'
import type { CloudView } from './status.ts'
import type { serviceWrites } from './writes.ts'

export interface ServiceDeps {
  service: (key: string) => Service | undefined
  loadBalancer: (key: string) => LoadBalancer | undefined
  /** What the Service asks for, from the present caches. */
  decide: (service: Service) => Desire
  cluster: string
  /** Every cloud this operator was given. */
  clouds: readonly string[]
  placements: Placements
  /** Puts a placement into its cloud's queue. */
  enqueue: (cloud: string, placementKey: string) => void
  nodePorts: NodePorts
  writes: ReturnType<typeof serviceWrites>
  event: (service: Service, text: EventText) => void
  /** What people should know of a Service in these clouds, beside what a look finds. */
  notes: (service: Service, clouds: readonly string[]) => readonly Reason[]
  /** A Service is refused for a reason that other Services may lift (limits, pools). */
  refused: (serviceKey: string, reasons: readonly Reason[]) => void
  clock: Clock
  observed?: ServiceHooks
}

/** For metrics. */
export interface ServiceHooks {
  /** An address was published for the first time. */
  provisioned?(service: Service, clouds: readonly string[]): void
}

/** A status that says "not yet" is written only when it stays true for so long. */
const patienceMs = 1000

export function serviceReconciler(deps: ServiceDeps) {
  const waitingSince = new Map<string, number>()
  return async (key: string, signal: AbortSignal): Promise<WorkResult> => {
    const service = deps.service(key)
    releaseRecorded(deps, key, service?.metadata.uid)
    releaseOthers(deps, key, service?.metadata.uid)
    if (service === undefined) {
      waitingSince.delete(key)
      const standing = deps.loadBalancer(key)
      if (standing !== undefined && deps.placements.ofName(key).length === 0) {
        await deps.writes.removeLoadBalancer(standing, signal)
      }
      return undefined
    }
    const desire = deps.decide(service)
    if (desire.kind === 'not-ours') {
      // The default class has gone, perhaps only to be made again: what it served stays as it is.
      if (service.spec.type === 'LoadBalancer' && service.spec.loadBalancerClass === undefined) return undefined
      for (const placement of own(deps, key, service)) releasePlacement(deps, placement)
      return undefined
    }
    const since = waitingSince.get(key) ?? deps.clock.now()
    waitingSince.set(key, since)
    const patient = deps.clock.now() - since < patienceMs
    const pending =
      desire.kind === 'released'
        ? await release(deps, key, service, desire, patient, signal)
        : desire.kind === 'invalid'
          ? await refuse(deps, key, service, desire.reasons, signal)
          : await provision(deps, key, service, desire, patient, signal)
    if (!pending) waitingSince.delete(key)
    return pending && patient ? { afterMs: patienceMs - (deps.clock.now() - since) } : undefined
  }
}

/** Our own record of a Service that is gone, whose finalizer somebody took off while nobody looked. */
function releaseRecorded(deps: ServiceDeps, key: string, uid: string | undefined): void {
  const standing = deps.loadBalancer(key)
  const parsed = parseLoadBalancer(standing ?? {})
  if (!parsed.ok || parsed.value.service.uid === uid || standing?.metadata.deletionTimestamp !== undefined) return
  const { namespace = '', name = '' } = standing?.metadata ?? {}
  const owner = { cluster: deps.cluster, namespace, name, uid: parsed.value.service.uid }
  for (const { cloud } of parsed.value.placements) {
    if (!deps.clouds.includes(cloud) || deps.placements.at(cloud, placementKey(owner)) !== undefined) continue
    deps.placements.want(cloud, owner, undefined)
    deps.enqueue(cloud, placementKey(owner))
  }
}

/** Placements of Services that had this name before: their Service is gone, this process has seen it. */
function releaseOthers(deps: ServiceDeps, key: string, uid: string | undefined): void {
  for (const placement of deps.placements.ofName(key)) {
    if (placement.owner.uid === uid) continue
    if (placement.outcome?.state === 'Released') deps.placements.forget(placement)
    else releasePlacement(deps, placement)
  }
}

function releasePlacement(deps: ServiceDeps, placement: Placement): void {
  const changed = deps.placements.want(placement.cloud, placement.owner, undefined)
  if (changed) deps.enqueue(placement.cloud, placementKey(placement.owner))
  else if (placement.outcome?.state === 'Released') deps.placements.forget(placement)
}

function own(deps: ServiceDeps, key: string, service: Service): Placement[] {
  return deps.placements.ofName(key).filter(({ owner }) => owner.uid === service.metadata.uid)
}

/** Clouds that may hold something of the Service, and those among them that this operator was not given. Without our own record every cloud may. */
function cloudsToCheck(deps: ServiceDeps, key: string, service: Service): { present: string[]; absent: string[] } {
  const recorded = previousStatus(deps, key, service)?.placements.map(({ cloud }) => cloud) ?? deps.clouds
  const all = [...new Set([...recorded, ...own(deps, key, service).map(({ cloud }) => cloud)])]
  return {
    present: all.filter((cloud) => deps.clouds.includes(cloud)),
    absent: all.filter((cloud) => !deps.clouds.includes(cloud)),
  }
}

function previousStatus(deps: ServiceDeps, key: string, service: Service) {
  const parsed = parseLoadBalancer(deps.loadBalancer(key) ?? {})
  return parsed.ok && parsed.value.service.uid === service.metadata.uid ? parsed.value : undefined
}

/** True while something is still to come. */
async function provision(
  deps: ServiceDeps,
  key: string,
  found: Service,
  wanted: Extract<Desire, { kind: 'wanted' }>,
  patient: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const stale = previousStatus(deps, key, found) === undefined && own(deps, key, found).length === 0
  const ports = await deps.nodePorts.fill(found, wanted.className, signal)
  if (ports.kind === 'refused') return refuse(deps, key, found, [ports.reason], signal)
  if (ports.kind === 'written') {
    const message = `Took node ports from NodePortPool ${ports.pool}`
    deps.event(found, { type: 'Normal', reason: 'NodePortsAllocated', message })
  }
  const current = ports.kind === 'written' ? ports.service : found
  const { service, added } = await deps.writes.hold(current, wanted.finalizer, signal)
  if (added) deps.event(service, { type: 'Normal', reason: 'EnsuringLoadBalancer', message: 'Ensuring load balancer' })
  const desire = ports.kind === 'written' ? deps.decide(service) : wanted
  if (desire.kind !== 'wanted') return true

  const owner = ownerOf(service, deps.cluster)
  for (const { cloud, base } of desire.placements) {
    if (deps.placements.want(cloud, owner, base, added)) deps.enqueue(cloud, placementKey(owner))
  }
  const kept = new Set(desire.placements.map(({ cloud }) => cloud))
  const leftover = stale && !added ? deps.clouds : cloudsToCheckWhenKept(deps, key, service)
  for (const cloud of leftover) {
    if (kept.has(cloud)) continue
    const fresh = deps.placements.want(cloud, owner, undefined)
    const hurried = deps.placements.drain(cloud, owner, desire.deleteDrainSeconds)
    if (fresh || hurried) deps.enqueue(cloud, placementKey(owner))
  }
  return publish(deps, key, service, desire, patient, signal)
}

/** Clouds of our record, and of this process, that the class may have lost. */
function cloudsToCheckWhenKept(deps: ServiceDeps, key: string, service: Service): string[] {
  return previousStatus(deps, key, service) === undefined
    ? own(deps, key, service).map(({ cloud }) => cloud)
    : cloudsToCheck(deps, key, service).present
}

async function publish(
  deps: ServiceDeps,
  key: string,
  service: Service,
  desire: Extract<Desire, { kind: 'wanted' }>,
  patient: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const placements = own(deps, key, service)
  const clouds = desire.placements.map(
    ({ cloud }): CloudView => ({ cloud, outcome: viewOf(placements.find((one) => one.cloud === cloud)) }),
  )
  const leaving = placements.filter((one) => one.base === undefined && one.outcome?.state !== 'Released')
  const undecided = clouds.some(({ outcome }) => outcome === undefined || outcome.state === 'Progressing')
  if (undecided && patient) return true

  const previous = previousStatus(deps, key, service)
  const view = statusOf({
    service,
    className: desire.className,
    readiness: desire.class.readiness,
    clouds,
    missingClouds: desire.missingClouds,
    previous,
    notes: deps.notes(
      service,
      clouds.map(({ cloud }) => cloud),
    ),
  })
  const left = leaving.map(({ cloud, outcome }) => leavingStatus(cloud, outcome))
  const object = { ...view.loadBalancer, placements: [...view.loadBalancer.placements, ...left] }
  // The record of a Service that had this name before is the only trace of what is still being removed for it.
  const predecessor = deps.placements.ofName(key).some(({ owner }) => owner.uid !== service.metadata.uid)
  if (!predecessor && (await deps.writes.loadBalancer(service, deps.loadBalancer(key), object, signal))) {
    for (const text of cloudEvents(clouds, previous)) deps.event(service, text)
  }
  const before = service.status?.conditions
  const written = await deps.writes.status(service, view.findings, view.ingress, signal)
  const changed = placements.some((one) => one.outcome?.state === 'Ready' && one.changed)
  if (written || changed) for (const text of statusEvents(before, view.findings, clouds)) deps.event(service, text)
  const fresh = written ? freshNotes(before, view.findings, view.notes) : []
  for (const text of noticeEvents(fresh)) deps.event(service, text)
  const first = (service.status?.loadBalancer?.ingress ?? []).length === 0 && view.ingress.length > 0
  if (written && first)
    deps.observed?.provisioned?.(
      service,
      desire.placements.map(({ cloud }) => cloud),
    )
  for (const placement of placements) {
    settle(placement)
    if (placement.base === undefined && placement.outcome?.state === 'Released') deps.placements.forget(placement)
  }
  return undecided
}

/** What was found for an older wish is no answer to the present one. */
function viewOf(placement: Placement | undefined): Outcome | undefined {
  if (placement?.outcome === undefined || !placement.asked) return placement?.outcome
  if (placement.outcome.state !== 'Ready') return placement.outcome
  return { ...placement.outcome, state: 'Progressing', reason: 'Progressing', message: 'the change is being applied' }
}

/** Its changes have been reported. */
function settle(placement: Placement): void {
  if (placement.outcome?.state !== 'Ready' || !placement.changed) return
  placement.changed = false
  placement.outcome = { ...placement.outcome, changed: false }
}

async function refuse(
  deps: ServiceDeps,
  key: string,
  service: Service,
  reasons: readonly Reason[],
  signal: AbortSignal,
): Promise<boolean> {
  deps.refused(key, reasons)
  const findings = refusedStatus(service, reasons)
  const before = service.status?.conditions
  if (await deps.writes.status(service, findings, undefined, signal)) {
    for (const text of statusEvents(before, findings, [])) if (text.type === 'Warning') deps.event(service, text)
  }
  return false
}

async function release(
  deps: ServiceDeps,
  key: string,
  service: Service,
  { finalizer, deleteDrainSeconds, lastWords = {} }: Extract<Desire, { kind: 'released' }>,
  patient: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const owner = ownerOf(service, deps.cluster)
  const standing = deps.loadBalancer(key)
  const { present, absent } = cloudsToCheck(deps, key, service)
  let begun = false
  for (const cloud of present) {
    const fresh = deps.placements.want(cloud, owner, undefined)
    const hurried = deps.placements.drain(cloud, owner, deleteDrainSeconds)
    const told = deps.placements.hear(cloud, owner, lastWords[cloud])
    if (fresh || hurried || told) deps.enqueue(cloud, placementKey(owner))
    begun ||= fresh
  }
  if (begun) deps.event(service, { type: 'Normal', reason: 'DeletingLoadBalancer', message: 'Deleting load balancer' })
  const placements = own(deps, key, service)
  if (absent.length > 0 || placements.some(({ outcome }) => outcome?.state !== 'Released')) {
    if (patient) return true
    const clouds = placements.map(({ cloud, outcome }): CloudView => ({ cloud, outcome }))
    const findings = releasingStatus(clouds, absent)
    const before = service.status?.conditions
    if (await deps.writes.status(service, findings, undefined, signal)) {
      for (const text of releasingEvents(before, findings, clouds)) deps.event(service, text)
    }
    const recorded = previousStatus(deps, key, service)
    if (recorded !== undefined && standing?.metadata.deletionTimestamp === undefined) {
      await deps.writes.loadBalancer(service, standing, releasingObject(recorded, clouds, findings), signal)
    }
    return true
  }
  if (standing !== undefined) await deps.writes.removeLoadBalancer(standing, signal)
  const deleting = service.metadata.deletionTimestamp !== undefined
  if (!deleting) await deps.writes.status(service, [], service.spec.type === 'LoadBalancer' ? undefined : [], signal)
  const latest = deps.service(key) ?? service
  if (latest.metadata.uid === service.metadata.uid) await deps.writes.letGo(latest, finalizer, signal)
  deps.event(service, { type: 'Normal', reason: 'DeletedLoadBalancer', message: 'Deleted load balancer' })
  for (const placement of placements) deps.placements.forget(placement)
  return false
}
