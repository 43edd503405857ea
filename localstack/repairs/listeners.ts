/**
 * Listeners as AWS has them: one per port (the same settings again: the same listener), TLS with a certificate, a protocol that fits the target group, a target group for one load
 * balancer only; ModifyListener changes protocol, certificates and ALPN as well. Certificates of listeners are kept here.
 */
import { refuse } from '../answer.ts'
import { type AwsCall, changed, strings, structures } from '../aws-call.ts'
import type { Layer, Next } from '../layer.ts'
import { element, itemsOf, leaf, printXml, put, removeChildren, textOf, type XmlElement } from '../xml.ts'
import { elbv2Answer, resultOf, rewritten } from './ask.ts'
import { forwardedTo } from './bookkeeping.ts'
import { putPage, wholeList } from './pages.ts'
import { listenersOf, type ListenerState, loadBalancersOf, type RepairContext } from './state.ts'

/** Which target groups a listener may forward to: user guide, Listeners for your Network Load Balancers. */
const fits: Readonly<Record<string, readonly string[]>> = {
  TCP: ['TCP', 'TCP_UDP'],
  TLS: ['TCP', 'TLS'],
  UDP: ['UDP', 'TCP_UDP'],
  TCP_UDP: ['TCP_UDP'],
}

export function listeners(context: RepairContext): Layer {
  const { state, settings } = context

  async function create(call: AwsCall, next: Next) {
    const { parameters } = call
    const balancer = parameters.get('LoadBalancerArn') ?? ''
    const port = Number(parameters.get('Port'))
    const protocol = parameters.get('Protocol') ?? ''
    const certificate = parameters.get('Certificates.member.1.CertificateArn')
    const others = listenersOf(state, balancer)
    if (!(port >= 1 && port <= 65535)) refuse('ValidationError', `Port '${port}' must be between 1 and 65535`)
    const same = others.find((listener) => listener.port === port)
    if (same !== undefined) {
      if (wantedText(call) !== settingsTextOf(same))
        refuse('DuplicateListener', 'A listener already exists on this port for this load balancer')
      const described = await describe({ ...call, action: 'DescribeListeners', parameters: byArn(same.arn) }, next)
      return { ...described, body: described.body.replaceAll('DescribeListeners', call.action) }
    }
    if (others.length >= settings().quotas.listenersPerLoadBalancer)
      refuse('TooManyListeners', 'The maximum number of listeners has been reached.')
    checkProtocol(protocol, forwardedTo(parameters), balancer)
    if (protocol === 'TLS') checkCertificate(certificate)
    else if (certificate !== undefined)
      refuse('ValidationError', `Certificates cannot be specified for ${protocol} listeners`)
    // Without its certificate: moto would want it in its own ACM.
    const answer = await next({ ...call, parameters: changed(parameters, ['Certificates']) })
    return rewritten(answer, (root) => {
      for (const item of itemsOf(resultOf(root), 'Listeners')) {
        const made = state.listeners.get(textOf(item, 'ListenerArn') ?? '')
        if (made !== undefined) made.defaultCertificate = certificate
        asAws(item)
      }
    })
  }

  function checkProtocol(protocol: string, groups: readonly string[], balancer: string): void {
    const allowed = fits[protocol]
    if (allowed === undefined)
      refuse('ValidationError', `Listener protocol '${protocol}' must be one of 'TCP, TLS, UDP, TCP_UDP'`)
    for (const arn of groups) {
      const group = state.targetGroups.get(arn)
      if (group === undefined) return refuse('TargetGroupNotFound', `Target group '${arn}' not found`)
      if (!allowed.includes(group.protocol))
        refuse(
          'IncompatibleProtocols',
          `The listener protocol '${protocol}' is not compatible with the target group protocol '${group.protocol}'`,
        )
      if (loadBalancersOf(state, arn).some((other) => other !== balancer))
        refuse(
          'TargetGroupAssociationLimit',
          `The following target groups cannot be associated with more than one load balancer: ${arn}`,
        )
    }
  }

  function checkCertificate(arn: string | undefined): void {
    if (arn === undefined) return refuse('ValidationError', 'A certificate must be specified for TLS listeners')
    if (!/^arn:aws[\w-]*:(acm|iam):/.test(arn)) refuse('ValidationError', `Certificate ARN '${arn}' is not valid`)
    if (settings().certificates?.includes(arn) === false)
      refuse('CertificateNotFound', `Certificate '${arn}' not found`)
  }

  function known(call: AwsCall): ListenerState {
    const listener = state.listeners.get(call.parameters.get('ListenerArn') ?? '')
    return listener ?? refuse('ListenerNotFound', 'One or more listeners not found')
  }

  async function modify(call: AwsCall, next: Next) {
    const listener = known(call)
    const { parameters } = call
    const protocol = parameters.get('Protocol') ?? listener.protocol
    const certificate = parameters.get('Certificates.member.1.CertificateArn') ?? listener.defaultCertificate
    const port = Number(parameters.get('Port') ?? listener.port)
    const taken = listenersOf(state, listener.loadBalancerArn).some(
      (other) => other !== listener && other.port === port,
    )
    if (taken) refuse('DuplicateListener', 'A listener already exists on this port for this load balancer')
    const groups = forwardedTo(parameters)
    checkProtocol(protocol, groups.length > 0 ? groups : listener.targetGroups, listener.loadBalancerArn)
    if (protocol === 'TLS') checkCertificate(certificate)
    const answer = await next({ ...call, parameters: changed(parameters, ['Protocol', 'Certificates', 'AlpnPolicy']) })
    if (answer.code !== undefined) return answer
    listener.protocol = protocol
    listener.sslPolicy = parameters.get('SslPolicy') ?? listener.sslPolicy
    if (protocol !== 'TLS') {
      listener.defaultCertificate = undefined
      listener.extraCertificates.clear()
      listener.alpnPolicy = []
    } else {
      listener.defaultCertificate = certificate
      const alpn = strings(parameters, 'AlpnPolicy.member')
      if (alpn.length > 0) listener.alpnPolicy = alpn
    }
    return rewritten(answer, (root) => {
      for (const item of itemsOf(resultOf(root), 'Listeners')) asAws(item)
    })
  }

  function asAws(item: XmlElement): void {
    const listener = state.listeners.get(textOf(item, 'ListenerArn') ?? '')
    if (listener === undefined) return
    put(item, leaf('Protocol', listener.protocol))
    removeChildren(item, 'SslPolicy', 'Certificates', 'AlpnPolicy')
    if (listener.protocol !== 'TLS') return
    put(item, leaf('SslPolicy', listener.sslPolicy ?? 'ELBSecurityPolicy-2016-08'))
    const certificate = element('member', [leaf('CertificateArn', listener.defaultCertificate ?? '')])
    put(item, element('Certificates', [certificate]))
    put(
      item,
      element(
        'AlpnPolicy',
        (listener.alpnPolicy.length > 0 ? listener.alpnPolicy : ['None']).map((name) => leaf('member', name)),
      ),
    )
  }

  async function describe(call: AwsCall, next: Next) {
    const arns = strings(call.parameters, 'ListenerArns.member')
    const { root, items } = await wholeList(call, next, 'Listeners')
    if (arns.some((arn) => !items.some((item) => textOf(item, 'ListenerArn') === arn)))
      refuse('ListenerNotFound', 'One or more listeners not found')
    for (const item of items) asAws(item)
    putPage(call, root, 'Listeners', items, 'ListenerArn')
    return { status: 200, body: printXml(root) }
  }

  function addCertificates(call: AwsCall) {
    const listener = known(call)
    const added = certificateArns(call)
    if (listener.protocol !== 'TLS') refuse('ValidationError', 'Only TLS listeners have certificates')
    for (const arn of added) checkCertificate(arn)
    const all = new Set(listenersOf(state, listener.loadBalancerArn).flatMap((other) => [...other.extraCertificates]))
    for (const arn of added) all.add(arn)
    if (all.size > settings().quotas.certificatesPerLoadBalancer)
      refuse('TooManyCertificates', 'The maximum number of certificates has been reached.')
    for (const arn of added) listener.extraCertificates.add(arn)
    return elbv2Answer(call, [
      element(
        'Certificates',
        added.map((arn) => element('member', [leaf('CertificateArn', arn)])),
      ),
    ])
  }

  function removeCertificates(call: AwsCall) {
    const listener = known(call)
    for (const arn of certificateArns(call)) listener.extraCertificates.delete(arn)
    return elbv2Answer(call)
  }

  function describeCertificates(call: AwsCall) {
    const { defaultCertificate, extraCertificates } = known(call)
    const certificates = [
      ...(defaultCertificate === undefined ? [] : [certificateElement(defaultCertificate, true)]),
      ...[...extraCertificates].map((arn) => certificateElement(arn, false)),
    ]
    return elbv2Answer(call, [element('Certificates', certificates)])
  }

  return async (call, next) => {
    switch (call.action) {
      case 'CreateListener':
        return await context.exclusive(`listeners ${call.parameters.get('LoadBalancerArn')}`, () => create(call, next))
      case 'ModifyListener':
        return await modify(call, next)
      case 'DescribeListeners':
        return await describe(call, next)
      case 'AddListenerCertificates':
        return addCertificates(call)
      case 'RemoveListenerCertificates':
        return removeCertificates(call)
      case 'DescribeListenerCertificates':
        return describeCertificates(call)
      default:
        return await next(call)
    }
  }
}

const byArn = (arn: string) =>
  new Map([
    ['Action', 'DescribeListeners'],
    ['Version', '2015-12-01'],
    ['ListenerArns.member.1', arn],
  ])

/** Equal texts: equal settings, so that creating again gives the same listener (API reference, CreateListener). */
function wantedText({ parameters }: AwsCall): string {
  return JSON.stringify([
    parameters.get('Protocol'),
    forwardedTo(parameters),
    parameters.get('SslPolicy') ?? '',
    strings(parameters, 'AlpnPolicy.member'),
    parameters.get('Certificates.member.1.CertificateArn') ?? '',
  ])
}

function settingsTextOf(listener: ListenerState): string {
  const { protocol, targetGroups, sslPolicy = '', alpnPolicy, defaultCertificate = '' } = listener
  return JSON.stringify([protocol, targetGroups, sslPolicy, alpnPolicy, defaultCertificate])
}

const certificateArns = ({ parameters }: AwsCall) =>
  structures(parameters, 'Certificates.member').map((certificate) => certificate.get('CertificateArn') ?? '')

function certificateElement(arn: string, isDefault: boolean): XmlElement {
  return element('member', [leaf('CertificateArn', arn), leaf('IsDefault', isDefault)])
}
