/** The Service's ports as listeners: one per port number, since a Network Load Balancer has one listener for it whatever the protocol. Pure. */
import type { LoadBalancerPort, Reason } from '../contract.ts'
import { chosen } from './parameters.ts'
import type { Parameters } from './parameters.ts'
import type { ListenerProtocol } from './resources.ts'

/** https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-limits.html; cannot be raised. */
export const listenersPerLoadBalancer = 50

export interface PortGroup {
  port: number
  /** Of the Service's ports that share it; '' for none. */
  names: readonly string[]
  nodePort: number
  /** Of the listener. */
  protocol: ListenerProtocol
  /** Of the target group. */
  targetProtocol: ListenerProtocol
  proxyProtocol: boolean
}

export function portGroups(
  ports: readonly LoadBalancerPort[],
  parameters: Parameters,
): { groups: PortGroup[]; reasons: Reason[] } {
  const reasons: Reason[] = []
  const groups: PortGroup[] = []
  const numbers = [...new Set(ports.map(({ port }) => port))].sort((a, b) => a - b)
  for (const number of numbers) {
    const own = ports.filter(({ port }) => port === number)
    const refused = own.flatMap((port) => portReasons(port))
    const [first] = own
    if (refused.length > 0 || first === undefined) {
      reasons.push(...refused)
      continue
    }
    const other = own.find(({ nodePort }) => nodePort !== first.nodePort)
    if (other !== undefined) {
      // Both protocols of a TCP_UDP listener go to one target group, which needs the protocol TCP_UDP: each target has one port.
      // https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-listeners.html
      const path = `/spec/ports/${ports.indexOf(other)}/nodePort`
      const patch = JSON.stringify([{ op: 'replace', path, value: first.nodePort }])
      const message = `port ${number}: AWS has one listener for TCP and UDP of a number and sends both to one port of the nodes, but they have the node ports ${first.nodePort} and ${other.nodePort}. Kubernetes lets them share one: kubectl patch service NAME --type=json -p '${patch}'`
      reasons.push({ reason: 'NodePortsDiffer', message, port: { port: number, protocol: other.protocol } })
      continue
    }
    const tls = endsTls(own, parameters)
    if (tls && own.length > 1) {
      const message = `port ${number}: a listener that ends TLS cannot carry UDP too; take the port out of roadstead.dev/tls-ports or use another number`
      reasons.push({ reason: 'UnsupportedProtocol', message, port: { port: number, protocol: 'UDP' } })
      continue
    }
    const plain = own.length > 1 ? 'TCP_UDP' : first.protocol === 'UDP' ? 'UDP' : 'TCP'
    groups.push({
      port: number,
      names: own.map(({ name }) => name),
      nodePort: first.nodePort,
      protocol: tls ? 'TLS' : plain,
      targetProtocol: tls && own.some((one) => chosen(parameters.tlsBackend, one)) ? 'TLS' : plain,
      proxyProtocol: own.some((one) => chosen(parameters.proxyProtocol, one)),
    })
  }
  if (numbers.length > listenersPerLoadBalancer) {
    const message = `${numbers.length} ports; a Network Load Balancer has at most ${listenersPerLoadBalancer} listeners`
    reasons.push({ reason: 'TooManyPorts', message })
  }
  return { groups, reasons: [...reasons, ...unknownPorts(ports, parameters)] }
}

function portReasons({ port, protocol, nodePort }: LoadBalancerPort): Reason[] {
  if (protocol === 'SCTP') {
    const message = `port ${port}: Network Load Balancers forward TCP and UDP, not SCTP; remove the port from the Service`
    return [{ reason: 'UnsupportedProtocol', message, port: { port, protocol } }]
  }
  if (nodePort === 0) {
    const message = `port ${port} has no node port, which instance targets need; set allocateLoadBalancerNodePorts to true or make a NodePortPool for the Service`
    return [{ reason: 'NodePortRequired', message, port: { port, protocol } }]
  }
  return []
}

/** With certificates all TCP ports, unless `tls-ports` says which. */
function endsTls(own: readonly LoadBalancerPort[], { certificates, tlsPorts }: Parameters): boolean {
  if (certificates === undefined) return false
  if (tlsPorts === undefined) return own.every(({ protocol }) => protocol === 'TCP')
  return own.some((one) => one.protocol === 'TCP' && chosen(tlsPorts, one))
}

/** A typing mistake in a list of ports must not quietly leave a port without TLS. */
function unknownPorts(
  ports: readonly LoadBalancerPort[],
  { tlsPorts, tlsBackend, proxyProtocol, targetGroupAttributesOf, listenerAttributesOf }: Parameters,
): Reason[] {
  const known = new Set(ports.flatMap(({ port, name }) => [String(port), name]))
  const choices = {
    'tls-ports': tlsPorts,
    'tls-backend': tlsBackend,
    'proxy-protocol': proxyProtocol,
    'target-group-attributes': Object.keys(targetGroupAttributesOf ?? {}),
    'listener-attributes': Object.keys(listenerAttributesOf ?? {}),
  }
  return Object.entries(choices).flatMap(([key, choice = 'all']) =>
    (choice === 'all' ? [] : choice)
      .filter((text) => !known.has(text))
      .map((text) => ({
        reason: 'InvalidParameter',
        message: `${key} names ${text}, which is no port of the Service`,
      })),
  )
}
