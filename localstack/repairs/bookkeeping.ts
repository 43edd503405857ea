/**
 * Keeps the repairs' state from calls that succeeded at the emulator. Just outside the ARN form, so that it sees AWS's names, and inside
 * all other repairs, so that it sees only what was really done.
 */
import type { Answer } from '../answer.ts'
import { type AwsCall, type Parameters, strings, structures } from '../aws-call.ts'
import type { Layer } from '../layer.ts'
import { listenersOf, loadBalancersOf, type RepairContext, settingsText, type SubnetMapping } from './state.ts'

type Keep = (call: AwsCall, answer: Answer) => void

export function bookkeeping(context: RepairContext): Layer {
  const table: Readonly<Record<string, Keep>> = {
    ...loadBalancerCalls(context),
    ...targetGroupCalls(context),
    ...listenerCalls(context),
    ...ec2Calls(context),
  }
  return async (call, next) => {
    const answer = await next(call)
    if (answer.code === undefined) table[call.action]?.(call, answer)
    return answer
  }
}

function loadBalancerCalls(context: RepairContext): Record<string, Keep> {
  const { state, now, settings } = context
  return {
    CreateLoadBalancer({ parameters }, answer) {
      const arn = first(answer, 'LoadBalancerArn')
      state.loadBalancers.set(arn, {
        arn,
        name: parameters.get('Name') ?? '',
        createdAt: now(),
        scheme: parameters.get('Scheme') ?? 'internet-facing',
        type: parameters.get('Type') ?? 'application',
        ipAddressType: parameters.get('IpAddressType') ?? 'ipv4',
        tags: tagsText(parameters),
        securityGroups: strings(parameters, 'SecurityGroups.member').sort(),
        subnets: subnetMappings(parameters),
        enforceOnPrivateLink: 'on',
        sourceNat: parameters.get('EnablePrefixForIpv6SourceNat') ?? 'off',
      })
    },
    DeleteLoadBalancer({ parameters }) {
      const arn = parameters.get('LoadBalancerArn') ?? ''
      const gone = state.loadBalancers.get(arn)
      if (gone === undefined) return
      state.loadBalancers.delete(arn)
      state.attributes.delete(arn)
      const until = now() + settings().securityGroupLingerMs
      for (const group of gone.securityGroups) state.lingeringGroups.set(group, until)
      for (const listener of listenersOf(state, arn)) forget(context, listener.arn)
    },
    SetSecurityGroups({ parameters }) {
      const balancer = state.loadBalancers.get(parameters.get('LoadBalancerArn') ?? '')
      if (balancer === undefined) return
      balancer.securityGroups = strings(parameters, 'SecurityGroups.member').sort()
      balancer.enforceOnPrivateLink =
        parameters.get('EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic') ?? balancer.enforceOnPrivateLink
    },
    SetIpAddressType({ parameters }) {
      const balancer = state.loadBalancers.get(parameters.get('LoadBalancerArn') ?? '')
      if (balancer !== undefined) balancer.ipAddressType = parameters.get('IpAddressType') ?? balancer.ipAddressType
    },
  }
}

function targetGroupCalls({ state, now }: RepairContext): Record<string, Keep> {
  return {
    CreateTargetGroup({ parameters }, answer) {
      const arn = first(answer, 'TargetGroupArn')
      state.targetGroups.set(arn, {
        arn,
        name: parameters.get('Name') ?? '',
        createdAt: now(),
        protocol: parameters.get('Protocol') ?? '',
        port: Number(parameters.get('Port')),
        vpcId: parameters.get('VpcId') ?? '',
        healthCheckPort: parameters.get('HealthCheckPort') ?? 'traffic-port',
        targetType: parameters.get('TargetType') ?? 'instance',
        parameters: new Map(parameters),
        targets: new Map(),
        lingersUntil: 0,
        attachedAt: undefined,
      })
    },
    ModifyTargetGroup({ parameters }) {
      const group = state.targetGroups.get(parameters.get('TargetGroupArn') ?? '')
      if (group === undefined) return
      group.parameters = new Map([
        ...group.parameters,
        ...[...parameters].filter(([name]) => name !== 'TargetGroupArn'),
      ])
      group.healthCheckPort = parameters.get('HealthCheckPort') ?? group.healthCheckPort
    },
    DeleteTargetGroup({ parameters }) {
      const arn = parameters.get('TargetGroupArn') ?? ''
      state.targetGroups.delete(arn)
      state.attributes.delete(arn)
    },
  }
}

