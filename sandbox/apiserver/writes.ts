/**
 * Create and update: the order of steps is strategy.ts's. Nothing is written, and every allocation is given back, when a step refuses.
 * Source: k8s.io/apiserver/pkg/registry/rest (create.go, update.go) and registry/generic/registry/store.go.
 */
import type { KubeObject } from '../../kube/objects.ts'
import { type ApiContext, generatedName, newUid, strategyContext, timestamp, type WriteOptions } from './context.ts'
import { type Entry, makeEntry } from './entry.ts'
import { alreadyExists, conflict, modified, unclassified } from './failure.ts'
import { clone, equal } from './json.ts'
import { recordUpdate } from './managed/entries.ts'
import { assertNamespaceOpen, holdsNamespace } from './namespaces.ts'
import type { Resource } from './resource.ts'
import { invalid } from './strategies/field-error.ts'
import { invalidFailure, StatusFailure } from './strategies/status-failure.ts'
import type { FieldError, Allocation } from './strategy.ts'

export interface Written {
  entry: Entry
  warnings: string[]
  created: boolean
}

function refuse(resource: Resource, object: KubeObject, errors: FieldError[]): void {
  if (errors.length > 0) throw invalidFailure(resource.kind.type, object.metadata.name ?? '', errors)
}

/** Takes `object` over. Its kind, namespace and schema are already checked. */
export function create(context: ApiContext, resource: Resource, object: KubeObject, options: WriteOptions): Written {
  const { kind, strategy, collection } = resource
  const { metadata } = object
  if (metadata.resourceVersion !== undefined && metadata.resourceVersion !== '') {
    throw unclassified('resourceVersion should not be set on objects to be created')
  }
  if (!metadata.name && metadata.generateName) {
    metadata.name = generatedName(metadata.generateName, context.random)
  }
  const name = metadata.name ?? ''
  if (kind.type.namespaced) assertNamespaceOpen(context, resource, metadata.namespace ?? '', name)
  delete metadata.resourceVersion
  delete metadata.deletionTimestamp
  delete metadata.deletionGracePeriodSeconds
  metadata.uid = newUid(context.random)
  metadata.creationTimestamp = timestamp(context.clock.now())
  if (strategy.countsGeneration) metadata.generation = 1
  else delete metadata.generation
  if (strategy.statusSubresource && kind.custom) delete (object as { status?: unknown }).status

  strategy.defaults(object)
  if (!options.managersRecorded) record(context, resource, object, undefined, '', options)
  strategy.prepareForCreate(object)
  const existing = name === '' ? undefined : collection.get(metadata.namespace ?? '', name)
  const scope = strategyContext(context, options.dryRun)
  const entry = transact(strategy.allocate?.(object, undefined, scope), options.dryRun, () => {
    refuse(resource, object, strategy.validate(object, scope))
    if (existing) {
      const { status } = alreadyExists(kind.type, name, existing.object.metadata.deletionTimestamp !== undefined)
      throw new StatusFailure(status, strategy.warnings?.(object, undefined))
    }
    return options.dryRun ? unversioned(object) : collection.put(object)
  })
  if (!options.dryRun) announce(context, resource, entry.object, false)
  return { entry, warnings: strategy.warnings?.(entry.object, undefined) ?? [], created: true }
}

function record(
  context: ApiContext,
  { schema }: Resource,
  object: KubeObject,
  old: KubeObject | undefined,
  subresource: string,
  options: WriteOptions,
): void {
  const now = context.clock.now()
  recordUpdate(object, old, { manager: options.fieldManager, subresource, now, schema: schema.schema })
}

/** A dry run's answer: as stored, but without a version. */
function unversioned(object: KubeObject): Entry {
  const entry = makeEntry(object, 0)
  delete entry.object.metadata.resourceVersion
  return entry
}

function transact<T>(allocation: Allocation | undefined, dryRun: boolean, write: () => T): T {
  try {
    const result = write()
    if (dryRun) allocation?.rollback()
    else allocation?.commit()
    return result
  } catch (error) {
    allocation?.rollback()
    throw error
  }
}

export interface UpdateTarget {
  resource: Resource
  old: Entry
  /** '' for the object itself. */
  subresource: string
  /** A patch writes on top of what it read: a missing resourceVersion is no fault. */
  fromPatch: boolean
}

/** Takes `next` over: the whole new object as the writer wants it. */
export function update(context: ApiContext, target: UpdateTarget, next: KubeObject, options: WriteOptions): Written {
  const { resource, old, subresource } = target
  const { strategy } = resource
  checkVersion(target, next)
  const object = carryOver(target, next)
  strategy.defaults(object)
  if (!options.managersRecorded) record(context, resource, object, old.object, subresource, options)
  strategy.prepareForUpdate(object, old.object, subresource)
  if (strategy.countsGeneration && subresource !== 'status' && subresource !== 'binding')
    countGeneration(object, old.object)
  const scope = strategyContext(context, options.dryRun)
  const entry = transact(strategy.allocate?.(object, old.object, scope), options.dryRun, () => {
    refuse(resource, object, strategy.validateUpdate(object, old.object, subresource, scope))
    return store(context, target, object, options.dryRun)
  })
  if (!options.dryRun && entry !== old) announce(context, resource, entry.object, false)
  return { entry, warnings: strategy.warnings?.(entry.object, old.object, subresource) ?? [], created: false }
}

