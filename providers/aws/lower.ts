/**
 * A LoadBalancerSpec as AWS objects, pure: a security group, a network load balancer, and for each port number a target group of instances and
 * a listener. TCP and UDP on one number share a TCP_UDP listener. Everything a load balancer cannot change is in its name, so such an edit
 * makes a second one with target groups of its own (a target group serves one load balancer) beside the first.
 */
import type { LoadBalancerSpec, Lowered, Reason, Unsupported } from '../contract.ts'
import { beyondDefaults } from './attributes.ts'
import { nodeAccessGroupName, objectName } from './names.ts'
import { portsFragment, protocolsOf } from './node-rules.ts'
import { ownRules, shutOut } from './own-rules.ts'
import { parseParameters } from './parameters.ts'
import type { Parameters } from './parameters.ts'
import { portGroups } from './port-groups.ts'
import type { PortGroup } from './port-groups.ts'
import { refusals, udpOverIpv6 } from './refusals.ts'
import { keys } from './resources.ts'
import type {
  Attributes,
  AwsResource,
  ListenerResource,
  LoadBalancerResource,
  SecurityGroupResource,
  Tags,
  TargetGroupResource,
} from './resources.ts'
import { groupWish } from './security-group-wishes.ts'
import { ownerTags, resourceTag, tooManyTags } from './tags.ts'
import { recordedAtMost, recordTags } from './target-record.ts'
import { chooseTargets } from './targets.ts'
import { listenerAttributes, loadBalancerAttributes, targetGroupAttributes } from './wishes.ts'

export interface LowerOptions {
  /** How long a replaced load balancer stays after the address of the new one was published. */
  graceSeconds: number
  /** Tags on everything of this cluster. */
  tags: Tags
}

export const lowerDefaults: LowerOptions = { graceSeconds: 120, tags: {} }

export function lower(spec: LoadBalancerSpec, options: LowerOptions = lowerDefaults): Lowered | Unsupported {
  const parsed = parseParameters(spec.parameters)
  if (!parsed.ok) return { kind: 'unsupported', reasons: parsed.reasons }
  const parameters = parsed.value
  const grouped = portGroups(spec.ports, parameters)
  const reasons = [...grouped.reasons, ...refusals(spec, parameters, grouped.groups)]
  if (reasons.length > 0) return { kind: 'unsupported', reasons }

  const extra = { ...options.tags, ...parameters.tags }
  const balancer = loadBalancer(spec, parameters, grouped.groups, extra, options)
  const { targets, notes } = chooseTargets(spec, parameters, grouped.groups.length)
  if (parameters.keepForeignTargets && targets.length > recordedAtMost) {
    const message = `keep-foreign-targets remembers at most ${recordedAtMost} nodes, and ${targets.length} are targets; set roadstead.dev/max-targets to ${recordedAtMost} or select nodes with roadstead.dev/node-selector`
    return { kind: 'unsupported', reasons: [{ reason: 'TooManyTargets', message }] }
  }
  const groups = grouped.groups.map((group) => targetGroup(spec, parameters, group, balancer, targets, extra))
  const own: AwsResource[] = [
    ...(parameters.securityGroups ? [] : [securityGroup(spec, parameters, grouped.groups, extra)]),
    balancer,
    ...groups,
    ...grouped.groups.map((group, index) => listener(spec, parameters, group, balancer, groups[index])),
  ]
  const crowded = tooManyTags(own)
  if (crowded.length > 0) return { kind: 'unsupported', reasons: crowded }
  const managed = parameters.nodeRules !== 'none'
  const said = [
    ...notes,
    ...(parameters.securityGroups ? [] : shutOut(spec, parameters)),
    ...adjusted(spec, parameters),
  ]
  return {
    kind: 'lowered',
    own,
    fragments: managed ? [portsFragment(spec.owner, nodePorts(spec, parameters, grouped.groups))] : [],
    documentsFirst: managed,
    ...(said.length > 0 ? { notes: said } : {}),
  }
}

