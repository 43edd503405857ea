/**
 * For tests of the rules: builders for objects, and a packet that walks through a set of elements the way skeleton.ts sends it,
 * written from the skeleton's rules and not from rules.ts. Every possible choice of endpoint is followed.
 */
import type { EndpointConditions, EndpointSlice, Service } from '../kube/objects.ts'
import type { Family } from './addresses.ts'
import { type ElementSet, elementId, type MapName } from './elements.ts'
import type { NodeFacts } from './rules.ts'

export const node: NodeFacts = {
  nodeName: 'n1',
  zone: undefined,
  addresses: [{ family: 'ip', text: '172.18.0.11' }],
  nodePortAddresses: [{ family: 'ip', text: '172.18.0.11' }],
  externalIps: false,
  pods: [],
  serviceCidrs: [],
}

export const here = 'n1'
export const there = 'n2'

export const states = {
  ready: { ready: true, serving: true, terminating: false },
  leaving: { ready: false, serving: true, terminating: true },
  gone: { ready: false, serving: false, terminating: true },
  starting: { ready: false, serving: false, terminating: false },
} satisfies Record<string, EndpointConditions>

export function service(spec: Partial<Service['spec']> = {}, name = 'web'): Service {
  return {
    metadata: { namespace: 'default', name, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1'], ports: [{ port: 80, protocol: 'TCP' }], ...spec },
  }
}

export interface EndpointSpec {
  ip: string
  on?: string
  conditions?: EndpointConditions
}

export function slice(
  endpoints: readonly EndpointSpec[],
  more: Partial<EndpointSlice> = {},
  of = 'web',
): EndpointSlice {
  return {
    metadata: { namespace: 'default', name: `${of}-1`, labels: { 'kubernetes.io/service-name': of } },
    addressType: 'IPv4',
    ports: [{ name: '', protocol: 'TCP', port: 8080 }],
    endpoints: endpoints.map(({ ip, on, conditions }) => ({
      addresses: [ip],
      ...(on && { nodeName: on }),
      ...(conditions && { conditions }),
    })),
    ...more,
  }
}

export interface Packet {
  from: 'pod' | 'node' | 'outside'
  source: string
  to: string
  protocol?: 'tcp' | 'udp' | 'sctp'
  port: number
}

export interface Fate {
  verdict: 'forward' | 'reject' | 'drop' | 'pass'
  targets: string[]
  masquerade: boolean
}

const clusterIpMap = 'cluster-ips'

export function walk(elements: ElementSet, packet: Packet): Fate {
  const family: Family = packet.to.includes(':') ? 'ip6' : 'ip'
  const frontend = `${packet.to} . ${packet.protocol ?? 'tcp'} . ${packet.port}`
  const look = (map: MapName, key: string) => elements.get(elementId(family, map, key))
  const end = (verdict: Fate['verdict'], targets: string[] = [], masquerade = false): Fate => ({
    verdict,
    targets,
    masquerade,
  })

  if (look('fw-vips', frontend) !== undefined && !allowed(elements, family, frontend, packet.source)) return end('drop')
  if (look('no-ep', frontend) === 'goto reject-it') return end('reject')
  const masquerade =
    look('masq', frontend) !== undefined ||
    (packet.from !== 'pod' && look(clusterIpMap, packet.to) !== undefined) ||
    (packet.from === 'node' && look('local-vips', frontend) !== undefined)
  const external = packet.from === 'outside' ? look('svc-local', frontend) : undefined
  const verdict = external ?? look('svc', frontend)
  if (verdict === undefined) return end(look(clusterIpMap, packet.to) === undefined ? 'pass' : 'reject')
  if (verdict === 'drop') return end('drop')
  const [, letter = '', count = '0'] = /^goto ([nl])(\d+)$/.exec(verdict) ?? []
  const map: MapName = letter === 'n' ? 'ep' : 'ep-local'
  const targets = Array.from({ length: Number(count) }, (_, slot) => {
    const target = look(map, `${frontend} . ${slot}`)
    if (target === undefined) throw new Error(`${frontend}: slot ${slot} of ${verdict} is empty`)
    return target
  })
  return end('forward', targets.sort(), masquerade)
}

/** Only whole addresses and IPv4 /8, /16, /24 ranges, which is all the tests use. */
function allowed(elements: ElementSet, family: Family, frontend: string, source: string): boolean {
  const octets = source.split('.')
  const ranges = [8, 16, 24].map((prefix) => {
    const kept = prefix / 8
    return `${octets.map((octet, index) => (index < kept ? octet : '0')).join('.')}/${prefix}`
  })
  return [source, ...ranges].some((range) => elements.has(elementId(family, 'fw-allow', `${frontend} . ${range}`)))
}
