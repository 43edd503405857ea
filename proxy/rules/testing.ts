/** For tests of the rules: builders for objects. */
import type { EndpointConditions, EndpointSlice, Service } from '../../kube/objects.ts'
import type { NodeFacts } from './rules.ts'
import type { ObjectView } from './ruleset.ts'

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

/** Services and the one slice of each, by key, and how the rules see them. */
export function objectsInMemory() {
  const services = new Map<string, Service>()
  const slices = new Map<string, EndpointSlice>()
  const view: ObjectView = {
    serviceKeys: () => services.keys(),
    service: (key) => services.get(key),
    slices: (key) => [slices.get(key) ?? []].flat(),
  }
  return { services, slices, view }
}
