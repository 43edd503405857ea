/** The parameters as attributes of AWS objects; those of the escape hatch go last. Pure. */
import type { LoadBalancerSpec } from '../contract.ts'
import type { AttributesByPort, Parameters } from './parameters.ts'
import type { PortGroup } from './port-groups.ts'
import type { Attributes } from './resources.ts'

export function loadBalancerAttributes(parameters: Parameters): Attributes {
  const { crossZone, accessLogs, deletionProtection } = parameters
  return {
    ...(crossZone === undefined ? {} : { 'load_balancing.cross_zone.enabled': String(crossZone) }),
    ...(accessLogs
      ? {
          'access_logs.s3.enabled': 'true',
          'access_logs.s3.bucket': accessLogs.bucket,
          'access_logs.s3.prefix': accessLogs.prefix,
        }
      : {}),
    ...(deletionProtection ? { 'deletion_protection.enabled': 'true' } : {}),
    ...parameters.loadBalancerAttributes,
  }
}

export function targetGroupAttributes(
  { affinity, drainSeconds }: LoadBalancerSpec,
  parameters: Parameters,
  group: PortGroup,
): Attributes {
  const { targetProtocol, proxyProtocol } = group
  // UDP targets always see the client's address; AWS refuses to change it.
  const settable = targetProtocol === 'TCP' || targetProtocol === 'TLS'
  const { preserveClientIp, deregistrationTermination } = parameters
  return {
    ...(drainSeconds === undefined ? {} : { 'deregistration_delay.timeout_seconds': String(drainSeconds) }),
    ...(deregistrationTermination === undefined
      ? {}
      : { 'deregistration_delay.connection_termination.enabled': String(deregistrationTermination) }),
    ...(preserveClientIp === undefined || !settable ? {} : { 'preserve_client_ip.enabled': String(preserveClientIp) }),
    ...(proxyProtocol ? { 'proxy_protocol_v2.enabled': 'true' } : {}),
    // AWS has no timeout for it; the node proxies keep the Service's.
    ...(affinity.kind === 'ClientIP' && targetProtocol !== 'TLS'
      ? { 'stickiness.enabled': 'true', 'stickiness.type': 'source_ip' }
      : {}),
    ...parameters.targetGroupAttributes,
    ...ofPort(parameters.targetGroupAttributesOf, group),
  }
}

export function listenerAttributes(
  { idleTimeoutSeconds, listenerAttributes: more, listenerAttributesOf }: Parameters,
  group: PortGroup,
): Attributes {
  // UDP flows and TLS connections have a fixed timeout, and only a TCP listener has attributes.
  if (group.protocol !== 'TCP') return {}
  return {
    ...(idleTimeoutSeconds === undefined ? {} : { 'tcp.idle_timeout.seconds': String(idleTimeoutSeconds) }),
    ...more,
    ...ofPort(listenerAttributesOf, group),
  }
}

/** Those of one port: by its number, or by the name of one of the Service's ports that share it. */
function ofPort(given: AttributesByPort = {}, { port, names }: PortGroup): Attributes {
  const named = names.map((name) => given[name] ?? {})
  return Object.assign({}, given[String(port)], ...named) as Attributes
}
