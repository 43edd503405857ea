/**
 * Load balancers as AWS has them: one per name (the same settings again: the same load balancer, others: DuplicateLoadBalancerName),
 * checked arguments, AWS's DNS name, one zone or several, `provisioning` for a while, addresses that were asked for, deletion protection that protects,
 * pages of 400.
 */
import { describeNamesLimit } from '../../providers/aws/elbv2.ts'
import { refuse } from '../answer.ts'
import { type AwsCall, changed, strings } from '../aws-call.ts'
import type { Layer, Next } from '../layer.ts'
import { element, itemsOf, leaf, printXml, put, textOf, type XmlElement } from '../xml.ts'
import { ask, elbv2Answer, resultOf, rewritten } from './ask.ts'
import { subnetMappings, tagsText } from './bookkeeping.ts'
import { putPage, wholeList } from './pages.ts'
import type { LoadBalancerState, RepairContext, SubnetMapping } from './state.ts'

export function loadBalancers(context: RepairContext): Layer {
  const { state, now, settings } = context

  async function create(call: AwsCall, next: Next) {
    const { parameters } = call
    const name = parameters.get('Name') ?? ''
    checkName(name)
    const mappings = subnetMappings(parameters)
    const groups = strings(parameters, 'SecurityGroups.member').sort()
    const existing = [...state.loadBalancers.values()].find((balancer) => balancer.name === name)
    if (existing !== undefined) {
      if (!sameSettings(existing, call))
        refuse(
          'DuplicateLoadBalancerName',
          `A load balancer with the same name '${name}' exists, but with different settings`,
        )
      return await describe(
        { ...call, action: 'DescribeLoadBalancers', parameters: byArn(existing.arn) },
        next,
        call.action,
      )
    }
    if (state.loadBalancers.size >= settings().quotas.loadBalancers)
      refuse('TooManyLoadBalancers', 'The maximum number of load balancers has been reached.')
    await checkSubnets(context, call, next, mappings)
    await checkGroups(context, call, next, groups)
    await checkAddresses(context, call, next, mappings, parameters.get('Scheme') ?? 'internet-facing')
    const scheme = parameters.get('Scheme') ?? 'internet-facing'
    const answer = await next({ ...call, parameters: changed(parameters, [], { Scheme: scheme }) })
    const addresses = await publicAddresses(call, next, mappings)
    return rewritten(answer, (root) => {
      for (const item of itemsOf(resultOf(root), 'LoadBalancers')) asAws(item, addresses)
    })
  }

  /** Brings one <member> to AWS's form. */
  function asAws(item: XmlElement, addresses: ReadonlyMap<string, string>): void {
    const arn = textOf(item, 'LoadBalancerArn') ?? ''
    const [, region = ''] = /^arn:aws:elasticloadbalancing:([^:]+):/.exec(arn) ?? []
    put(
      item,
      leaf(
        'DNSName',
        `${textOf(item, 'LoadBalancerName') ?? ''}-${arn.split('/').at(-1) ?? ''}.elb.${region}.amazonaws.com`,
      ),
    )
    const known = state.loadBalancers.get(arn)
    if (known === undefined) return
    const code = now() < known.createdAt + settings().provisioningMs ? 'provisioning' : 'active'
    put(item, element('State', [leaf('Code', code)]))
    put(item, leaf('Scheme', known.scheme))
    put(item, leaf('IpAddressType', known.ipAddressType))
    if (known.securityGroups.length > 0)
      put(item, leaf('EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic', known.enforceOnPrivateLink))
    put(item, leaf('EnablePrefixForIpv6SourceNat', known.sourceNat))
    put(item, zonesElement(known, addresses))
  }

  function zonesElement({ subnets }: LoadBalancerState, addresses: ReadonlyMap<string, string>): XmlElement {
    const zones = subnets.map((mapping) => {
      const address = addressElement(mapping, addresses)
      return element('member', [
        leaf('ZoneName', state.zones.get(mapping.subnetId) ?? ''),
        leaf('SubnetId', mapping.subnetId),
        element('LoadBalancerAddresses', address === undefined ? [] : [address]),
      ])
    })
    return element('AvailabilityZones', zones)
  }

  async function describe(call: AwsCall, next: Next, answeredAction = call.action) {
    const arns = strings(call.parameters, 'LoadBalancerArns.member')
    const names = strings(call.parameters, 'Names.member')
    if (arns.length > describeNamesLimit || names.length > describeNamesLimit)
      refuse('ValidationError', `Up to ${describeNamesLimit} load balancers can be named at once`)
    const { root, items } = await wholeList(call, next, 'LoadBalancers')
    const hidden = (item: XmlElement) => {
      const known = state.loadBalancers.get(textOf(item, 'LoadBalancerArn') ?? '')
      return known !== undefined && now() < known.createdAt + settings().visibilityMs
    }
    const visible = answeredAction === 'CreateLoadBalancer' ? items : items.filter((item) => !hidden(item))
    const missing =
      arns.some((arn) => !visible.some((item) => textOf(item, 'LoadBalancerArn') === arn)) ||
      names.some((name) => !visible.some((item) => textOf(item, 'LoadBalancerName') === name))
    if (missing) refuse('LoadBalancerNotFound', 'One or more load balancers not found')
    const addresses = await publicAddresses(
      call,
      next,
      [...state.loadBalancers.values()].flatMap(({ subnets }) => subnets),
    )
    for (const item of visible) asAws(item, addresses)
    putPage(call, root, 'LoadBalancers', visible, 'LoadBalancerArn')
    if (answeredAction === call.action) return { status: 200, body: printXml(root) }
    return { status: 200, body: printXml(root).replaceAll(call.action, answeredAction) }
  }

  async function remove(call: AwsCall, next: Next) {
    const arn = call.parameters.get('LoadBalancerArn') ?? ''
    if (state.loadBalancers.has(arn)) {
      const attributes = resultOf(
        await ask(call, next, 'elbv2', 'DescribeLoadBalancerAttributes', { LoadBalancerArn: arn }),
      )
      const protection = itemsOf(attributes, 'Attributes').find(
        (item) => textOf(item, 'Key') === 'deletion_protection.enabled',
      )
      if (textOf(protection, 'Value') === 'true')
        refuse(
          'OperationNotPermitted',
          `Load balancer '${arn}' cannot be deleted because deletion protection is enabled`,
        )
    }
    return await next(call)
  }

  async function setGroups(call: AwsCall, next: Next) {
    const known = state.loadBalancers.get(call.parameters.get('LoadBalancerArn') ?? '')
    const groups = strings(call.parameters, 'SecurityGroups.member')
    if (known !== undefined && known.securityGroups.length === 0)
      refuse(
        'InvalidConfigurationRequest',
        'You cannot set security groups for a Network Load Balancer that was created without one',
      )
    if (known !== undefined && groups.length === 0)
      refuse('InvalidConfigurationRequest', 'You must specify at least one security group')
    await checkGroups(context, call, next, groups)
    return await next(call)
  }

  /** Entirely here: moto wants two zones, AWS one. */
  async function setSubnets(call: AwsCall, next: Next) {
    const { parameters } = call
    const arn = parameters.get('LoadBalancerArn') ?? ''
    const known = state.loadBalancers.get(arn)
    if (known === undefined) return refuse('LoadBalancerNotFound', `Load balancer '${arn}' not found`)
    const mappings = subnetMappings(parameters)
    if (mappings.length === 0) refuse('ValidationError', 'Either subnets or subnet mappings must be specified')
    await checkSubnets(context, call, next, mappings)
    await checkAddresses(context, call, next, mappings, known.scheme, known.arn)
    checkReplacement(context, known, mappings)
    known.subnets = mappings
    known.ipAddressType = parameters.get('IpAddressType') ?? known.ipAddressType
    known.sourceNat = parameters.get('EnablePrefixForIpv6SourceNat') ?? known.sourceNat
    const zones = zonesElement(known, await publicAddresses(call, next, mappings))
    return elbv2Answer(call, [
      zones,
      leaf('IpAddressType', known.ipAddressType),
      leaf('EnablePrefixForIpv6SourceNat', known.sourceNat),
    ])
  }

  return async (call, next) => {
    switch (call.action) {
      case 'CreateLoadBalancer':
        return await context.exclusive(`load balancer ${call.parameters.get('Name')}`, () => create(call, next))
      case 'DescribeLoadBalancers':
        return await describe(call, next)
      case 'DeleteLoadBalancer':
        return await remove(call, next)
      case 'SetSecurityGroups':
        return await setGroups(call, next)
      case 'SetSubnets':
        return await setSubnets(call, next)
      default:
        return await next(call)
    }
  }
}

