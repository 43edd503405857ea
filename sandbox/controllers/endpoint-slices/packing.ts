/**
 * Spreads endpoints over EndpointSlices of one address type with as few writes as possible.
 * Always holds: each wanted endpoint ends in exactly one slice, no slice passes the limit, equal input gives no change.
 * Follows reconcileByPortMapping of k8s.io/endpointslice: slices that change anyway are filled first, then one
 * unchanged slice that fits the rest most exactly, then new ones. Slices are never rebalanced only to be fuller.
 */
import { sameJson } from '../same-json.ts'
import type { Endpoint, EndpointSlice } from '../../../kube/objects.ts'
import type { SlicePort } from './endpoint.ts'

const maxEndpointsPerSlice = 100

export interface PortGroup {
  ports: SlicePort[]
  endpoints: Endpoint[]
}

export interface SliceChanges {
  create: EndpointSlice[]
  update: EndpointSlice[]
  remove: EndpointSlice[]
}

/** A slice with metadata and ports as they should be, and no endpoints. */
export type BlankSlice = (ports: SlicePort[]) => EndpointSlice

interface Draft {
  slice: EndpointSlice
  endpoints: Endpoint[]
  changed: boolean
  existing: boolean
}

/**
 * `existing` are the slices of this address type that the writer owns. When nothing is wanted one empty slice stays
 * (unless `keepOne` is false): consumers tell "no endpoints" from "not looked at yet" by it.
 */
export function packSlices(
  groups: readonly PortGroup[],
  existing: readonly EndpointSlice[],
  blank: BlankSlice,
  options: { limit?: number; keepOne?: boolean } = {},
): SliceChanges {
  const { limit = maxEndpointsPerSlice, keepOne = true } = options
  const byPorts = Map.groupBy(existing, (slice) => portsKey(slice.ports ?? []))
  const create: EndpointSlice[] = []
  const update: EndpointSlice[] = []
  const remove: EndpointSlice[] = []
  for (const group of mergeGroups(groups)) {
    const key = portsKey(group.ports)
    const drafts = packGroup(group, byPorts.get(key) ?? [], blank, limit)
    byPorts.delete(key)
    for (const draft of drafts) {
      const slice = { ...draft.slice, endpoints: draft.endpoints }
      if (!draft.existing) create.push(slice)
      else if (draft.endpoints.length === 0) remove.push(draft.slice)
      else if (draft.changed) update.push(slice)
    }
  }
  for (const slices of byPorts.values()) remove.push(...slices)
  if (keepOne && existing.length === remove.length && create.length === 0) keepOneEmpty(blank, create, update, remove)
  return reuseNames({ create, update, remove })
}

/** A real API server shows an empty list as null. */
function endpointsOf(slice: EndpointSlice): readonly Endpoint[] {
  return slice.endpoints ?? []
}

function keepOneEmpty(
  blank: BlankSlice,
  create: EndpointSlice[],
  update: EndpointSlice[],
  remove: EndpointSlice[],
): void {
  const empty = blank([])
  const index = remove.findIndex((slice) => endpointsOf(slice).length === 0 && (slice.ports ?? []).length === 0)
  if (index < 0) {
    create.push(empty)
    return
  }
  const [kept] = remove.splice(index, 1)
  if (kept !== undefined && !sameMetadata(kept, empty)) update.push({ ...withMetadataOf(kept, empty), endpoints: [] })
}

/** Two Pods may give the same ports in another order: one group. */
function mergeGroups(groups: readonly PortGroup[]): PortGroup[] {
  const merged = new Map<string, PortGroup>()
  for (const group of groups) {
    if (group.endpoints.length === 0) continue
    const key = portsKey(group.ports)
    const known = merged.get(key)
    if (known === undefined) merged.set(key, { ports: group.ports, endpoints: [...group.endpoints] })
    else known.endpoints.push(...group.endpoints)
  }
  return [...merged.values()]
}

