/**
 * Serves the resources of established CustomResourceDefinitions from the moment they are written, and takes them away with their objects.
 */
import type { KubeObject } from '../../../kube/objects.ts'
import { type ApiContext, timestamp } from '../context.ts'
import { remove } from '../deletes.ts'
import { crdKind, type Kind, storageId } from '../kind.ts'
import type { Resource } from '../resource.ts'
import { clone, equal } from '../json.ts'
import { removeFrom } from '../writes.ts'
import { cleanupFinalizer, type Definition, type DefinitionVersion, isEstablished } from './definition.ts'
import { establishedStatus } from './established.ts'
import { customStrategy } from './custom-strategy.ts'
import { customSchema } from './structural.ts'

/** Starts following the definitions. */
export function followDefinitions(context: ApiContext): void {
  const served = new Map<string, string[]>()
  context.beforeDelete.push((resource, object) => {
    if (resource.kind !== crdKind) return
    const { metadata } = object
    metadata.finalizers = [...(metadata.finalizers ?? []).filter((name) => name !== cleanupFinalizer), cleanupFinalizer]
  })
  context.afterWrite.push((resource, object, gone) => {
    if (resource.kind !== crdKind) {
      if (resource.kind.custom && gone) finishCleanup(context, resource)
      return
    }
    const definition = gone ? (object as Definition) : established(context, resource, object as Definition)
    register(context, served, definition, gone)
    if (!gone && definition.metadata.deletionTimestamp !== undefined) cleanUp(context, definition)
  })
}

/** Writes the conditions the server's own controllers would write a moment later. */
function established(context: ApiContext, resource: Resource, definition: Definition): Definition {
  const others = resource.collection
    .sorted()
    .map((entry) => entry.object as Definition)
    .filter(({ metadata }) => metadata.name !== definition.metadata.name)
  const status = establishedStatus(definition, others, timestamp(context.clock.now()))
  if (equal(status, definition.status)) return definition
  return resource.collection.put({ ...clone(definition), status } as Definition).object as Definition
}

function register(context: ApiContext, served: Map<string, string[]>, definition: Definition, gone: boolean): void {
  const { group, names, versions } = definition.spec
  const name = definition.metadata.name ?? ''
  for (const version of served.get(name) ?? []) context.resources.remove(group, version, names.plural)
  served.delete(name)
  if (gone) {
    context.store.drop(`${group}/${names.plural}`)
    return
  }
  if (!isEstablished(definition)) return
  const active = versions.filter((version) => version.served)
  for (const version of active) context.resources.add(resourceOf(context, definition, version))
  served.set(
    name,
    active.map((version) => version.name),
  )
}

function resourceOf(context: ApiContext, definition: Definition, version: DefinitionVersion): Resource {
  const { group, names, scope } = definition.spec
  const namespaced = scope === 'Namespaced'
  const kind: Kind = {
    type: { group, version: version.name, plural: names.plural, kind: names.kind, namespaced },
    singular: names.singular ?? names.kind.toLowerCase(),
    listKind: names.listKind ?? `${names.kind}List`,
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    subresources: Object.keys(version.subresources ?? {}),
    unconditionalUpdate: false,
    createOnUpdate: false,
    returnsDeleted: false,
    custom: true,
  }
  return {
    kind,
    strategy: customStrategy(version, namespaced),
    schema: customSchema(version.schema?.openAPIV3Schema ?? {}),
    collection: context.store.collection(storageId(kind.type)),
    definition: version,
  }
}

function cleanUp(context: ApiContext, definition: Definition): void {
  const { group, names, versions } = definition.spec
  const resource = versions
    .map((version) => context.resources.find(group, version.name, names.plural))
    .find((found) => found !== undefined)
  for (const entry of Array.from(resource?.collection.sorted() ?? [])) {
    if (resource && entry.object.metadata.deletionTimestamp === undefined) {
      remove(context, resource, entry, { dryRun: false })
    }
  }
  if (!resource || resource.collection.size === 0) dropFinalizer(context, definition)
}

/** The last object of a definition that is being deleted is gone. */
function finishCleanup(context: ApiContext, { kind, collection }: Resource): void {
  if (collection.size > 0) return
  const definition = definitions(context)?.collection.get('', `${kind.type.plural}.${kind.type.group}`)?.object
  if (definition?.metadata.deletionTimestamp !== undefined) dropFinalizer(context, definition)
}

function definitions(context: ApiContext): Resource | undefined {
  return context.resources.find('apiextensions.k8s.io', 'v1', 'customresourcedefinitions')
}

function dropFinalizer(context: ApiContext, definition: KubeObject): void {
  const resource = definitions(context)
  const entry = resource?.collection.get('', definition.metadata.name ?? '')
  if (!resource || !entry) return
  const object = clone(entry.object)
  const left = (object.metadata.finalizers ?? []).filter((name) => name !== cleanupFinalizer)
  if (left.length === (object.metadata.finalizers ?? []).length) return
  if (left.length === 0) {
    removeFrom(context, resource, entry)
    return
  }
  object.metadata.finalizers = left
  resource.collection.put(object)
}
