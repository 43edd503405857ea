/**
 * Registrations of instances: by id and port, one bad id refuses the whole call, new ones are initial, removed ones drain as long as the group
 * says. Health follows from these times and from the probe, which is the test's idea of what the nodes answer.
 */
import type { TargetDescription, TargetHealthDescription } from '../elbv2.ts'
import { registerTargetsLimit } from '../elbv2.ts'
import type { Account, Sync, TargetGroupState, TargetState } from './account.ts'
import { elbLag, targetKey } from './account.ts'
import { groupsOf, loadBalancersOf } from './links.ts'
import { isActive } from './load-balancers.ts'
import { found, demand } from './refusal.ts'

type Health = TargetHealthDescription['targetHealth']

/** Documented: these cannot be registered by instance id. */
const oldTypes = /^(c1|cc1|cc2|cg1|cg2|cr1|g1|g2|hi1|hs1|m1|m2|m3|t1)\./

export function targetActions(
  account: Account,
): Sync<'describeTargetHealth' | 'registerTargets' | 'deregisterTargets'> {
  const groupAt = (arn: string) =>
    found(account.targetGroups.get(arn), 'TargetGroupNotFound', `Target group '${arn}' not found`)
  return {
    describeTargetHealth({ targetGroupArn, targets }) {
      const group = groupAt(targetGroupArn)
      const all = account.targets
        .seen(elbLag(account))
        .filter((target) => target.targetGroupArn === targetGroupArn && !isGone(account, group, target))
      const describe = (target: TargetState) => ({
        target: { id: target.id, port: target.port },
        targetHealth: healthOf(account, group, target),
      })
      if (targets === undefined) return { targetHealthDescriptions: all.map(describe) }
      return {
        targetHealthDescriptions: targets.map((wanted) => {
          const target = all.find(({ id, port }) => id === wanted.id && port === wanted.port)
          return target === undefined
            ? { target: wanted, targetHealth: { state: 'unused', reason: 'Target.NotRegistered' } }
            : describe(target)
        }),
      }
    },
    registerTargets({ targetGroupArn, targets }) {
      const group = groupAt(targetGroupArn)
      checkCount(targets)
      for (const target of targets) checkTarget(account, group, target)
      const added = targets.filter((target) => {
        const present = account.targets.get(targetKey({ targetGroupArn, ...target }))
        return present === undefined || present.deregisteredAt !== undefined
      })
      const most = account.quotas.targetsPerTargetGroup
      demand(
        registered(account, targetGroupArn).length + added.length <= most,
        'TooManyTargets',
        `The maximum number of targets (${most}) of the target group has been reached`,
      )
      for (const arn of loadBalancersOf(account, targetGroupArn)) {
        checkRoom(
          account,
          arn,
          added.map(({ id }) => id),
        )
      }
      for (const { id, port } of added) {
        const state = { targetGroupArn, id, port, registeredAt: account.now(), deregisteredAt: undefined }
        account.targets.put(targetKey(state), state)
      }
    },
    deregisterTargets({ targetGroupArn, targets }) {
      const group = groupAt(targetGroupArn)
      checkCount(targets)
      for (const target of targets) {
        const key = targetKey({ targetGroupArn, ...target })
        const present = account.targets.get(key)
        if (present === undefined || present.deregisteredAt !== undefined) continue
        if (group.usedSince === undefined) account.targets.remove(key)
        else account.targets.put(key, { ...present, deregisteredAt: account.now() })
      }
    },
  }
}

function checkCount(targets: readonly TargetDescription[]): void {
  demand(targets.length >= 1, 'ValidationError', 'At least one target must be specified')
  demand(targets.length <= registerTargetsLimit, 'ValidationError', 'Too many targets in one call')
}

function checkTarget(account: Account, { vpcId }: TargetGroupState, { id, port }: TargetDescription): void {
  demand(Number.isInteger(port) && port >= 1 && port <= 65_535, 'ValidationError', `Port '${port}' is not valid`)
  const instance = account.instances.get(id)
  demand(
    instance?.state === 'running',
    'InvalidTarget',
    `The following targets are not in a running state and cannot be registered: '${id}'`,
  )
  demand(instance.vpcId === vpcId, 'InvalidTarget', `The target '${id}' is not in the VPC of the target group`)
  demand(
    !oldTypes.test(instance.instanceType ?? ''),
    'InvalidTarget',
    `Targets of the instance type of '${id}' cannot be registered by id`,
  )
}