function listenerCalls(context: RepairContext): Record<string, Keep> {
  const { state } = context
  return {
    CreateListener({ parameters }, answer) {
      const arn = first(answer, 'ListenerArn')
      const targetGroups = forwardedTo(parameters)
      state.listeners.set(arn, {
        arn,
        loadBalancerArn: parameters.get('LoadBalancerArn') ?? '',
        port: Number(parameters.get('Port')),
        protocol: parameters.get('Protocol') ?? '',
        targetGroups,
        sslPolicy: parameters.get('SslPolicy'),
        alpnPolicy: strings(parameters, 'AlpnPolicy.member'),
        defaultCertificate: parameters.get('Certificates.member.1.CertificateArn'),
        extraCertificates: new Set(),
      })
      attach(context, targetGroups)
    },
    ModifyListener({ parameters }) {
      const listener = state.listeners.get(parameters.get('ListenerArn') ?? '')
      if (listener === undefined) return
      const before = listener.targetGroups
      const after = forwardedTo(parameters)
      if (parameters.has('Port')) listener.port = Number(parameters.get('Port'))
      if (after.length === 0) return
      listener.targetGroups = after
      attach(context, after)
      detach(context, before)
    },
    DeleteListener({ parameters }) {
      forget(context, parameters.get('ListenerArn') ?? '')
    },
  }
}

function ec2Calls({ state, now }: RepairContext): Record<string, Keep> {
  const instancesChanged = () => state.instances.clear()
  return {
    CreateSecurityGroup(_call, answer) {
      state.securityGroups.set(first(answer, 'groupId'), { createdAt: now(), inboundAtMost: 0 })
    },
    DeleteSecurityGroup({ parameters }) {
      const id = parameters.get('GroupId') ?? ''
      state.securityGroups.delete(id)
      state.lingeringGroups.delete(id)
    },
    RunInstances: instancesChanged,
    StartInstances: instancesChanged,
    StopInstances: instancesChanged,
    TerminateInstances({ parameters }) {
      instancesChanged()
      // AWS deregisters a terminated instance by itself.
      const ids = new Set(strings(parameters, 'InstanceId'))
      for (const { targets } of state.targetGroups.values())
        for (const [key, target] of targets) if (ids.has(target.id)) targets.delete(key)
    },
  }
}

function forget(context: RepairContext, listenerArn: string): void {
  const listener = context.state.listeners.get(listenerArn)
  if (listener === undefined) return
  context.state.listeners.delete(listenerArn)
  context.state.attributes.delete(listenerArn)
  detach(context, listener.targetGroups)
}

function attach({ state, now }: Pick<RepairContext, 'state' | 'now'>, arns: readonly string[]): void {
  for (const arn of arns) {
    const group = state.targetGroups.get(arn)
    if (group !== undefined) group.attachedAt ??= now()
  }
}

function detach({ state, now, settings }: RepairContext, arns: readonly string[]): void {
  for (const arn of arns) {
    const group = state.targetGroups.get(arn)
    if (group === undefined || loadBalancersOf(state, arn).length > 0) continue
    group.attachedAt = undefined
    group.lingersUntil = now() + settings().targetGroupLingerMs
  }
}

/** Target groups of the default actions, plain or weighted. */
export function forwardedTo(parameters: Parameters): string[] {
  const arns = structures(parameters, 'DefaultActions.member').flatMap((action) => [
    ...(action.has('TargetGroupArn') ? [action.get('TargetGroupArn') ?? ''] : []),
    ...structures(action, 'ForwardConfig.TargetGroups.member').map((group) => group.get('TargetGroupArn') ?? ''),
  ])
  return [...new Set(arns)].sort()
}

export function subnetMappings(parameters: Parameters): SubnetMapping[] {
  const mapped = structures(parameters, 'SubnetMappings.member').map((mapping) => {
    const allocationId = mapping.get('AllocationId')
    const privateIpv4 = mapping.get('PrivateIPv4Address')
    const ipv6 = mapping.get('IPv6Address')
    return {
      subnetId: mapping.get('SubnetId') ?? '',
      ...(allocationId === undefined ? {} : { allocationId }),
      ...(privateIpv4 === undefined ? {} : { privateIpv4 }),
      ...(ipv6 === undefined ? {} : { ipv6 }),
    }
  })
  const plain = strings(parameters, 'Subnets.member').map((subnetId) => ({ subnetId }))
  return [...mapped, ...plain].sort((a, b) => a.subnetId.localeCompare(b.subnetId))
}

export function tagsText(parameters: Parameters): string {
  return settingsText(
    new Map(structures(parameters, 'Tags.member').map((tag) => [tag.get('Key') ?? '', tag.get('Value') ?? ''])),
    [],
  )
}

function first(answer: Answer, name: string): string {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(answer.body)?.[1] ?? ''
}