const byArn = (arn: string) =>
  new Map([
    ['Action', 'DescribeLoadBalancers'],
    ['Version', '2015-12-01'],
    ['LoadBalancerArns.member.1', arn],
  ])

function sameSettings(existing: LoadBalancerState, { parameters }: AwsCall): boolean {
  return (
    existing.scheme === (parameters.get('Scheme') ?? 'internet-facing') &&
    existing.type === (parameters.get('Type') ?? 'application') &&
    existing.ipAddressType === (parameters.get('IpAddressType') ?? 'ipv4') &&
    existing.tags === tagsText(parameters) &&
    JSON.stringify(existing.securityGroups) === JSON.stringify(strings(parameters, 'SecurityGroups.member').sort()) &&
    JSON.stringify(existing.subnets) === JSON.stringify(subnetMappings(parameters))
  )
}

/** API reference, CreateLoadBalancer, Name. */
function checkName(name: string): void {
  if (name.length > 32)
    refuse('ValidationError', `The load balancer name '${name}' cannot be longer than '32' characters`)
  if (!/^[A-Za-z0-9-]+$/.test(name))
    refuse(
      'ValidationError',
      `The load balancer name '${name}' can only contain characters that are alphanumeric characters or hyphens(-)`,
    )
  if (name.startsWith('-') || name.endsWith('-'))
    refuse('ValidationError', `The load balancer name '${name}' cannot begin or end with '-'`)
  if (name.startsWith('internal-'))
    refuse('ValidationError', `The load balancer name '${name}' cannot begin with 'internal-'`)
}

