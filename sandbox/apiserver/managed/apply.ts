/**
 * Server-side apply (KEP-555): a configuration merges into the live object, its manager owns exactly the fields in it, fields it no longer
 * mentions go when nobody else owns them, and changing another manager's field is a conflict unless forced.
 */
import type { KubeObject } from '../../../kube/objects.ts'
import { timestamp } from '../context.ts'
import { failure } from '../failure.ts'
import { clone } from '../json.ts'
import type { Schema } from '../schema/schema.ts'
import { type ManagerEntry, owned, readEntries, writeEntries } from './entries.ts'
import { difference, emptySet, type FieldSet, intersection, pathsOf, sameFields, union } from './field-set.ts'
import { compare, fieldsOf, merge, without } from './typed.ts'

export interface ApplyOptions {
  manager: string
  force: boolean
  subresource: string
  now: number
  schema: Schema
  /** The configuration as it was sent: an empty map claims its field, though decoding drops it. */
  claimed: unknown
}

/** The object to write, with its managers recorded. Throws the 409 of a conflict. */
export function apply(live: KubeObject | undefined, config: KubeObject, options: ApplyOptions): KubeObject {
  const { schema } = options
  const entries = (live && readEntries(live)) ?? []
  const isMine = (entry: ManagerEntry) =>
    entry.operation === 'Apply' && entry.manager === options.manager && entry.subresource === options.subresource
  const mine = entries.find((entry) => isMine(entry))
  const others = entries.filter((entry) => entry !== mine)
  const wanted = owned(fieldsOf(options.claimed, schema))
  const merged = merge(live ?? {}, config, schema)
  const othersOwn = others.reduce<FieldSet>((all, entry) => union(all, entry.fields), emptySet)
  const abandoned = difference(difference(mine?.fields ?? emptySet, wanted), othersOwn)
  const result = without(merged, abandoned, union(wanted, othersOwn), schema) as KubeObject
  const { changed, removed } = compare(live ?? {}, result, schema)
  const kept = settle(others, owned(changed), owned(removed), options)
  const same = mine && sameFields(mine.fields, wanted)
  const entry: ManagerEntry = {
    manager: options.manager,
    operation: 'Apply',
    apiVersion: config.apiVersion ?? '',
    subresource: options.subresource,
    time: same ? mine.time : timestamp(options.now),
    fields: wanted,
  }
  const object = clone(result)
  writeEntries(object, [...kept, entry])
  return object
}

interface Conflict {
  entry: ManagerEntry
  path: string
}

/** What the other managers keep. */
function settle(
  others: readonly ManagerEntry[],
  changed: FieldSet,
  removed: FieldSet,
  { force }: ApplyOptions,
): ManagerEntry[] {
  const conflicts: Conflict[] = []
  const kept = others.map((entry) => {
    const overlap = intersection(entry.fields, changed)
    conflicts.push(...pathsOf(overlap).map((path) => ({ entry, path })))
    return { ...entry, fields: difference(difference(entry.fields, overlap), removed) }
  })
  if (conflicts.length > 0 && !force) throw conflictFailure(conflicts)
  return kept
}

function conflictFailure(conflicts: readonly Conflict[]): Error {
  const causes = conflicts.map(({ entry, path }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${managerText(entry)}`,
    field: path,
  }))
  return failure(409, 'Conflict', conflictText(conflicts), { causes })
}

function conflictText(conflicts: readonly Conflict[]): string {
  const [first] = conflicts
  if (first && conflicts.length === 1) {
    return `Apply failed with 1 conflict: conflict with ${managerText(first.entry)}: ${first.path}`
  }
  const byManager = Map.groupBy(conflicts, ({ entry }) => managerText(entry))
  const lines = [...byManager.keys()]
    .sort()
    .flatMap((manager) => [
      `conflicts with ${manager}:`,
      ...(byManager.get(manager) ?? []).map(({ path }) => `- ${path}`),
    ])
  return `Apply failed with ${conflicts.length} conflicts: ${lines.join('\n')}`
}

function managerText({ manager, operation, apiVersion, subresource }: ManagerEntry): string {
  const name = `${JSON.stringify(manager)}${subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`}`
  return operation === 'Apply' ? name : `${name} using ${apiVersion}`
}
