/**
 * The sandbox's network as data: names, addresses, and the `ip` lines that make it. Nothing here runs anything (network.ts does).
 *
 *   client ---- lb ----+----- router ----+---- cp            the bridge 172.18.0.0/24, fd00:18::/64
 *                      |       (br0)     |
 *                   node-1    node-2   node-3 ...
 *                   |    |      |
 *                  pod  pod    pod                           10.244.<i>.0/24, fd00:244:0:<i>::/64
 *
 * Every reply to the client crosses lb: the router reaches 198.51.100.0/24 only through it.
 */
import { forwardingSysctls } from './sysctls.ts'

export type Family = 'IPv4' | 'IPv6'
export type Addresses = Readonly<Partial<Record<Family, string>>>

export const clusterCidrs: Record<Family, string> = { IPv4: '10.244.0.0/16', IPv6: 'fd00:244::/48' }
export const serviceCidrs: Record<Family, string> = { IPv4: '10.96.0.0/16', IPv6: 'fd00:96::/112' }
export const loadBalancerPools: Record<Family, string> = { IPv4: '203.0.113.0/24', IPv6: '2001:db8:113::/64' }
export const dnsServiceAddress = '10.96.0.10'
/** Of Service default/kubernetes. */
export const apiServerAddress = '10.96.0.1'
export const apiPort = 6443
/** Node numbers fit the bridge's addresses below the load balancer's. */
export const maxNodes = 200

const outside: Record<Family, string> = { IPv4: '198.51.100.0/24', IPv6: '2001:db8:64::/64' }
const bridgeHosts = { router: '1', lb: '250', cp: '254' }
const outsideHosts = { lb: '1', client: '10' }
const zones = ['sandbox-a', 'sandbox-b', 'sandbox-c']
const bits: Record<Family, number> = { IPv4: 32, IPv6: 128 }

export interface WorldSpec {
  instance: string
  nodes: number
  /** Primary first. */
  families: readonly Family[]
}

export interface NodePlace {
  /** Name of the Node object and role of its namespace: `node-<index>`. */
  name: string
  index: number
  namespace: string
  addresses: Addresses
  podCidrs: readonly string[]
  /** What Pods use as their gateway, and what a Pod sees as the node's address. */
  gateways: Addresses
  zone: string
}

export interface PodPlace {
  namespace: string
  node: string
  /** Interface of the Pod in the node's namespace. */
  link: string
  addresses: Addresses
}

/** One `ip -batch` run in one namespace. */
export interface IpStep {
  namespace: string
  lines: readonly string[]
}

/** A change of the network: namespaces to make, their sysctls, what makes links (both ends come up with it), then everything else in any order. */
export interface NetworkChange {
  namespaces: readonly string[]
  sysctls: Readonly<Record<string, Readonly<Record<string, string>>>>
  links: readonly IpStep[]
  settings: readonly IpStep[]
  /** Interfaces that have to be in operation before anybody sends: by namespace. */
  carriers: Readonly<Record<string, readonly string[]>>
}

type Role = 'router' | 'client' | 'lb' | 'cp'

/** `rs-<instance>-<role>`. */
export function namespaceOf(instance: string, role: string): string {
  return `rs-${instance}-${role}`
}

/** Address of a role on the bridge (`lb`, `cp`, `router`). */
export function bridgeAddress(role: keyof typeof bridgeHosts, family: Family): string {
  return onBridge(family, bridgeHosts[role])
}

/** Address of the client or of lb's side towards it. */
export function outsideAddress(role: keyof typeof outsideHosts, family: Family): string {
  return family === 'IPv4' ? `198.51.100.${outsideHosts[role]}` : `2001:db8:64::${outsideHosts[role]}`
}

export function nodePlace(spec: Omit<WorldSpec, 'nodes'>, index: number): NodePlace {
  if (!Number.isInteger(index) || index < 1 || index > maxNodes)
    throw new RangeError(`node number ${index}: 1 to ${maxNodes}`)
  const name = `node-${index}`
  return {
    name,
    index,
    namespace: namespaceOf(spec.instance, name),
    addresses: byFamily(spec.families, (family) => onBridge(family, bridgeHost(index))),
    podCidrs: spec.families.map((family) => podCidr(family, index)),
    gateways: byFamily(spec.families, (family) => podAddress(family, index, 1)),
    zone: zones[(index - 1) % zones.length] ?? '',
  }
}

