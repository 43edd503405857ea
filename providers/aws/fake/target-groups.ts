/** Target groups: idempotent by name and settings, bound to one load balancer, undeletable while a listener uses them and for a while after. */
import type { HealthCheckFields, TargetGroup } from '../elbv2.ts'
import type { JsonObject } from '../../contract.ts'
import type { Account, Sync, TargetGroupState } from './account.ts'
import { elbLag, pairs, targetKey } from './account.ts'
import { defaultsOf, modified, targetGroupAttributesOf } from './attributes.ts'
import { isHeld, loadBalancersOf } from './links.ts'
import { checkName, namedOnes, standing } from './named.ts'
import { page } from './paging.ts'
import { found, demand, refusal } from './refusal.ts'
import { tagged } from './tags.ts'

type Actions = Sync<
  | 'describeTargetGroups'
  | 'createTargetGroup'
  | 'modifyTargetGroup'
  | 'deleteTargetGroup'
  | 'describeTargetGroupAttributes'
  | 'modifyTargetGroupAttributes'
>

export function targetGroupActions(account: Account): Actions {
  const at = (arn: string) =>
    found(account.targetGroups.get(arn), 'TargetGroupNotFound', `Target group '${arn}' not found`)
  return {
    describeTargetGroups({ loadBalancerArn, targetGroupArns, names, marker, pageSize }) {
      const all = account.targetGroups.seen(elbLag(account))
      if (targetGroupArns !== undefined || names !== undefined) {
        const items = namedOnes(all, { arns: targetGroupArns, names, what: 'target groups' }, () =>
          refusal('TargetGroupNotFound', 'One or more target groups not found'),
        )
        return { targetGroups: items.map((item) => describe(account, item)) }
      }
      if (loadBalancerArn !== undefined) {
        const found = account.loadBalancers.get(loadBalancerArn) !== undefined
        demand(found, 'LoadBalancerNotFound', `Load balancer '${loadBalancerArn}' not found`)
      }
      const chosen =
        loadBalancerArn === undefined
          ? all
          : all.filter(({ arn }) => loadBalancersOf(account, arn).includes(loadBalancerArn))
      const { items, next } = page(account, chosen, ({ arn }) => arn, { after: marker, size: pageSize })
      return { targetGroups: items.map((item) => describe(account, item)), nextMarker: next }
    },
    createTargetGroup: (input) => create(account, input),
    modifyTargetGroup({ targetGroupArn, ...changes }) {
      const before = at(targetGroupArn)
      const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
      // A check that becomes a TCP one loses what only HTTP has.
      const { healthCheckPath: _path, matcher: _matcher, ...plain } = before.healthCheck
      const kept = changes.healthCheckProtocol === 'TCP' ? plain : before.healthCheck
      const healthCheck = checkHealthCheck({ ...kept, ...given })
      const after = { ...before, healthCheck }
      account.targetGroups.put(targetGroupArn, after)
      return { targetGroups: [describe(account, after)] }
    },
    deleteTargetGroup({ targetGroupArn }) {
      const group = account.targetGroups.get(targetGroupArn)
      if (group === undefined) return
      demand(
        !isHeld(account, group),
        'ResourceInUse',
        `Target group '${targetGroupArn}' is currently in use by a listener or a rule`,
      )
      account.targetGroups.remove(targetGroupArn)
      for (const target of account.targets.values()) {
        if (target.targetGroupArn === targetGroupArn) account.targets.remove(targetKey(target))
      }
    },
    describeTargetGroupAttributes: ({ targetGroupArn }) => ({ attributes: pairs(at(targetGroupArn).attributes) }),
    modifyTargetGroupAttributes({ targetGroupArn, attributes }) {
      const before = at(targetGroupArn)
      const after = modified(targetGroupAttributesOf(before.protocol), before.attributes, attributes)
      const isUdp = before.protocol === 'UDP' || before.protocol === 'TCP_UDP'
      demand(
        !isUdp || after['preserve_client_ip.enabled'] === 'true',
        'InvalidConfigurationRequest',
        'Client IP preservation cannot be disabled for UDP and TCP_UDP target groups',
      )
      account.targetGroups.put(targetGroupArn, { ...before, attributes: after })
      return { attributes: pairs(after) }
    },
  }
}

