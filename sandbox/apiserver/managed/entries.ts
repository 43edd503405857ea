/**
 * metadata.managedFields as entries per manager, and how an ordinary write changes them: the writer takes over what it changed,
 * everybody loses what was changed by another or removed. Source: k8s.io/apimachinery/pkg/util/managedfields.
 */
import type { KubeObject, ObjectMeta } from '../../../kube/objects.ts'
import { timestamp } from '../context.ts'
import { isObject, plainText } from '../json.ts'
import type { Schema } from '../schema/schema.ts'
import {
  difference,
  emptySet,
  type FieldSet,
  isEmpty,
  parseFields,
  printFields,
  sameFields,
  union,
} from './field-set.ts'
import { compare } from './typed.ts'

export interface ManagerEntry {
  manager: string
  operation: 'Apply' | 'Update'
  apiVersion: string
  time: string
  subresource: string
  fields: FieldSet
}

type ManagedMeta = ObjectMeta & { managedFields?: unknown }

/** Undefined when there are none, or when they cannot be read: then the live object's count. */
export function readEntries({ metadata }: KubeObject): ManagerEntry[] | undefined {
  const given = (metadata as ManagedMeta).managedFields
  if (!Array.isArray(given) || given.length === 0) return undefined
  const entries: ManagerEntry[] = []
  for (const raw of given as unknown[]) {
    if (!isObject(raw)) return undefined
    const { manager, operation, apiVersion, time, subresource, fieldsV1 } = raw
    if (operation === undefined && fieldsV1 === undefined) continue
    if (operation !== 'Apply' && operation !== 'Update') return undefined
    entries.push({
      manager: plainText(manager ?? ''),
      operation,
      apiVersion: plainText(apiVersion ?? ''),
      time: plainText(time ?? ''),
      subresource: plainText(subresource ?? ''),
      fields: parseFields(fieldsV1 ?? {}),
    })
  }
  return entries
}

export function writeEntries(object: KubeObject, entries: readonly ManagerEntry[]): void {
  const metadata = object.metadata as ManagedMeta
  const kept = entries.filter(({ fields }) => !isEmpty(fields))
  if (kept.length === 0) {
    delete metadata.managedFields
    return
  }
  const order = { Apply: 0, Update: 1 }
  metadata.managedFields = kept
    .toSorted((a, b) => order[a.operation] - order[b.operation] || compareText(a.time, b.time))
    .map(({ manager, operation, apiVersion, time, subresource, fields }) => ({
      manager,
      operation,
      apiVersion,
      ...(time === '' ? {} : { time }),
      fieldsType: 'FieldsV1',
      fieldsV1: printFields(fields),
      ...(subresource === '' ? {} : { subresource }),
    }))
}

function compareText(left: string, right: string): number {
  return left === right ? 0 : left < right ? -1 : 1
}

/** Nobody owns these: the server sets them. */
const unowned: FieldSet = parseFields({
  'f:apiVersion': {},
  'f:kind': {},
  'f:metadata': {
    '.': {},
    'f:creationTimestamp': {},
    'f:deletionGracePeriodSeconds': {},
    'f:deletionTimestamp': {},
    'f:generation': {},
    'f:managedFields': {},
    'f:name': {},
    'f:namespace': {},
    'f:resourceVersion': {},
    'f:selfLink': {},
    'f:uid': {},
  },
})

/** The fields that can have an owner. */
export function owned(fields: FieldSet): FieldSet {
  const { self: _, children } = difference(fields, unowned)
  const rest = new Map(children)
  rest.delete('f:apiVersion')
  rest.delete('f:kind')
  const metadata = rest.get('f:metadata')
  if (metadata) {
    const inner = new Map(metadata.children)
    inner.delete('f:managedFields')
    if (inner.size === 0) rest.delete('f:metadata')
    else rest.set('f:metadata', { self: false, children: inner })
  }
  return { self: false, children: rest }
}

interface UpdateRecord {
  manager: string
  subresource: string
  now: number
  schema: Schema
}

/** Records an ordinary write into `object`, which is what will be stored but for allocated values. */
export function recordUpdate(object: KubeObject, old: KubeObject | undefined, record: UpdateRecord): void {
  const before = readEntries(object) ?? (old && readEntries(old)) ?? []
  const { metadata, ...bare } = object
  const blank = { metadata: {}, apiVersion: bare.apiVersion, kind: bare.kind, spec: {}, status: {} }
  const hasParts = (part: string) =>
    isObject((bare as Record<string, unknown>)[part]) && alwaysThere(record.schema, part)
  const start = old ?? {
    ...blank,
    ...(hasParts('spec') ? {} : { spec: undefined }),
    ...(hasParts('status') ? {} : { status: undefined }),
  }
  const { changed, removed } = compare(start, { ...bare, metadata }, record.schema)
  const taken = owned(changed)
  const gone = owned(removed)
  const key = { manager: record.manager, operation: 'Update' as const, apiVersion: object.apiVersion ?? '' }
  const isWriter = (entry: ManagerEntry) =>
    entry.manager === key.manager &&
    entry.operation === 'Update' &&
    entry.apiVersion === key.apiVersion &&
    entry.subresource === record.subresource
  if (isEmpty(taken) && isEmpty(gone)) {
    writeEntries(object, before)
    return
  }
  const entries = before.map((entry) => {
    if (isWriter(entry)) return entry
    return { ...entry, fields: difference(difference(entry.fields, taken), gone) }
  })
  const mine = entries.find((entry) => isWriter(entry))
  const fields = difference(union(mine?.fields ?? emptySet, taken), gone)
  const others = entries.filter((entry) => entry !== mine)
  const unchanged = mine && sameFields(mine.fields, fields) && isEmpty(taken)
  const time = unchanged ? mine.time : timestamp(record.now)
  writeEntries(object, [...others, { ...key, subresource: record.subresource, time, fields }])
}

/** Structs that Go writes even when they are empty. */
function alwaysThere(schema: Schema, part: string): boolean {
  return isObject(schema.properties.get(part)?.default)
}
