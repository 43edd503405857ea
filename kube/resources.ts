/**
 * Resource types by name: which REST path an object of a kind lives under.
 * A ResourceType carries the object's TypeScript type, so a client call knows what it returns.
 */
import type {
  ConfigMap,
  Deployment,
  Endpoints,
  EndpointSlice,
  Event,
  KubeObject,
  Lease,
  Namespace,
  Node,
  Pod,
  Service,
  ServiceCidr,
} from './objects.ts'

export interface ResourceType<T extends KubeObject = KubeObject> {
  /** '' for the core group. */
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly kind: string
  readonly namespaced: boolean
  /** Never set; ties the object type to the value. */
  readonly of?: T
}

/** Declares a resource type. */
export function resourceType<T extends KubeObject>(
  apiVersion: string,
  kind: string,
  plural: string,
  namespaced: boolean,
): ResourceType<T> {
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion]
  return { group: group ?? '', version: version ?? '', kind, plural, namespaced }
}

/** `v1` or `group/version`. */
export function apiVersionOf(type: ResourceType): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`
}

export const namespaces = resourceType<Namespace>('v1', 'Namespace', 'namespaces', false)
export const nodes = resourceType<Node>('v1', 'Node', 'nodes', false)
export const services = resourceType<Service>('v1', 'Service', 'services', true)
export const pods = resourceType<Pod>('v1', 'Pod', 'pods', true)
export const endpoints = resourceType<Endpoints>('v1', 'Endpoints', 'endpoints', true)
export const configMaps = resourceType<ConfigMap>('v1', 'ConfigMap', 'configmaps', true)
export const events = resourceType<Event>('v1', 'Event', 'events', true)
export const endpointSlices = resourceType<EndpointSlice>(
  'discovery.k8s.io/v1',
  'EndpointSlice',
  'endpointslices',
  true,
)
export const serviceCidrs = resourceType<ServiceCidr>('networking.k8s.io/v1', 'ServiceCIDR', 'servicecidrs', false)
export const leases = resourceType<Lease>('coordination.k8s.io/v1', 'Lease', 'leases', true)
export const deployments = resourceType<Deployment>('apps/v1', 'Deployment', 'deployments', true)