function create(account: Account, input: Parameters<Actions['createTargetGroup']>[0]) {
  const { name, protocol, port, vpcId, targetType, ipAddressType = 'ipv4', tags, ...check } = input
  checkName(name)
  demand(Number.isInteger(port) && port >= 1 && port <= 65_535, 'ValidationError', `Port '${port}' is not valid`)
  demand(account.vpcs.get(vpcId) !== undefined, 'ValidationError', `The VPC ID '${vpcId}' is not found`)
  const healthCheck = checkHealthCheck(check)
  const settings = { protocol, port, vpcId, targetType, ipAddressType, healthCheck, tags: tagged(account, tags) }
  const same = standing(account.targetGroups, name, settings, naming(account))
  if (same !== undefined) return { targetGroups: [describe(account, same)] }
  const { region } = account
  const state: TargetGroupState = {
    ...settings,
    arn: `arn:aws:elasticloadbalancing:${region}:${account.id}:targetgroup/${name}/${account.newId(16)}`,
    name,
    attributes: defaultsOf(targetGroupAttributesOf(protocol)),
    usedSince: undefined,
    unusedSince: undefined,
  }
  account.targetGroups.put(state.arn, state)
  return { targetGroups: [describe(account, state)] }
}

const naming = ({ quotas }: Account) => ({
  what: 'target group',
  comparable,
  duplicate: 'DuplicateTargetGroupName' as const,
  quota: quotas.targetGroups,
  tooMany: 'TooManyTargetGroups' as const,
})

/** Equal for equal settings. */
function comparable(
  state: Omit<TargetGroupState, 'arn' | 'name' | 'attributes' | 'usedSince' | 'unusedSince'>,
): JsonObject {
  const { protocol, port, vpcId, targetType, ipAddressType, healthCheck, tags } = state
  const { matcher, ...check } = healthCheck
  const checks = Object.entries(check).map(([key, value]) => `${key} ${value}`)
  return {
    protocol,
    port,
    vpcId,
    targetType,
    ipAddressType,
    checks: checks.toSorted(),
    codes: matcher?.httpCode ?? '',
    tags,
  }
}

/** The health check as it is kept; refuses what AWS refuses for target groups of network load balancers. */
function checkHealthCheck(check: HealthCheckFields): HealthCheckFields {
  const { healthCheckProtocol: protocol, healthCheckPort: port, healthCheckPath, matcher } = check
  const isTcp = protocol === 'TCP'
  demand(
    ['TCP', 'HTTP', 'HTTPS'].includes(protocol),
    'ValidationError',
    `Health check protocol '${protocol}' is not supported`,
  )
  const portFits = port === 'traffic-port' || (/^[0-9]+$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)
  demand(portFits, 'ValidationError', `Health check port '${port}' must be 'traffic-port' or in the range 1-65535`)
  demand(!isTcp || healthCheckPath === undefined, 'InvalidConfigurationRequest', 'TCP health checks have no path')
  demand(!isTcp || matcher === undefined, 'InvalidConfigurationRequest', 'TCP health checks have no matcher')
  const path = isTcp ? undefined : (healthCheckPath ?? '/')
  demand(
    path === undefined || /^\/[ -~]{0,1023}$/.test(path),
    'ValidationError',
    `Health check path '${path}' is not valid`,
  )
  const code = isTcp ? undefined : (matcher?.httpCode ?? '200-399')
  demand(code === undefined || codesFit(code), 'ValidationError', `Health check matcher '${code}' is not valid`)
  const interval = check.healthCheckIntervalSeconds
  const timeout = check.healthCheckTimeoutSeconds
  demand(fits(interval, 5, 300), 'ValidationError', `Health check interval '${interval}' must be between 5 and 300`)
  demand(fits(timeout, 2, 120), 'ValidationError', `Health check timeout '${timeout}' must be between 2 and 120`)
  demand(timeout <= interval, 'ValidationError', 'Health check timeout must not be greater than the interval')
  for (const threshold of [check.healthyThresholdCount, check.unhealthyThresholdCount]) {
    demand(fits(threshold, 2, 10), 'ValidationError', `Health check threshold '${threshold}' must be between 2 and 10`)
  }
  return {
    healthCheckProtocol: protocol,
    healthCheckPort: port,
    ...(path === undefined ? {} : { healthCheckPath: path }),
    healthCheckIntervalSeconds: interval,
    healthCheckTimeoutSeconds: timeout,
    healthyThresholdCount: check.healthyThresholdCount,
    unhealthyThresholdCount: check.unhealthyThresholdCount,
    ...(code === undefined ? {} : { matcher: { httpCode: code } }),
  }
}

function fits(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most
}

/** `200`, `200,204`, `200-399`: from 200 to 599 on network load balancers. */
function codesFit(codes: string): boolean {
  return codes.split(',').every((part) => /^[2-5][0-9]{2}(-[2-5][0-9]{2})?$/.test(part))
}

function describe(account: Account, state: TargetGroupState): TargetGroup {
  const { arn, name, protocol, port, vpcId, targetType, ipAddressType, healthCheck } = state
  return {
    targetGroupArn: arn,
    targetGroupName: name,
    protocol,
    port,
    vpcId,
    targetType,
    ipAddressType,
    ...healthCheck,
    loadBalancerArns: loadBalancersOf(account, arn),
  }
}