/** `hash`: 10 hex digits, unique in the instance. `host`: 2 to 254, unique on the node. */
export function podPlace(spec: Omit<WorldSpec, 'nodes'>, node: NodePlace, hash: string, host: number): PodPlace {
  return {
    namespace: namespaceOf(spec.instance, `pod-${hash}`),
    node: node.name,
    link: `p${hash}`,
    addresses: byFamily(spec.families, (family) => podAddress(family, node.index, host)),
  }
}

/** Everything but nodes and Pods. */
export function worldChange(spec: Omit<WorldSpec, 'nodes'>): NetworkChange {
  const at = (role: Role) => namespaceOf(spec.instance, role)
  const each = (lines: (family: Family) => readonly string[]) => spec.families.flatMap(lines)
  return {
    namespaces: [at('router'), at('lb'), at('cp'), at('client')],
    sysctls: { [at('router')]: forwardingSysctls, [at('lb')]: forwardingSysctls, [at('cp')]: {}, [at('client')]: {} },
    links: [
      {
        namespace: at('router'),
        // A bridge without an address of its own takes the lowest of its ports': it would change, and all neighbours be wrong, whenever
        // a node joins or leaves. Without snooping, neighbour solicitations reach every port whatever the bridge has learned.
        lines: [
          `link add br0 address ${bridgeMac(bridgeHosts.router)} type bridge mcast_snooping 0`,
          ...bridgePort('lb', at('lb'), bridgeHosts.lb),
          ...bridgePort('cp', at('cp'), bridgeHosts.cp),
        ],
      },
      { namespace: at('lb'), lines: [`link add client type veth peer name eth0 netns ${at('client')}`] },
    ],
    settings: [
      {
        namespace: at('router'),
        lines: [
          'link set br0 up',
          ...each((family) => [
            address(family, bridgeAddress('router', family), bridgePrefix(family), 'br0'),
            `route add ${outside[family]} via ${bridgeAddress('lb', family)}`,
            `route add ${loadBalancerPools[family]} via ${bridgeAddress('lb', family)}`,
          ]),
        ],
      },
      {
        namespace: at('lb'),
        lines: [
          'link set eth0 up',
          'link set client up',
          ...each((family) => [
            address(family, bridgeAddress('lb', family), bridgePrefix(family), 'eth0'),
            address(family, outsideAddress('lb', family), prefixOf(outside[family]), 'client'),
            `route add default via ${bridgeAddress('router', family)}`,
            // What no rule of the balancer translates or forwards is nobody's address.
            `route add unreachable ${loadBalancerPools[family]}`,
          ]),
        ],
      },
      {
        namespace: at('cp'),
        lines: [
          'link set eth0 up',
          ...each((family) => [
            address(family, bridgeAddress('cp', family), bridgePrefix(family), 'eth0'),
            `route add default via ${bridgeAddress('router', family)}`,
          ]),
        ],
      },
      {
        namespace: at('client'),
        lines: [
          'link set eth0 up',
          ...each((family) => [
            address(family, outsideAddress('client', family), prefixOf(outside[family]), 'eth0'),
            `route add default via ${outsideAddress('lb', family)}`,
          ]),
        ],
      },
    ],
    carriers: {
      [at('router')]: ['lb', 'cp'],
      [at('lb')]: ['eth0', 'client'],
      [at('cp')]: ['eth0'],
      [at('client')]: ['eth0'],
    },
  }
}

/** A node joins: its namespace, its port on the bridge, the router's routes to its Pods. */
export function nodeChange(spec: Omit<WorldSpec, 'nodes'>, node: NodePlace): NetworkChange {
  const router = namespaceOf(spec.instance, 'router')
  return {
    namespaces: [node.namespace],
    sysctls: { [node.namespace]: forwardingSysctls },
    links: [{ namespace: router, lines: bridgePort(node.name, node.namespace, bridgeHost(node.index)) }],
    settings: [
      {
        namespace: node.namespace,
        lines: [
          'link set eth0 up',
          ...families(node.addresses).flatMap(([family, own]) => [
            address(family, own, bridgePrefix(family), 'eth0'),
            `route add default via ${bridgeAddress('router', family)}`,
          ]),
        ],
      },
      {
        namespace: router,
        lines: families(node.addresses).map(
          ([family, via]) => `route replace ${podCidr(family, node.index)} via ${via}`,
        ),
      },
    ],
    carriers: { [router]: [node.name], [node.namespace]: ['eth0'] },
  }
}

