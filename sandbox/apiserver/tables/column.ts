/**
 * Columns of a server-side table, and the small texts many of them share.
 * Source: k8s.io/kubernetes/pkg/printers/internalversion/printers.go, k8s.io/apimachinery/pkg/util/duration.
 */
import type { KubeObject } from '../../../kube/objects.ts'

export interface Column {
  name: string
  type: string
  format: string
  description: string
  /** 0 is shown always, above only with `-o wide`. */
  priority: number
}

export interface TableView {
  columns: readonly Column[]
  /** One cell a column. */
  cells(object: KubeObject, now: number): unknown[]
}

export function column(name: string, extras: Partial<Column> = {}): Column {
  return { name, type: 'string', format: '', description: '', priority: 0, ...extras }
}

export const nameColumn: Column = column('Name', {
  format: 'name',
  description:
    'Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names',
})

export const ageColumn: Column = column('Age', {
  description:
    'CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.',
})

export const wide = (name: string): Column => column(name, { priority: 1 })

/** `5s`, `2m30s`, `3h`: how kubectl shows ages. */
export function humanDuration(ms: number): string {
  const total = Math.trunc(ms / 1000)
  if (total < -1) return '<invalid>'
  if (ms < 0) return '0s'
  if (total < 120) return `${total}s`
  const minutes = Math.floor(total / 60)
  if (minutes < 10) return withRest(minutes, 'm', total % 60, 's')
  if (minutes < 180) return `${minutes}m`
  const hours = Math.floor(minutes / 60)
  if (hours < 8) return withRest(hours, 'h', minutes % 60, 'm')
  if (hours < 48) return `${hours}h`
  const days = Math.floor(hours / 24)
  if (hours < 192) return withRest(days, 'd', hours % 24, 'h')
  if (days < 730) return `${days}d`
  const years = Math.floor(days / 365)
  return days < 365 * 8 ? withRest(years, 'y', days % 365, 'd') : `${years}y`
}

function withRest(value: number, unit: string, rest: number, restUnit: string): string {
  return rest === 0 ? `${value}${unit}` : `${value}${unit}${rest}${restUnit}`
}

/** Time since an RFC 3339 text. */
export function since(timestamp: string, now: number): string {
  return timestamp === '' ? '<unknown>' : humanDuration(now - Date.parse(timestamp))
}

export function age(object: KubeObject, now: number): string {
  return since(object.metadata.creationTimestamp ?? '', now)
}

export function nameOf(object: KubeObject): string {
  return object.metadata.name ?? ''
}

/** `a=b,c=d` in key order, or `<none>`. */
export function formatLabels(labels: Readonly<Record<string, string>> | undefined): string {
  const pairs = Object.entries(labels ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
  return pairs.length === 0 ? '<none>' : pairs.join(',')
}

/** At most `max` of the items, then how many more there are. */
export function withMore(items: readonly string[], max = 3): string {
  if (items.length === 0) return '<unset>'
  const shown = items.slice(0, max).join(',')
  return items.length > max ? `${shown} + ${items.length - max} more...` : shown
}

export function orElse(text: string, otherwise: string): string {
  return text === '' ? otherwise : text
}