/** Registered and not leaving. */
export function registered(account: Account, targetGroupArn: string): TargetState[] {
  return account.targets
    .values()
    .filter((target) => target.targetGroupArn === targetGroupArn && target.deregisteredAt === undefined)
}

/** Each registration counts on its load balancer, in its zone or, with cross-zone load balancing, in all. */
export function checkRoom(account: Account, loadBalancerArn: string, added: readonly string[]): void {
  const { targetsPerLoadBalancer, targetsPerZone } = account.quotas
  const groups = new Set(
    account.listeners
      .values()
      .filter((listener) => listener.loadBalancerArn === loadBalancerArn)
      .flatMap(groupsOf),
  )
  const ids = [...[...groups].flatMap((arn) => registered(account, arn).map(({ id }) => id)), ...added]
  const attributes = account.loadBalancers.get(loadBalancerArn)?.attributes
  const isCrossZone = attributes?.['load_balancing.cross_zone.enabled'] === 'true'
  const counts = new Map<string, number>()
  for (const id of ids) {
    const subnet = account.subnets.get(account.instances.get(id)?.subnetId ?? '')
    const zone = isCrossZone ? 'all zones' : (subnet?.availabilityZone ?? '')
    counts.set(zone, (counts.get(zone) ?? 0) + 1)
  }
  const most = Math.max(0, ...counts.values())
  demand(
    ids.length <= targetsPerLoadBalancer && most <= targetsPerZone,
    'TooManyTargets',
    'The maximum number of targets of the load balancer has been reached',
  )
}

/** Drained, or its instance is terminated: AWS forgets both by itself. */
export function isGone(account: Account, group: TargetGroupState, { id, deregisteredAt }: TargetState): boolean {
  if ((account.instances.get(id)?.state ?? 'terminated') === 'terminated') return true
  if (deregisteredAt === undefined) return false
  const delayMs = Number(group.attributes['deregistration_delay.timeout_seconds']) * 1000
  return group.usedSince === undefined || account.now() >= deregisteredAt + delayMs
}

export function healthOf(account: Account, group: TargetGroupState, target: TargetState): Health {
  const { id, port, registeredAt, deregisteredAt } = target
  if (group.usedSince === undefined) return { state: 'unused', reason: 'Target.NotInUse' }
  if (deregisteredAt !== undefined) return { state: 'draining', reason: 'Target.DeregistrationInProgress' }
  if (account.instances.get(id)?.state !== 'running') return { state: 'unused', reason: 'Target.InvalidState' }
  if (!inAZoneOf(account, group, id)) return { state: 'unused', reason: 'Target.NotInUse' }
  const { healthCheck } = group
  const passingSince = account.probe({ id, port }, healthCheck)
  const checkedSince = Math.max(registeredAt, group.usedSince, activeSince(account, group))
  const checkingMs = healthCheck.healthCheckIntervalSeconds * healthCheck.healthyThresholdCount * 1000
  const initialMs = account.timing.initialHealthMs
  if (account.now() < checkedSince + initialMs) return { state: 'initial', reason: 'Elb.RegistrationInProgress' }
  if (passingSince === undefined) return { state: 'unhealthy', reason: 'Target.FailedHealthChecks' }
  const late = passingSince > checkedSince && account.now() < passingSince + (initialMs === 0 ? 0 : checkingMs)
  return late ? { state: 'unhealthy', reason: 'Target.FailedHealthChecks' } : { state: 'healthy' }
}

/** An instance in a zone that no load balancer of the group is in gets no traffic, unless it is balanced across zones. */
function inAZoneOf(account: Account, group: TargetGroupState, id: string): boolean {
  const zone = account.subnets.get(account.instances.get(id)?.subnetId ?? '')?.availabilityZone
  return loadBalancersOf(account, group.arn).some((arn) => {
    const loadBalancer = account.loadBalancers.get(arn)
    if (loadBalancer === undefined) return false
    const crossZone = loadBalancer.attributes['load_balancing.cross_zone.enabled'] === 'true'
    return (
      crossZone ||
      loadBalancer.mappings.some(({ subnetId }) => account.subnets.get(subnetId)?.availabilityZone === zone)
    )
  })
}

function activeSince(account: Account, group: TargetGroupState): number {
  const times = loadBalancersOf(account, group.arn).flatMap((arn) => {
    const loadBalancer = account.loadBalancers.get(arn)
    if (loadBalancer === undefined) return []
    return [isActive(account, loadBalancer) ? loadBalancer.createdAt + account.timing.provisioningMs : Infinity]
  })
  return Math.min(Infinity, ...times)
}