function securityGroup(
  spec: LoadBalancerSpec,
  parameters: Parameters,
  groups: readonly PortGroup[],
  extra: Tags,
): SecurityGroupResource {
  const { owner } = spec
  return {
    kind: 'security-group',
    key: keys.securityGroup,
    owner,
    needs: [],
    immutable: { name: objectName(owner, ['security-group']) },
    mutable: {
      rules: ownRules(spec, parameters, groups),
      tags: ownerTags(owner, keys.securityGroup, { extra }),
    },
    state: 'ready',
  }
}

function loadBalancer(
  spec: LoadBalancerSpec,
  parameters: Parameters,
  groups: readonly PortGroup[],
  extra: Tags,
  { graceSeconds }: LowerOptions,
): LoadBalancerResource {
  const { owner } = spec
  const scheme = spec.scheme === 'public' ? 'internet-facing' : 'internal'
  const { allocationIds = [], privateIpv4Addresses = [], ipv6Addresses = [], privateLinkRules } = parameters
  const addresses = [[...allocationIds], [...privateIpv4Addresses], [...ipv6Addresses]]
  const attributes = beyondDefaults('load-balancer', loadBalancerAttributes(parameters), { scheme })
  // Reading the tags of every listener would cost a call each: they are those of the load balancer, the mark of attributes included.
  const marked = [
    attributes,
    ...groups.map((group) => beyondDefaults('listener', listenerAttributes(parameters, group))),
  ]
  const all = marked.some((one) => one !== undefined) ? (Object.assign({}, ...marked) as Attributes) : undefined
  const ownGroup = parameters.securityGroups?.map(groupWish) ?? [objectName(owner, ['security-group'])]
  const access = parameters.nodeRules === 'none' ? [] : [nodeAccessGroupName(owner.cluster)]
  const dualStack = spec.families.includes('IPv6')
  // One that carries UDP cannot become dual stack or cease to be it: its listeners' target groups are of the other family.
  const sourceNat = udpOverIpv6(spec)
  const sourceNatPrefixes = parameters.sourceNatPrefixes ?? []
  const distinct = ['load-balancer', scheme, ...addresses, ...(sourceNat ? ['udp over ipv6'] : [])]
  return {
    kind: 'load-balancer',
    key: keys.loadBalancer,
    owner,
    needs: parameters.securityGroups ? [] : [keys.securityGroup],
    immutable: { name: objectName(owner, distinct) },
    mutable: {
      scheme,
      ipAddressType: dualStack ? 'dualstack' : 'ipv4',
      subnets: parameters.subnets ?? [],
      allocationIds,
      privateIpv4Addresses,
      ipv6Addresses,
      sourceNat,
      sourceNatPrefixes,
      ...(parameters.capacityUnits === undefined ? {} : { capacityUnits: parameters.capacityUnits }),
      securityGroups: [...ownGroup, ...access].sort(),
      ...(privateLinkRules ? { privateLinkRules } : {}),
      ...(attributes ? { attributes } : {}),
      tags: ownerTags(owner, keys.loadBalancer, {
        extra,
        attributes: all,
        early: parameters.earlyAddress ?? false,
        sourceNatPrefixes,
        subnets: parameters.subnets ?? [],
        capacityUnits: parameters.capacityUnits ?? 0,
      }),
    },
    state: 'ready',
    graceSeconds,
    drain: { seconds: spec.deleteDrainSeconds ?? 0 },
  }
}

function targetGroup(
  spec: LoadBalancerSpec,
  parameters: Parameters,
  group: PortGroup,
  balancer: LoadBalancerResource,
  targets: readonly string[],
  extra: Tags,
): TargetGroupResource {
  const { owner } = spec
  const key = keys.targetGroup(group.port)
  const attributes = beyondDefaults('target-group', targetGroupAttributes(spec, parameters, group), {
    protocol: group.targetProtocol,
  })
  return {
    kind: 'target-group',
    key,
    owner,
    needs: [],
    immutable: { name: objectName(owner, [balancer.immutable.name, group.targetProtocol, group.port]) },
    mutable: {
      protocol: group.targetProtocol,
      ipAddressType: udpOverIpv6(spec) && group.targetProtocol.includes('UDP') ? 'ipv6' : 'ipv4',
      port: group.nodePort,
      healthCheck: healthCheck(spec, parameters),
      targets: targets.map((id) => `${id}:${group.nodePort}`),
      ...(attributes ? { attributes } : {}),
      tags: {
        ...ownerTags(owner, key, { extra, attributes }),
        ...(parameters.keepForeignTargets ? recordTags(targets) : {}),
      },
    },
    state: 'ready',
  }
}

