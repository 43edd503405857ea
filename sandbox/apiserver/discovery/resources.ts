/**
 * What discovery says of each resource and its subresources, and of the reviews that are only ever created.
 * Source: `kubectl get --raw /api/v1` and friends on v1.36.
 */
import type { Kind } from '../kind.ts'
import type { ResourceSet } from '../resource.ts'

export interface DiscoveredResource {
  group: string
  version: string
  name: string
  singular: string
  namespaced: boolean
  kind: string
  verbs: readonly string[]
  shortNames: readonly string[]
  categories: readonly string[]
  subresources: readonly DiscoveredSubresource[]
}

interface DiscoveredSubresource {
  name: string
  kind: string
  group?: string
  version?: string
  verbs: readonly string[]
}

const objectVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'] as const
const readWrite = ['get', 'patch', 'update'] as const

function subresource(kind: Kind, name: string): DiscoveredSubresource {
  if (name === 'scale') return { name, kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: readWrite }
  if (name === 'eviction') return { name, kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] }
  if (name === 'binding') return { name, kind: 'Binding', verbs: ['create'] }
  return { name, kind: kind.type.kind, verbs: name === 'finalize' ? ['update'] : readWrite }
}

/** Kinds that are answered but never stored. */
const reviews: readonly DiscoveredResource[] = [
  {
    group: 'authorization.k8s.io',
    version: 'v1',
    name: 'selfsubjectaccessreviews',
    singular: 'selfsubjectaccessreview',
    namespaced: false,
    kind: 'SelfSubjectAccessReview',
    verbs: ['create'],
    shortNames: [],
    categories: [],
    subresources: [],
  },
]

export function discovered(resources: ResourceSet): DiscoveredResource[] {
  const stored = resources.all().map(({ kind }): DiscoveredResource => {
    const { group, version, plural, namespaced, kind: name } = kind.type
    // A collection of namespaces cannot be deleted at once.
    const verbs = plural === 'namespaces' ? objectVerbs.filter((verb) => verb !== 'deletecollection') : objectVerbs
    return {
      group,
      version,
      name: plural,
      singular: kind.singular,
      namespaced,
      kind: name,
      verbs,
      shortNames: kind.shortNames,
      categories: kind.categories,
      subresources: kind.subresources.map((part) => subresource(kind, part)),
    }
  })
  return [...stored, ...reviews]
}
