/**
 * What the server serves: one Kind per resource, with what discovery says of it and the rules REST itself needs.
 * Source of names, short names, categories and verbs: `kubectl api-resources -o wide` on v1.36.
 */
import type { ResourceType } from '../../kube/resources.ts'
import { resourceType } from '../../kube/resources.ts'

export interface Kind {
  readonly type: ResourceType
  readonly singular: string
  readonly listKind: string
  readonly shortNames: readonly string[]
  readonly categories: readonly string[]
  /** 'status', 'finalize', 'scale', ... */
  readonly subresources: readonly string[]
  /** PUT without metadata.resourceVersion is allowed. */
  readonly unconditionalUpdate: boolean
  /** PUT of a name that does not exist creates it. */
  readonly createOnUpdate: boolean
  /** Goes with every answer as a `Warning:` header. */
  readonly deprecation?: string
  /** DELETE answers with the object instead of a Status. */
  readonly returnsDeleted: boolean
  /** Objects of a CustomResourceDefinition. */
  readonly custom: boolean
}

type Extras = Partial<Omit<Kind, 'type' | 'custom'>>

function kind(apiVersion: string, name: string, plural: string, namespaced: boolean, extras: Extras = {}): Kind {
  return {
    type: resourceType(apiVersion, name, plural, namespaced),
    singular: name.toLowerCase(),
    listKind: `${name}List`,
    shortNames: [],
    categories: [],
    subresources: [],
    unconditionalUpdate: true,
    createOnUpdate: false,
    returnsDeleted: false,
    custom: false,
    ...extras,
  }
}

export const namespaceKind = kind('v1', 'Namespace', 'namespaces', false, {
  shortNames: ['ns'],
  subresources: ['finalize', 'status'],
  returnsDeleted: true,
})

export const crdKind = kind('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'customresourcedefinitions', false, {
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  subresources: ['status'],
  unconditionalUpdate: false,
})

export const builtinKinds: readonly Kind[] = [
  kind('v1', 'ConfigMap', 'configmaps', true, { shortNames: ['cm'] }),
  kind('v1', 'Endpoints', 'endpoints', true, {
    shortNames: ['ep'],
    createOnUpdate: true,
    deprecation: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  }),
  kind('v1', 'Event', 'events', true, { shortNames: ['ev'], createOnUpdate: true }),
  namespaceKind,
  kind('v1', 'Node', 'nodes', false, { shortNames: ['no'], subresources: ['status'] }),
  kind('v1', 'Pod', 'pods', true, {
    shortNames: ['po'],
    categories: ['all'],
    subresources: ['binding', 'eviction', 'status'],
    returnsDeleted: true,
  }),
  kind('v1', 'Secret', 'secrets', true),
  kind('v1', 'ServiceAccount', 'serviceaccounts', true, { shortNames: ['sa'], returnsDeleted: true }),
  kind('v1', 'Service', 'services', true, {
    shortNames: ['svc'],
    categories: ['all'],
    subresources: ['status'],
    createOnUpdate: true,
    returnsDeleted: true,
  }),
  kind('apps/v1', 'Deployment', 'deployments', true, {
    shortNames: ['deploy'],
    categories: ['all'],
    subresources: ['scale', 'status'],
  }),
  kind('coordination.k8s.io/v1', 'Lease', 'leases', true, { unconditionalUpdate: false, createOnUpdate: true }),
  kind('discovery.k8s.io/v1', 'EndpointSlice', 'endpointslices', true),
  crdKind,
]

/** Identifies the stored objects of a resource, whatever version they are asked for in. */
export function storageId(type: Pick<ResourceType, 'group' | 'plural'>): string {
  return `${type.group}/${type.plural}`
}