function checkVersion({ resource, old, fromPatch }: UpdateTarget, next: KubeObject): void {
  const { kind } = resource
  const { uid, resourceVersion } = next.metadata
  // A patch with another UID fails validation instead: the field is immutable.
  if (!fromPatch && uid !== undefined && uid !== '' && uid !== old.object.metadata.uid) {
    const text = `StorageError: invalid object, Code: 4, Key: ${storageKey(resource, old)}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.object.metadata.uid}`
    throw conflict(kind.type, old.name, text)
  }
  if (resourceVersion === undefined || resourceVersion === '' || resourceVersion === '0') {
    if (kind.unconditionalUpdate || fromPatch) return
    const missing = invalid('metadata.resourceVersion', 0, 'must be specified for an update')
    throw invalidFailure({ group: kind.type.group, kind: kind.type.plural }, old.name, [missing])
  }
  if (!/^\d+$/.test(resourceVersion)) {
    throw unclassified(`strconv.ParseUint: parsing ${JSON.stringify(resourceVersion)}: invalid syntax`)
  }
  if (resourceVersion !== old.object.metadata.resourceVersion) throw modified(kind.type, old.name)
}

const storageFolders: Readonly<Record<string, string>> = {
  services: 'services/specs',
  endpoints: 'services/endpoints',
  nodes: 'minions',
}

/** Where the real server keeps the object in etcd; it shows in a message. */
function storageKey({ kind }: Resource, { key }: Entry): string {
  const { plural, group } = kind.type
  return `/registry/${kind.custom ? `${group}/${plural}` : (storageFolders[plural] ?? plural)}/${key}`
}

/** Puts back what this writer may not change: system metadata, and the other half of the spec/status split. */
function carryOver({ resource, old, subresource }: UpdateTarget, next: KubeObject): KubeObject {
  const before = old.object
  let object = next as KubeObject & { status?: unknown }
  const { status } = object
  if (subresource === 'status') {
    object = { ...clone(before), metadata: next.metadata }
    if (status === undefined) delete object.status
    else object.status = status
  } else if (resource.strategy.statusSubresource) {
    const kept = (before as { status?: unknown }).status
    if (kept === undefined) delete object.status
    else object.status = clone(kept)
  }
  const meta = object.metadata
  meta.name ??= before.metadata.name as string
  if (before.metadata.namespace !== undefined) meta.namespace ??= before.metadata.namespace
  if (!meta.uid) keep(meta, before.metadata, 'uid')
  keep(meta, before.metadata, 'creationTimestamp')
  // Where the old object has none, a value of the writer's is left for validation to refuse.
  if (before.metadata.deletionTimestamp !== undefined) keep(meta, before.metadata, 'deletionTimestamp')
  meta.deletionGracePeriodSeconds ??= before.metadata.deletionGracePeriodSeconds as number
  if (meta.deletionGracePeriodSeconds === undefined) delete meta.deletionGracePeriodSeconds
  keep(meta, before.metadata, 'generation')
  keep(meta, before.metadata, 'resourceVersion')
  object.kind = before.kind as string
  object.apiVersion = before.apiVersion as string
  return object
}

function keep<K extends string>(meta: { [key in K]?: unknown }, before: { [key in K]?: unknown }, field: K): void {
  if (before[field] === undefined) delete meta[field]
  else meta[field] = before[field]
}

/** Everything but metadata and status counts as spec. */
function countGeneration(object: KubeObject, old: KubeObject): void {
  const strip = ({ metadata: _m, status: _s, ...rest }: KubeObject & { status?: unknown }) => rest
  if (!equal(strip(object), strip(old))) object.metadata.generation = (old.metadata.generation ?? 0) + 1
}

function store(context: ApiContext, target: UpdateTarget, object: KubeObject, dryRun: boolean): Entry {
  const { resource, old } = target
  const { metadata } = object
  const leaving = metadata.deletionTimestamp !== undefined && (metadata.finalizers?.length ?? 0) === 0
  const graceLeft = (metadata.deletionGracePeriodSeconds ?? 0) > 0
  const held = resource.kind.type.plural === 'namespaces' && holdsNamespace(object)
  if (leaving && !graceLeft && !held) {
    return dryRun ? makeEntry(object, old.version) : removeFrom(context, resource, makeEntry(object, old.version))
  }
  if (equal(timeless(object), timeless(old.object))) return old
  return dryRun ? makeEntry(object, old.version) : resource.collection.put(object)
}

/** The times of managedFields alone make no new version. */
function timeless(object: KubeObject): unknown {
  const { managedFields, ...metadata } = object.metadata as KubeObject['metadata'] & { managedFields?: object[] }
  return { ...object, metadata, managers: managedFields?.map((entry) => ({ ...entry, time: '' })) }
}

/** Really gone: event, allocations released, side effects told. Returns the last state. */
export function removeFrom(context: ApiContext, resource: Resource, entry: Entry): Entry {
  const gone = resource.collection.remove(entry)
  resource.strategy.release?.(gone.object)
  announce(context, resource, gone.object, true)
  return gone
}

function announce(context: ApiContext, resource: Resource, object: KubeObject, gone: boolean): void {
  for (const tell of context.afterWrite) tell(resource, object, gone)
}