function packGroup(group: PortGroup, existing: readonly EndpointSlice[], blank: BlankSlice, limit: number): Draft[] {
  const template = blank(group.ports)
  const missing = new Map(group.endpoints.map((endpoint) => [endpointKey(endpoint), endpoint]))
  const drafts = existing.map((slice) => draftOf(slice, template, missing, limit))
  const rest = [...missing.values()]
  fill(
    drafts.filter((draft) => draft.changed).sort((a, b) => b.endpoints.length - a.endpoints.length),
    rest,
    limit,
  )
  while (rest.length > 0) {
    const fitting = rest.length < limit ? closestFit(drafts, rest.length, limit) : undefined
    const draft = fitting ?? { slice: template, endpoints: [], changed: true, existing: false }
    draft.changed = true
    fill([draft], rest, limit)
    if (fitting === undefined) drafts.push(draft)
  }
  return drafts
}

/** What stays of a slice: its wanted endpoints in their new form and order; they are taken out of `missing`. */
function draftOf(slice: EndpointSlice, template: EndpointSlice, missing: Map<string, Endpoint>, limit: number): Draft {
  let changed = !sameMetadata(slice, template)
  const kept: Endpoint[] = []
  for (const endpoint of endpointsOf(slice)) {
    const key = endpointKey(endpoint)
    const wanted = kept.length < limit ? missing.get(key) : undefined
    if (wanted === undefined) {
      changed = true
      continue
    }
    missing.delete(key)
    if (!sameJson(wanted, endpoint)) changed = true
    kept.push(wanted)
  }
  return { slice: changed ? withMetadataOf(slice, template) : slice, endpoints: kept, changed, existing: true }
}

function fill(drafts: readonly Draft[], rest: Endpoint[], limit: number): void {
  for (const draft of drafts) {
    const room = Math.max(0, limit - draft.endpoints.length)
    draft.endpoints.push(...rest.splice(0, room))
  }
}

/** The unchanged slice that is fullest once `count` endpoints are added. */
function closestFit(drafts: readonly Draft[], count: number, limit: number): Draft | undefined {
  let best: Draft | undefined
  for (const draft of drafts) {
    const size = draft.endpoints.length
    if (draft.changed || size + count > limit || size === 0) continue
    if (best === undefined || size > best.endpoints.length) best = draft
  }
  return best
}

/** Instead of removing one slice and creating another, the old one is written with the new content. */
function reuseNames({ create, update, remove }: SliceChanges): SliceChanges {
  const reused = Math.min(create.length, remove.length)
  const rewritten = create.slice(0, reused).map((slice, index) => {
    const old = remove[index]
    return old === undefined
      ? slice
      : { ...withMetadataOf(old, slice), endpoints: slice.endpoints, ports: slice.ports ?? [] }
  })
  return { create: create.slice(reused), update: [...update, ...rewritten], remove: remove.slice(reused) }
}

function withMetadataOf(slice: EndpointSlice, template: EndpointSlice): EndpointSlice {
  const { labels, annotations, ownerReferences } = template.metadata
  return {
    ...slice,
    metadata: {
      ...slice.metadata,
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
      ...(ownerReferences === undefined ? {} : { ownerReferences }),
    },
  }
}

/** Annotations count only where the writer sets them (mirroring does, the Pod based controller doesn't). */
function sameMetadata(slice: EndpointSlice, template: EndpointSlice): boolean {
  const { labels, annotations } = template.metadata
  return (
    sameJson(slice.metadata.labels ?? {}, labels ?? {}) &&
    (annotations === undefined || sameJson(slice.metadata.annotations ?? {}, annotations))
  )
}

function endpointKey({ addresses, hostname, targetRef }: Endpoint): string {
  return JSON.stringify([
    addresses,
    hostname ?? '',
    targetRef?.namespace ?? '',
    targetRef?.name ?? '',
    targetRef?.uid ?? '',
  ])
}

/** Equal for equal port sets, in whatever order and with defaults left out or written. */
export function portsKey(ports: readonly SlicePort[]): string {
  return ports
    .map(({ name, protocol, port, appProtocol }) =>
      JSON.stringify([name ?? '', protocol ?? 'TCP', port ?? 0, appProtocol ?? '']),
    )
    .sort()
    .join()
}
