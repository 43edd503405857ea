/**
 * Listeners of network load balancers: one per port whatever the protocol, forwarding to a target group of a protocol that fits and of no
 * other load balancer; TLS needs a certificate. They go with their load balancer.
 */
import type { ForwardAction, Listener, ListenerProtocol, WeightedForwardAction } from '../elbv2.ts'
import { jsonEqual } from '../../json-equal.ts'
import type { Account, ListenerState, Sync } from './account.ts'
import { elbLag, pairs } from './account.ts'
import { defaultsOf, listenerAttributes, modified } from './attributes.ts'
import { checkListener } from './dual-stack.ts'
import { groupsOf, letGo, loadBalancersOf } from './links.ts'
import { page } from './paging.ts'
import { found, refusal, demand } from './refusal.ts'
import { tagged } from './tags.ts'
import { checkRoom, registered } from './targets.ts'

type Actions = Sync<
  | 'describeListeners'
  | 'createListener'
  | 'modifyListener'
  | 'deleteListener'
  | 'describeListenerAttributes'
  | 'modifyListenerAttributes'
  | 'describeListenerCertificates'
  | 'addListenerCertificates'
  | 'removeListenerCertificates'
>

/** Listener protocol -> protocols of target groups it may forward to. */
const fitting: Readonly<Record<ListenerProtocol, readonly ListenerProtocol[]>> = {
  TCP: ['TCP', 'TCP_UDP'],
  UDP: ['UDP', 'TCP_UDP'],
  TCP_UDP: ['TCP_UDP'],
  TLS: ['TCP', 'TLS'],
}

const alpnPolicies = ['HTTP1Only', 'HTTP2Only', 'HTTP2Optional', 'HTTP2Preferred', 'None']
const defaultSslPolicy = 'ELBSecurityPolicy-2016-08'

