/**
 * Manifests as people write them: YAML or JSON, several documents, `kind: List`. Read and checked whole before anything is
 * applied; a mistake is a UsageError that names file and document. Applied by server-side apply, so twice is the same as once.
 */
import { parseAllDocuments } from 'yaml'
import type { KubeClient } from '../kube/client.ts'
import { isApiError } from '../kube/client.ts'
import { UsageError } from '../kube/flags.ts'
import type { KubeObject } from '../kube/objects.ts'
import * as builtin from '../kube/resources.ts'
import { type ResourceType, resourceType } from '../kube/resources.ts'

interface CustomResourceDefinition extends KubeObject {
  spec: {
    group: string
    scope: 'Namespaced' | 'Cluster'
    names: { kind: string; plural: string }
    versions: { name: string; served: boolean }[]
  }
}

export const deployments = resourceType('apps/v1', 'Deployment', 'deployments', true)
export const customResourceDefinitions = resourceType<CustomResourceDefinition>(
  'apiextensions.k8s.io/v1',
  'CustomResourceDefinition',
  'customresourcedefinitions',
  false,
)

const known: readonly ResourceType[] = [
  builtin.namespaces,
  builtin.nodes,
  builtin.services,
  builtin.pods,
  builtin.endpoints,
  builtin.configMaps,
  builtin.events,
  builtin.endpointSlices,
  builtin.leases,
  deployments,
  customResourceDefinitions,
]

/** Objects of a manifest, in order. `file` is for messages only. Throws UsageError. */
export function readManifests(text: string, file: string): KubeObject[] {
  const objects = parseAllDocuments(text).flatMap((document, index) => {
    const where = `${file}, document ${index + 1}`
    const mistake = document.errors[0]
    if (mistake !== undefined) throw new UsageError(`${where}: ${mistake.message.split('\n')[0]}`)
    const value: unknown = document.toJS()
    if (value === null || value === undefined) return []
    return isList(value)
      ? value.items.map((item, at) => checked(item, `${where}, item ${at + 1}`))
      : checked(value, where)
  })
  if (objects.length === 0) throw new UsageError(`${file}: holds no object`)
  return objects
}

/** Applies objects in order, namespaced ones without a namespace into `default`. Throws UsageError or ApiError. */
export async function applyManifests(
  client: KubeClient,
  objects: readonly KubeObject[],
  signal?: AbortSignal,
): Promise<void> {
  for (const object of objects) {
    const type = await typeOf(client, object, signal)
    const metadata = {
      ...object.metadata,
      ...(type.namespaced ? { namespace: object.metadata.namespace ?? 'default' } : {}),
    }
    const at = {
      name: metadata.name ?? '',
      ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
    }
    const body = { ...object, metadata }
    try {
      await client.patch(type, at, { type: 'apply', body }, { fieldManager: 'roadstead-up', force: true }, signal)
    } catch (error) {
      if (isApiError(error) && error.code < 500)
        throw new UsageError(`${object.kind} ${at.name} was refused: ${error.message}`, { cause: error })
      throw error
    }
  }
}

/** Served type of an object: a built-in kind, or one that a CustomResourceDefinition on the server declares. */
async function typeOf(client: KubeClient, object: KubeObject, signal?: AbortSignal): Promise<ResourceType> {
  const match = (type: ResourceType) => type.kind === object.kind && builtin.apiVersionOf(type) === object.apiVersion
  const found = known.find(match)
  if (found !== undefined) return found
  const custom = await client.list(customResourceDefinitions, undefined, {}, signal)
  const declared = custom.items
    .flatMap(({ spec }) =>
      spec.versions
        .filter((version) => version.served)
        .map((version) =>
          resourceType(
            `${spec.group}/${version.name}`,
            spec.names.kind,
            spec.names.plural,
            spec.scope === 'Namespaced',
          ),
        ),
    )
    .find(match)
  if (declared !== undefined) return declared
  const kinds = known.map((type) => type.kind).join(', ')
  throw new UsageError(
    `no kind ${object.kind} in ${object.apiVersion}: the sandbox serves ${kinds} and custom resources whose definition comes first`,
  )
}

function isList(value: unknown): value is { items: unknown[] } {
  return typeof value === 'object' && value !== null && 'items' in value && Array.isArray(value.items)
}

function checked(value: unknown, where: string): KubeObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UsageError(`${where}: is no object (expected apiVersion, kind, metadata)`)
  for (const field of ['apiVersion', 'kind']) {
    if (typeof Reflect.get(value, field) !== 'string') throw new UsageError(`${where}: ${field} is missing`)
  }
  const metadata: unknown = Reflect.get(value, 'metadata')
  if (typeof metadata !== 'object' || metadata === null || typeof Reflect.get(metadata, 'name') !== 'string')
    throw new UsageError(`${where}: metadata.name is missing`)
  return value as KubeObject
}