/** The router forgets a node; its namespace is deleted after this. */
export function nodeRemoval(spec: Omit<WorldSpec, 'nodes'>, node: NodePlace): IpStep {
  const routes = families(node.addresses).map(([family]) => `route del ${podCidr(family, node.index)}`)
  return { namespace: namespaceOf(spec.instance, 'router'), lines: [...routes, `link del ${node.name}`] }
}

/**
 * A Pod starts: a point-to-point link to its node, as the CNI plugin `ptp` makes it. The gateway address stands on every Pod's link,
 * so neighbours answer without proxying and masqueraded traffic has a source that belongs to the node.
 */
export function podChange(node: NodePlace, pod: PodPlace): NetworkChange {
  const hosts = families(pod.addresses)
  const gateway = (family: Family) => node.gateways[family] ?? ''
  return {
    namespaces: [pod.namespace],
    sysctls: { [pod.namespace]: {} },
    links: [
      {
        namespace: node.namespace,
        lines: [
          `link add ${pod.link} type veth peer name eth0 netns ${pod.namespace}`,
          `link set ${pod.link} up`,
          ...hosts.flatMap(([family, own]) => [
            address(family, gateway(family), bits[family], pod.link),
            `route replace ${own}/${bits[family]} dev ${pod.link}`,
          ]),
        ],
      },
    ],
    settings: [
      {
        namespace: pod.namespace,
        lines: [
          'link set eth0 up',
          ...hosts.flatMap(([family, own]) => [
            address(family, own, bits[family], 'eth0'),
            `route add ${gateway(family)}/${bits[family]} dev eth0`,
            `route add default via ${gateway(family)} dev eth0`,
          ]),
        ],
      },
    ],
    carriers: { [pod.namespace]: ['eth0'], [node.namespace]: [pod.link] },
  }
}

/** The node forgets a Pod: its link, and with it the routes and the other end. */
export function podRemoval(node: NodePlace, pod: PodPlace): IpStep {
  return { namespace: node.namespace, lines: [`link del ${pod.link}`] }
}

/** Hardware addresses are fixed: a node that comes back under its old IP address is the neighbour that the others remember. */
function bridgePort(port: string, namespace: string, host: string): string[] {
  return [
    `link add ${port} type veth peer name eth0 address ${bridgeMac(host)} netns ${namespace}`,
    `link set ${port} master br0`,
    `link set ${port} up`,
  ]
}

/** Locally administered, from the last number of the IPv4 address. */
function bridgeMac(host: string): string {
  return `02:00:ac:12:00:${Number(host).toString(16).padStart(2, '0')}`
}

function bridgeHost(node: number): string {
  return `${10 + node}`
}

function onBridge(family: Family, host: string): string {
  return family === 'IPv4' ? `172.18.0.${host}` : `fd00:18::${host}`
}

function podCidr(family: Family, node: number): string {
  return family === 'IPv4' ? `10.244.${node}.0/24` : `fd00:244:0:${node}::/64`
}

/** IPv6 groups hold the decimal digits of the IPv4 part, so that both addresses of a Pod read alike. */
function podAddress(family: Family, node: number, host: number): string {
  return family === 'IPv4' ? `10.244.${node}.${host}` : `fd00:244:0:${node}::${host}`
}

function bridgePrefix(family: Family): number {
  return family === 'IPv4' ? 24 : 64
}

function prefixOf(cidr: string): number {
  return Number(cidr.split('/')[1])
}

function address(family: Family, own: string, prefix: number, device: string): string {
  return `addr add ${own}/${prefix} dev ${device}${family === 'IPv6' ? ' nodad' : ''}`
}

function byFamily(families: readonly Family[], value: (family: Family) => string): Addresses {
  return Object.fromEntries(families.map((family) => [family, value(family)]))
}

/** In the order of the spec: primary first. */
export function families(addresses: Addresses): [Family, string][] {
  return (Object.keys(addresses) as Family[]).flatMap((family) => {
    const own = addresses[family]
    return own === undefined ? [] : [[family, own] as [Family, string]]
  })
}
