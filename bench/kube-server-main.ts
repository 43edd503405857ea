/**
 * The server's half of the kube benchmark: an API server on a free loopback port, filled with objects as large as real ones
 * (managed fields, the last applied configuration, image lists, conditions). Sends its URL to its parent and serves until killed.
 */
import { startApiServer } from '../sandbox/apiserver/server.ts'
import { inProcessClient } from '../sandbox/apiserver/in-process-client.ts'
import type { EndpointSlice, KubeObject, Node, Service } from '../kube/objects.ts'
import { endpointSlices, nodes, resourceType, services } from '../kube/resources.ts'
import { parse } from 'yaml'
import { crdTexts } from '../crds/texts.ts'
import { sizes } from './kube-sizes.ts'

const server = await startApiServer({
  listen: [{ host: '127.0.0.1', port: 0 }],
  serviceClusterIpRanges: ['10.96.0.0/16'],
})
const client = inProcessClient(server.api, 'bench')
const definitions = resourceType(
  'apiextensions.k8s.io/v1',
  'CustomResourceDefinition',
  'customresourcedefinitions',
  false,
)
for (const text of await crdTexts()) await client.create(definitions, parse(text))
for (let i = 0; i < sizes.nodes; i += 1) {
  const made = await client.create(nodes, node(i))
  await client.replace(nodes, { ...made, ...nodeStatus(i) }, { subresource: 'status' })
}
for (let i = 0; i < sizes.services; i += 1) await client.create(services, service(i))
for (let i = 0; i < sizes.endpointSlices; i += 1) await client.create(endpointSlices, slice(i))
process.send?.({ url: server.url })

function service(i: number): Service {
  const app = `app-${i}`
  const spec = {
    type: 'ClusterIP' as const,
    selector: { app },
    ports: [
      { name: 'http', protocol: 'TCP' as const, port: 80, targetPort: 8080 },
      { name: 'https', protocol: 'TCP' as const, port: 443, targetPort: 8443 },
    ],
  }
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...meta(`service-${i}`, app, spec), namespace: 'default' },
    spec,
  }
}

function slice(i: number): EndpointSlice {
  const app = `app-${i}`
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      ...meta(`service-${i}-x7k2p`, app, {}),
      namespace: 'default',
      labels: {
        app,
        'kubernetes.io/service-name': `service-${i}`,
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name: `service-${i}`, uid: uid(i), controller: true }],
    },
    addressType: 'IPv4',
    endpoints: [0, 1, 2].map((at) => ({
      addresses: [`10.${64 + ((i >> 8) & 63)}.${i & 255}.${10 + at}`],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-${(i * 3 + at) % sizes.nodes}`,
      zone: `zone-${at}`,
      targetRef: { kind: 'Pod', namespace: 'default', name: `${app}-7d9f8c6b5d-${at}`, uid: uid(i * 3 + at) },
    })),
    ports: [
      { name: 'http', protocol: 'TCP', port: 8080 },
      { name: 'https', protocol: 'TCP', port: 8443 },
    ],
  }
}

function node(i: number): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      ...meta(`node-${i}`, 'node', {}),
      labels: {
        'kubernetes.io/hostname': `node-${i}`,
        'kubernetes.io/arch': 'amd64',
        'kubernetes.io/os': 'linux',
        'node.kubernetes.io/instance-type': 'm6i.2xlarge',
        'topology.kubernetes.io/region': 'eu-central-1',
        'topology.kubernetes.io/zone': `eu-central-1${'abc'[i % 3]}`,
      },
    },
    spec: { providerID: `roadstead-local://bench/node-${i}`, podCIDR: `10.${i >> 8}.${i & 255}.0/24` },
  }
}

/** About what a kubelet reports: five conditions and fifty images. */
function nodeStatus(i: number): Pick<Node, 'status'> {
  const now = '2026-01-01T00:00:00Z'
  const condition = (type: string, status: 'True' | 'False') => ({
    type,
    status,
    reason: `Kubelet${type}`,
    message: `kubelet reports on ${type}, which is as it should be`,
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  })
  const images = Array.from({ length: 50 }, (_, at) => ({
    names: [
      `registry.example/team/image-${at}@sha256:${'0123456789abcdef'.repeat(4)}`,
      `registry.example/team/image-${at}:v1.${at}`,
    ],
    sizeBytes: 10_000_000 + at,
  }))
  const status = {
    addresses: [
      { type: 'InternalIP' as const, address: `172.${16 + (i >> 8)}.${i & 255}.10` },
      { type: 'Hostname' as const, address: `node-${i}` },
    ],
    conditions: [
      condition('Ready', 'True'),
      ...['MemoryPressure', 'DiskPressure', 'PIDPressure', 'NetworkUnavailable'].map((type) =>
        condition(type, 'False'),
      ),
    ],
    nodeInfo: { kubeletVersion: 'v1.36.0', osImage: 'Debian GNU/Linux 12', architecture: 'amd64' },
    images,
  }
  return { status }
}

function meta(name: string, app: string, spec: object): KubeObject['metadata'] & { name: string } {
  const applied = JSON.stringify({ apiVersion: 'v1', metadata: { name, labels: { app } }, spec })
  return {
    name,
    labels: { app, 'app.kubernetes.io/managed-by': 'bench' },
    annotations: { 'kubectl.kubernetes.io/last-applied-configuration': applied },
  }
}

function uid(i: number): string {
  return `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`
}
