/**
 * Targets as AWS has them, entirely here (moto keys them by instance alone and knows no health): by id and port, checked against running
 * instances of the group's VPC, unused until a listener points to the group, initial for a while, draining when they leave.
 */
import { registerTargetsLimit } from '../../providers/aws/elbv2.ts'
import { refuse } from '../answer.ts'
import { type AwsCall, structures } from '../aws-call.ts'
import type { Layer, Next } from '../layer.ts'
import { element, itemsOf, leaf, childOf, textOf, type XmlElement } from '../xml.ts'
import { ask, elbv2Answer } from './ask.ts'
import {
  loadBalancersOf,
  type InstanceState,
  type RepairContext,
  type TargetGroupState,
  type TargetState,
} from './state.ts'

/** Families that a Network Load Balancer cannot have by instance id: user guide, Register targets. */
const oldFamilies = new Set('c1 cc1 cc2 cg1 cg2 cr1 g1 g2 hi1 hs1 m1 m2 m3 t1'.split(' '))

interface Health {
  state: string
  reason?: string
  description?: string
}

export function targets(context: RepairContext): Layer {
  const { state, now, settings } = context

  function groupOf(call: AwsCall): TargetGroupState {
    const known = state.targetGroups.get(call.parameters.get('TargetGroupArn') ?? '')
    if (known === undefined) return refuse('TargetGroupNotFound', 'One or more target groups not found')
    for (const [key, { drainsUntil }] of known.targets)
      if (drainsUntil !== undefined && now() >= drainsUntil) known.targets.delete(key)
    return known
  }

  function named(call: AwsCall, group: TargetGroupState): { id: string; port: number; key: string }[] {
    const given = structures(call.parameters, 'Targets.member')
    if (given.length > registerTargetsLimit)
      refuse('ValidationError', `Up to ${registerTargetsLimit} targets can be named at once`)
    return given.map((target) => {
      const id = target.get('Id') ?? ''
      const port = Number(target.get('Port') ?? group.port)
      return { id, port, key: `${id}:${port}` }
    })
  }

  async function register(call: AwsCall, next: Next) {
    const group = groupOf(call)
    const wanted = named(call, group)
    if (wanted.length === 0) refuse('ValidationError', 'Targets cannot be empty')
    if (group.targetType === 'instance') {
      const instances = await knownInstances(
        call,
        next,
        wanted.map(({ id }) => id),
      )
      for (const { id } of wanted) checkInstance(group, id, instances.get(id))
    }
    const held = [...group.targets.values()].filter(({ drainsUntil }) => drainsUntil === undefined).length
    const fresh = wanted.filter(
      ({ key }) => group.targets.get(key)?.drainsUntil !== undefined || !group.targets.has(key),
    )
    if (held + fresh.length > settings().quotas.targetsPerGroup)
      refuse('TooManyTargets', 'The maximum number of targets has been reached.')
    for (const { id, port, key } of fresh) group.targets.set(key, { id, port, since: now() })
    return elbv2Answer(call)
  }

  function deregister(call: AwsCall) {
    const group = groupOf(call)
    for (const { key } of named(call, group)) {
      const target = group.targets.get(key)
      if (target === undefined || target.drainsUntil !== undefined) continue
      const delay =
        settings().drainingMs ??
        Number(state.attributes.get(group.arn)?.get('deregistration_delay.timeout_seconds') ?? 300) * 1000
      if (delay === 0 || group.attachedAt === undefined) group.targets.delete(key)
      else target.drainsUntil = now() + delay
    }
    return elbv2Answer(call)
  }

  /** One question at a time: the next finds what the one before learnt. */
  const knownInstances = async (call: AwsCall, next: Next, ids: readonly string[]) =>
    ids.every((id) => state.instances.has(id))
      ? state.instances
      : await context.exclusive('instances', () => instancesOf(call, next, ids))

  /** What is known of these instances; asks for those that are not. One that does not exist is absent. */
  async function instancesOf(call: AwsCall, next: Next, ids: readonly string[]) {
    const unknown = [...new Set(ids)].filter((id) => !state.instances.has(id))
    if (unknown.length > 0) {
      // By filter: an id that does not exist is then left out instead of failing all.
      const asked = { 'Filter.1.Name': 'instance-id', ...numbered('Filter.1.Value', unknown) }
      const root = await ask(call, next, 'ec2', 'DescribeInstances', asked)
      for (const reservation of itemsOf(root, 'reservationSet'))
        for (const item of itemsOf(reservation, 'instancesSet'))
          state.instances.set(textOf(item, 'instanceId') ?? '', {
            state: textOf(childOf(item, 'instanceState'), 'name') ?? '',
            zone: textOf(childOf(item, 'placement'), 'availabilityZone') ?? '',
            vpcId: textOf(item, 'vpcId') ?? '',
            type: textOf(item, 'instanceType') ?? '',
          })
    }
    return state.instances
  }

  async function describe(call: AwsCall, next: Next) {
    const group = groupOf(call)
    const wanted = named(call, group)
    const shown: (TargetState | { id: string; port: number; since?: undefined })[] =
      wanted.length === 0
        ? [...group.targets.values()]
        : wanted.map(({ id, port, key }) => group.targets.get(key) ?? { id, port })
    if (group.targetType === 'instance')
      await knownInstances(
        call,
        next,
        shown.map(({ id }) => id),
      )
    const members = shown.map((target) => {
      const health: Health =
        target.since === undefined
          ? {
              state: 'unused',
              reason: 'Target.NotRegistered',
              description: 'Target is not registered to the target group',
            }
          : healthOf(group, target)
      return descriptionElement(group, target, health)
    })
    return elbv2Answer(call, [element('TargetHealthDescriptions', members)])
  }

  function healthOf(group: TargetGroupState, target: TargetState): Health {
    if (target.drainsUntil !== undefined)
      return {
        state: 'draining',
        reason: 'Target.DeregistrationInProgress',
        description: 'Target deregistration is in progress',
      }
    const balancers = loadBalancersOf(state, group.arn).flatMap((arn) => state.loadBalancers.get(arn) ?? [])
    if (balancers.length === 0 || group.attachedAt === undefined)
      return {
        state: 'unused',
        reason: 'Target.NotInUse',
        description: 'Target group is not configured to receive traffic from the load balancer',
      }
    const instance = state.instances.get(target.id)
    if (instance !== undefined && instance.state !== 'running' && instance.state !== 'pending')
      return { state: 'unused', reason: 'Target.InvalidState', description: `Target is in the ${instance.state} state` }
    const zones = new Set(balancers.flatMap(({ subnets }) => subnets.map(({ subnetId }) => state.zones.get(subnetId))))
    if (instance !== undefined && !zones.has(undefined) && !zones.has(instance.zone))
      return {
        state: 'unused',
        reason: 'Target.NotInUse',
        description: 'Target is in an Availability Zone that is not enabled for the load balancer',
      }
    const forced = state.health.get(target.id)
    if (forced === 'unhealthy')
      return { state: 'unhealthy', reason: 'Target.FailedHealthChecks', description: 'Health checks failed' }
    const active = Math.min(...balancers.map(({ createdAt }) => createdAt + settings().provisioningMs))
    const from = Math.max(target.since, group.attachedAt, active)
    if (forced === 'initial' || now() < from + settings().initialMs)
      return {
        state: 'initial',
        reason: 'Elb.RegistrationInProgress',
        description: 'Target registration is in progress',
      }
    return { state: 'healthy' }
  }

  return async (call, next) => {
    switch (call.action) {
      case 'RegisterTargets':
        return await register(call, next)
      case 'DeregisterTargets':
        return deregister(call)
      case 'DescribeTargetHealth':
        return await describe(call, next)
      default:
        return await next(call)
    }
  }
}