export function listenerActions(account: Account): Actions {
  const at = (arn: string) => found(account.listeners.get(arn), 'ListenerNotFound', `Listener '${arn}' not found`)
  const save = (state: ListenerState) => {
    account.listeners.put(state.arn, state)
    letGo(account)
    return { listeners: [describe(state)] }
  }
  return {
    describeListeners({ loadBalancerArn, listenerArns, marker }) {
      const all = account.listeners.seen(elbLag(account))
      if (listenerArns !== undefined) {
        const items = listenerArns.map((wanted) =>
          found(
            all.find(({ arn }) => arn === wanted),
            'ListenerNotFound',
            'One or more listeners not found',
          ),
        )
        return { listeners: items.map(describe) }
      }
      if (loadBalancerArn === undefined) throw refusal('ValidationError', 'A load balancer or listeners must be named')
      const stands = account.loadBalancers.get(loadBalancerArn) !== undefined
      demand(stands, 'LoadBalancerNotFound', `Load balancer '${loadBalancerArn}' not found`)
      const own = all.filter((each) => each.loadBalancerArn === loadBalancerArn)
      const { items, next } = page(account, own, ({ arn }) => arn, { after: marker })
      return { listeners: items.map(describe), nextMarker: next }
    },
    createListener(input) {
      const { loadBalancerArn, protocol, port, defaultActions, tags, ...tls } = input
      const stands = account.loadBalancers.get(loadBalancerArn) !== undefined
      demand(stands, 'LoadBalancerNotFound', `Load balancer '${loadBalancerArn}' not found`)
      demand(Number.isInteger(port) && port >= 1 && port <= 65_535, 'ValidationError', `Port '${port}' is not valid`)
      const own = account.listeners.values().filter((each) => each.loadBalancerArn === loadBalancerArn)
      const wanted: ListenerState = {
        arn: '',
        loadBalancerArn,
        port,
        protocol,
        ...tlsOf(account, protocol, tls),
        extraCertificates: [],
        ...forwardedTo(defaultActions),
        attributes: protocol === 'TCP' ? defaultsOf(listenerAttributes) : {},
        tags: tagged(account, tags),
      }
      const same = own.find((each) => each.port === port)
      if (same !== undefined) {
        const equal = jsonEqual(settingsOf(wanted), settingsOf(same))
        demand(equal, 'DuplicateListener', 'A listener already exists on this port for this load balancer')
        return { listeners: [describe(same)] }
      }
      const most = account.quotas.listenersPerLoadBalancer
      demand(own.length < most, 'TooManyListeners', `The maximum number of listeners (${most}) has been reached`)
      checkForward(account, wanted)
      return save({ ...wanted, arn: `${loadBalancerArn.replace(':loadbalancer/', ':listener/')}/${account.newId(16)}` })
    },
    modifyListener({ listenerArn, protocol, certificates, sslPolicy, alpnPolicy, defaultActions }) {
      const before = at(listenerArn)
      const after = {
        ...before,
        protocol: protocol ?? before.protocol,
        ...(defaultActions === undefined ? {} : forwardedTo(defaultActions)),
      }
      const isTls = after.protocol === 'TLS'
      const kept = isTls ? before : { certificates: [], sslPolicy: undefined, alpnPolicy: [] }
      const tls = tlsOf(account, after.protocol, {
        certificates: certificates ?? kept.certificates.map((certificateArn) => ({ certificateArn })),
        sslPolicy: sslPolicy ?? kept.sslPolicy,
        alpnPolicy: alpnPolicy ?? kept.alpnPolicy,
      })
      checkForward(account, after)
      const hasTimeout = after.protocol === 'TCP'
      const attributes = hasTimeout ? { ...defaultsOf(listenerAttributes), ...before.attributes } : {}
      return save({ ...after, ...tls, attributes, extraCertificates: isTls ? before.extraCertificates : [] })
    },
    deleteListener({ listenerArn }) {
      at(listenerArn)
      account.listeners.remove(listenerArn)
      letGo(account)
    },
    describeListenerAttributes: ({ listenerArn }) => ({ attributes: pairs(at(listenerArn).attributes) }),
    modifyListenerAttributes({ listenerArn, attributes }) {
      const before = at(listenerArn)
      const rules = before.protocol === 'TCP' ? listenerAttributes : {}
      const after = modified(rules, before.attributes, attributes)
      account.listeners.put(listenerArn, { ...before, attributes: after })
      return { attributes: pairs(after) }
    },
    describeListenerCertificates({ listenerArn }) {
      const { certificates, extraCertificates } = at(listenerArn)
      return {
        certificates: [
          ...certificates.map((certificateArn) => ({ certificateArn, isDefault: true })),
          ...extraCertificates.map((certificateArn) => ({ certificateArn, isDefault: false })),
        ],
      }
    },
    addListenerCertificates({ listenerArn, certificates }) {
      const before = at(listenerArn)
      demand(before.protocol === 'TLS', 'ValidationError', 'Only TLS listeners have certificates')
      for (const { certificateArn } of certificates) checkCertificate(account, certificateArn)
      const extra = new Set([...before.extraCertificates, ...certificates.map(({ certificateArn }) => certificateArn)])
      const other = account.listeners
        .values()
        .filter((each) => each.loadBalancerArn === before.loadBalancerArn && each.arn !== listenerArn)
        .reduce((sum, each) => sum + each.extraCertificates.length, 0)
      const most = account.quotas.certificatesPerLoadBalancer
      demand(
        extra.size + other <= most,
        'TooManyCertificates',
        `The maximum number of certificates (${most}) has been reached`,
      )
      account.listeners.put(listenerArn, { ...before, extraCertificates: [...extra] })
    },
    removeListenerCertificates({ listenerArn, certificates }) {
      const before = at(listenerArn)
      for (const { certificateArn } of certificates) {
        const isDefault =
          before.certificates.includes(certificateArn) && !before.extraCertificates.includes(certificateArn)
        demand(!isDefault, 'OperationNotPermitted', 'The default certificate cannot be removed')
      }
      const removed = new Set(certificates.map(({ certificateArn }) => certificateArn))
      const extraCertificates = before.extraCertificates.filter((arn) => !removed.has(arn))
      account.listeners.put(listenerArn, { ...before, extraCertificates })
    },
  }
}

function settingsOf({ protocol, certificates, sslPolicy, alpnPolicy, targetGroupArn, standby }: ListenerState) {
  return {
    protocol,
    certificates: [...certificates],
    sslPolicy: sslPolicy ?? '',
    alpnPolicy: [...alpnPolicy],
    targetGroupArn,
    standby: [...standby],
  }
}

/** Weights of Network Load Balancers: 0 to 999; https://aws.amazon.com/blogs/networking-and-content-delivery/network-load-balancers-now-support-weighted-target-groups */
function forwardedTo(actions: readonly (ForwardAction | WeightedForwardAction)[]) {
  const [first] = actions
  if (first === undefined || actions.length > 1)
    throw refusal('ValidationError', 'Exactly one default action is needed')
  if ('targetGroupArn' in first) return { targetGroupArn: first.targetGroupArn, standby: [] }
  const { targetGroups } = first.forwardConfig
  const [weighted, ...more] = targetGroups.filter(({ weight }) => weight > 0)
  const inRange = targetGroups.every(({ weight }) => Number.isInteger(weight) && weight >= 0 && weight <= 999)
  demand(inRange, 'ValidationError', 'The weight of a target group must be from 0 to 999')
  demand(weighted !== undefined && more.length === 0, 'ValidationError', 'One target group with weight is modelled')
  const standby = targetGroups.filter(({ weight }) => weight === 0).map(({ targetGroupArn }) => targetGroupArn)
  return { targetGroupArn: weighted.targetGroupArn, standby }
}

