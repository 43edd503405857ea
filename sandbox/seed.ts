/** The objects a sandbox starts with: custom resource definitions, the class `local`, the API server's endpoints, cluster DNS. Pure but for reading YAML. */
import { crdTexts } from '../crds/texts.ts'
import type { EndpointSlice, KubeObject, Service } from '../kube/objects.ts'
import { dnsManifests } from './dns/manifests.ts'
import { readManifests } from './manifests.ts'
import { apiPort, apiServerAddress, bridgeAddress, dnsServiceAddress } from './nodes/topology.ts'

/** In the order they have to be applied. */
export async function seedObjects(): Promise<KubeObject[]> {
  const definitions = (await crdTexts()).flatMap((text, index) =>
    readManifests(text, `custom resource definition ${index + 1}`),
  )
  return [...definitions, localClass, apiServerService, apiServerSlice, ...dnsManifests({ address: dnsServiceAddress })]
}

/** `loadBalancerClass: roadstead.dev/local`; checks are quick because the sandbox is small. */
const localClass: KubeObject & { spec: unknown } = {
  apiVersion: 'roadstead.dev/v1alpha1',
  kind: 'LoadBalancerClass',
  metadata: { name: 'local' },
  spec: {
    clouds: [{ name: 'local' }],
    scheme: 'public',
    defaults: {
      healthCheck: { intervalSeconds: 1, timeoutSeconds: 1, healthyThreshold: 1, unhealthyThreshold: 2 },
      drainSeconds: 10,
    },
  },
}

/** Service default/kubernetes, at the first address of the range as on every cluster. */
const apiServerService: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'kubernetes', namespace: 'default', labels: { component: 'apiserver', provider: 'kubernetes' } },
  spec: {
    type: 'ClusterIP',
    clusterIP: apiServerAddress,
    ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: apiPort }],
  },
}

/** What the control plane writes for Service default/kubernetes: the relay in namespace cp. */
const apiServerSlice: EndpointSlice = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    name: 'kubernetes',
    namespace: 'default',
    labels: { 'kubernetes.io/service-name': 'kubernetes' },
  },
  addressType: 'IPv4',
  endpoints: [{ addresses: [bridgeAddress('cp', 'IPv4')], conditions: { ready: true } }],
  ports: [{ name: 'https', port: apiPort, protocol: 'TCP' }],
}