async function checkSubnets(context: RepairContext, call: AwsCall, next: Next, mappings: readonly SubnetMapping[]) {
  const ids = mappings.map(({ subnetId }) => subnetId)
  const unknown = ids.filter((id) => !context.state.zones.has(id))
  if (unknown.length > 0) {
    const asked = Object.fromEntries(unknown.map((id, index) => [`SubnetId.${index + 1}`, id]))
    const root = await ask(call, next, 'ec2', 'DescribeSubnets', asked).catch(() =>
      refuse('SubnetNotFound', `The subnet ID '${unknown.join(', ')}' is not valid`),
    )
    for (const item of itemsOf(root, 'subnetSet'))
      context.state.zones.set(textOf(item, 'subnetId') ?? '', textOf(item, 'availabilityZone') ?? '')
  }
  const zones = ids.map((id) => context.state.zones.get(id))
  if (new Set(zones).size < zones.length)
    refuse(
      'InvalidConfigurationRequest',
      'A load balancer cannot be attached to multiple subnets in the same Availability Zone',
    )
}

/** In one zone neither the subnet nor its addresses are swapped by one call. */
function checkReplacement(
  { state }: RepairContext,
  { subnets }: LoadBalancerState,
  mappings: readonly SubnetMapping[],
) {
  for (const mapping of mappings) {
    const old = subnets.find(({ subnetId }) => state.zones.get(subnetId) === state.zones.get(mapping.subnetId))
    if (old === undefined) continue
    if (old.subnetId !== mapping.subnetId)
      refuse(
        'InvalidConfigurationRequest',
        `The subnet '${old.subnetId}' cannot be replaced by '${mapping.subnetId}' of the same zone in one call`,
      )
    if (old.allocationId !== mapping.allocationId || old.privateIpv4 !== mapping.privateIpv4)
      refuse('InvalidConfigurationRequest', `The addresses in '${old.subnetId}' cannot be changed`)
  }
}