function checkInstance(group: TargetGroupState, id: string, instance: InstanceState | undefined): void {
  if (instance === undefined) return refuse('InvalidTarget', `The instance ID '${id}' is not valid`)
  if (instance.vpcId !== group.vpcId)
    refuse('InvalidTarget', `The following targets are not in the target group VPC '${group.vpcId}': '${id}'`)
  if (instance.state !== 'running')
    refuse('InvalidTarget', `The following targets are not in a running state and cannot be registered: '${id}'`)
  if (oldFamilies.has(instance.type.split('.')[0] ?? ''))
    refuse('InvalidTarget', `The following targets have an instance type that is not supported: '${id}'`)
}

function numbered(name: string, values: readonly string[]): Record<string, string> {
  return Object.fromEntries(values.map((value, index) => [`${name}.${index + 1}`, value]))
}

function descriptionElement(group: TargetGroupState, target: { id: string; port: number }, health: Health): XmlElement {
  const checked = group.healthCheckPort === 'traffic-port' ? target.port : group.healthCheckPort
  return element('member', [
    element('Target', [leaf('Id', target.id), leaf('Port', target.port)]),
    leaf('HealthCheckPort', checked),
    element('TargetHealth', [
      leaf('State', health.state),
      ...(health.reason === undefined ? [] : [leaf('Reason', health.reason)]),
      ...(health.description === undefined ? [] : [leaf('Description', health.description)]),
    ]),
  ])
}
