/**
 * The objects of the proxy benchmark, as large as real ones (labels, the last applied configuration, Pod references, zones): Services with
 * three endpoints in a slice each. Every endpoint's address answers on port 8080 (world.ts), so each Service can be connected to. Pure.
 */
import type { EndpointSlice, Service } from '../../kube/objects.ts'

export const servicePort = 80
export const targetPort = 8080
export const udpPort = 53
const endpointsEach = 3
/** Every twentieth has a node port as well. */
const nodePortEvery = 20
/** Network of all endpoints: 10.128.0.0 to 10.191.255.255. */
export const endpointNetwork = '10.128.0.0/10'

export function serviceName(index: number): string {
  return `service-${String(index).padStart(5, '0')}`
}

/** `generation` 0 is what a Service begins with; others are free addresses for changes. */
export function endpointAddress(index: number, at: number, generation = 0): string {
  const number = index * endpointsEach + at
  return `10.${128 + (generation % 64)}.${number >> 8}.${number & 255}`
}

/** A Service that flows are kept through also has a UDP port. */
export function service(index: number, withUdp = false): Service {
  const app = `app-${index}`
  const spec: Service['spec'] = {
    type: index % nodePortEvery === 1 ? 'NodePort' : 'ClusterIP',
    selector: { app },
    ports: [
      { name: 'http', protocol: 'TCP', port: servicePort, targetPort },
      ...(withUdp ? [{ name: 'dns', protocol: 'UDP' as const, port: udpPort, targetPort }] : []),
    ],
  }
  const name = serviceName(index)
  const applied = JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name, labels: { app } }, spec })
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name,
      namespace: 'default',
      labels: { app, 'app.kubernetes.io/managed-by': 'bench', team: `team-${index % 40}` },
      annotations: { 'kubectl.kubernetes.io/last-applied-configuration': applied },
    },
    spec,
  }
}

/** @param generations of each endpoint's address */
export function slice(index: number, withUdp = false, generations: readonly number[] = []): EndpointSlice {
  const app = `app-${index}`
  const name = serviceName(index)
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-x7k2p`,
      namespace: 'default',
      labels: {
        app,
        'app.kubernetes.io/managed-by': 'bench',
        'kubernetes.io/service-name': name,
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      },
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:00Z' },
      ownerReferences: [
        { apiVersion: 'v1', kind: 'Service', name, uid: uid(index), controller: true, blockOwnerDeletion: true },
      ],
    },
    addressType: 'IPv4',
    endpoints: endpoints(index, generations),
    ports: [
      { name: 'http', protocol: 'TCP', port: targetPort },
      ...(withUdp ? [{ name: 'dns', protocol: 'UDP' as const, port: targetPort }] : []),
    ],
  }
}

export function endpoints(index: number, generations: readonly number[] = []): EndpointSlice['endpoints'] {
  return Array.from({ length: endpointsEach }, (_, at) => ({
    addresses: [endpointAddress(index, at, generations[at] ?? 0)],
    conditions: { ready: true, serving: true, terminating: false },
    nodeName: `node-${(index * endpointsEach + at) % 500}`,
    zone: `zone-${at}`,
    targetRef: {
      kind: 'Pod',
      namespace: 'default',
      name: `app-${index}-7d9f8c6b5d-${at}`,
      uid: uid(index * endpointsEach + at),
    },
  }))
}

function uid(number: number): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`
}