async function checkGroups(
  { state }: RepairContext,
  call: AwsCall,
  next: Next,
  groups: readonly string[],
): Promise<void> {
  if (groups.every((id) => state.securityGroups.has(id))) return
  const asked = Object.fromEntries(groups.map((id, index) => [`GroupId.${index + 1}`, id]))
  await ask(call, next, 'ec2', 'DescribeSecurityGroups', asked).catch(() =>
    refuse('InvalidSecurityGroup', `One or more security groups are invalid: ${groups.join(', ')}`),
  )
}

async function checkAddresses(
  { state }: RepairContext,
  call: AwsCall,
  next: Next,
  mappings: readonly SubnetMapping[],
  scheme: string,
  self?: string,
) {
  if (scheme === 'internal' && mappings.some(({ allocationId }) => allocationId !== undefined))
    refuse('InvalidConfigurationRequest', 'You cannot specify an Elastic IP address for an internal load balancer')
  if (scheme !== 'internal' && mappings.some(({ privateIpv4 }) => privateIpv4 !== undefined))
    refuse(
      'InvalidConfigurationRequest',
      'You cannot specify a private IPv4 address for an internet-facing load balancer',
    )
  const allocated = mappings.flatMap(({ allocationId }) => allocationId ?? [])
  const known = await publicAddresses(call, next, mappings)
  for (const id of allocated)
    if (!known.has(id)) refuse('AllocationIdNotFound', `The allocation IDs '${id}' do not exist`)
  const held = [...state.loadBalancers.values()].filter(({ arn }) => arn !== self).flatMap(({ subnets }) => subnets)
  for (const { allocationId, privateIpv4 } of held) {
    if (allocationId !== undefined && allocated.includes(allocationId))
      refuse('ResourceInUse', 'The allocation IDs are not available for use')
    if (privateIpv4 !== undefined && mappings.some((mapping) => mapping.privateIpv4 === privateIpv4))
      refuse('InvalidConfigurationRequest', `'${privateIpv4}' is in use`)
  }
}

/** Elastic IP addresses by allocation id, of those that `mappings` name. */
async function publicAddresses(
  call: AwsCall,
  next: Next,
  mappings: readonly SubnetMapping[],
): Promise<Map<string, string>> {
  if (mappings.every(({ allocationId }) => allocationId === undefined)) return new Map()
  const root = await ask(call, next, 'ec2', 'DescribeAddresses', {})
  return new Map(
    itemsOf(root, 'addressesSet').map((item) => [textOf(item, 'allocationId') ?? '', textOf(item, 'publicIp') ?? '']),
  )
}

function addressElement(mapping: SubnetMapping, addresses: ReadonlyMap<string, string>): XmlElement | undefined {
  const { allocationId, privateIpv4, ipv6 } = mapping
  const children = [
    ...(allocationId === undefined
      ? []
      : [leaf('IpAddress', addresses.get(allocationId) ?? ''), leaf('AllocationId', allocationId)]),
    ...(privateIpv4 === undefined ? [] : [leaf('PrivateIPv4Address', privateIpv4)]),
    ...(ipv6 === undefined ? [] : [leaf('IPv6Address', ipv6)]),
  ]
  return children.length === 0 ? undefined : element('member', children)
}