interface TlsInput {
  certificates?: readonly { certificateArn: string }[]
  sslPolicy?: string | undefined
  alpnPolicy?: readonly string[]
}

function tlsOf(
  account: Account,
  protocol: ListenerProtocol,
  { certificates = [], sslPolicy, alpnPolicy = [] }: TlsInput,
) {
  const arns = certificates.map(({ certificateArn }) => certificateArn)
  if (protocol !== 'TLS') {
    demand(arns.length === 0, 'ValidationError', `Certificates cannot be specified for ${protocol} listeners`)
    demand(sslPolicy === undefined, 'ValidationError', `An SSL policy cannot be specified for ${protocol} listeners`)
    demand(alpnPolicy.length === 0, 'ALPNPolicyNotSupported', `ALPN is not supported by ${protocol} listeners`)
    return { certificates: arns, sslPolicy: undefined, alpnPolicy: [] }
  }
  demand(arns.length === 1, 'ValidationError', 'Exactly one certificate must be specified for TLS listeners')
  for (const arn of arns) checkCertificate(account, arn)
  const policy = sslPolicy ?? defaultSslPolicy
  demand(policy.startsWith('ELBSecurityPolicy-'), 'SSLPolicyNotFound', `SSL policy '${policy}' not found`)
  const alpnFits = alpnPolicy.length <= 1 && alpnPolicy.every((each) => alpnPolicies.includes(each))
  demand(alpnFits, 'ALPNPolicyNotSupported', `ALPN policy '${alpnPolicy.join(', ')}' is not supported`)
  return { certificates: arns, sslPolicy: policy, alpnPolicy: [...alpnPolicy] }
}

function checkCertificate({ certificates, region }: Account, arn: string): void {
  const isArn = arn.startsWith(`arn:aws:acm:${region}:`) || arn.startsWith('arn:aws:iam::')
  demand(isArn, 'ValidationError', `Certificate ARN '${arn}' is not valid`)
  demand(certificates?.has(arn) ?? true, 'CertificateNotFound', `Certificate '${arn}' not found`)
}

/** Refuses a target group that the listener cannot forward to. */
function checkForward(account: Account, { loadBalancerArn, protocol, ...groups }: ListenerState): void {
  for (const arn of groupsOf(groups)) checkGroup(account, { loadBalancerArn, protocol, targetGroupArn: arn })
}

function checkGroup(
  account: Account,
  { loadBalancerArn, protocol, targetGroupArn }: Pick<ListenerState, 'loadBalancerArn' | 'protocol' | 'targetGroupArn'>,
): void {
  const group = found(
    account.targetGroups.get(targetGroupArn),
    'TargetGroupNotFound',
    `Target group '${targetGroupArn}' not found`,
  )
  demand(
    fitting[protocol].includes(group.protocol),
    'IncompatibleProtocols',
    `A ${protocol} listener cannot forward to the ${group.protocol} target group '${targetGroupArn}'`,
  )
  const loadBalancer = account.loadBalancers.get(loadBalancerArn)
  demand(
    group.vpcId === loadBalancer?.vpcId,
    'InvalidConfigurationRequest',
    'The target group and the load balancer must be in the same VPC',
  )
  checkListener(loadBalancer, protocol, group.ipAddressType)
  const others = loadBalancersOf(account, targetGroupArn).filter((arn) => arn !== loadBalancerArn)
  demand(
    others.length === 0,
    'TargetGroupAssociationLimit',
    `The following target groups cannot be associated with more than one load balancer: ${targetGroupArn}`,
  )
  const already = loadBalancersOf(account, targetGroupArn).includes(loadBalancerArn)
  if (!already)
    checkRoom(
      account,
      loadBalancerArn,
      registered(account, targetGroupArn).map(({ id }) => id),
    )
}

function describe(state: ListenerState): Listener {
  const { arn, loadBalancerArn, port, protocol, certificates, sslPolicy, alpnPolicy, targetGroupArn, standby } = state
  const weighted = [{ targetGroupArn, weight: 1 }, ...standby.map((other) => ({ targetGroupArn: other, weight: 0 }))]
  return {
    listenerArn: arn,
    loadBalancerArn,
    port,
    protocol,
    certificates: certificates.map((certificateArn) => ({ certificateArn })),
    sslPolicy,
    alpnPolicy,
    defaultActions: [
      standby.length === 0
        ? { type: 'forward', targetGroupArn }
        : { type: 'forward', forwardConfig: { targetGroups: weighted } },
    ],
  }
}