function listener(
  { owner }: LoadBalancerSpec,
  parameters: Parameters,
  group: PortGroup,
  balancer: LoadBalancerResource,
  targets: TargetGroupResource | undefined,
): ListenerResource {
  const key = keys.listener(group.port)
  const tls = group.protocol === 'TLS'
  const [first, ...others] = tls ? (parameters.certificates ?? []) : []
  const attributes = beyondDefaults('listener', listenerAttributes(parameters, group))
  return {
    kind: 'listener',
    key,
    owner,
    needs: [keys.loadBalancer, keys.targetGroup(group.port)],
    immutable: { loadBalancer: balancer.immutable.name, port: group.port },
    mutable: {
      protocol: group.protocol,
      targetGroup: targets?.immutable.name ?? '',
      certificates: first === undefined ? [] : [first, ...others.sort()],
      sslPolicy: tls ? (parameters.tlsPolicy ?? '') : '',
      alpn: tls && parameters.tlsAlpn !== 'None' ? (parameters.tlsAlpn ?? '') : '',
      ...(attributes ? { attributes } : {}),
      tags: { ...balancer.mutable.tags, [resourceTag]: key },
    },
    state: 'ready',
  }
}

/** externalTrafficPolicy Local brings the health check node port, which every provider has to ask over HTTP. */
function healthCheck(
  { policy, healthCheck: check }: LoadBalancerSpec,
  { healthCheckTrafficPort, healthCheckCodes, healthCheckHttps }: Parameters,
): TargetGroupResource['mutable']['healthCheck'] {
  const trafficPort = policy === 'Cluster' ? healthCheckTrafficPort : undefined
  const asked = healthCheckHttps && policy === 'Cluster' ? 'HTTPS' : 'HTTP'
  const protocol = trafficPort ?? (check.protocol === 'HTTP' ? asked : 'TCP')
  const http = protocol !== 'TCP'
  return {
    protocol,
    port: trafficPort ? 'traffic-port' : String(check.port),
    path: http ? check.path : '',
    intervalSeconds: Math.max(5, check.intervalSeconds),
    timeoutSeconds: Math.min(Math.max(5, check.intervalSeconds), Math.max(2, check.timeoutSeconds)),
    healthyThreshold: Math.max(2, check.healthyThreshold),
    unhealthyThreshold: Math.max(2, check.unhealthyThreshold),
    codes: http ? (healthCheckCodes ?? '200-399') : '',
  }
}

/** AWS checks no faster and waits no longer: what it does instead is said. */
function adjusted(spec: LoadBalancerSpec, parameters: Parameters): Reason[] {
  const used = healthCheck(spec, parameters)
  const words = [
    ['interval-seconds', 'intervalSeconds'],
    ['timeout-seconds', 'timeoutSeconds'],
    ['healthy-threshold', 'healthyThreshold'],
    ['unhealthy-threshold', 'unhealthyThreshold'],
  ] as const
  const changed = words
    .filter(([, field]) => used[field] !== spec.healthCheck[field])
    .map(([word, field]) => `${word} is ${used[field]} instead of ${spec.healthCheck[field]}`)
  if (changed.length === 0) return []
  const message = `health check: ${changed.join(', ')}; AWS allows an interval of at least 5 s, a timeout from 2 s to the interval, and thresholds of at least 2`
  return [{ reason: 'HealthCheckAdjusted', message }]
}

/** What the load balancer's group has to reach on the nodes. */
function nodePorts(spec: LoadBalancerSpec, parameters: Parameters, groups: readonly PortGroup[]): string[] {
  const { port } = healthCheck(spec, parameters)
  return groups.flatMap(({ nodePort, targetProtocol }) => [
    ...protocolsOf(targetProtocol).map((protocol) => `${protocol}/${nodePort}`),
    `tcp/${port === 'traffic-port' ? nodePort : port}`,
  ])
}
