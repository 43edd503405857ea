/** The columns of nodes, namespaces, events, leases, deployments and the plain data kinds. */
import type { Event, KubeObject, Lease, Node } from '../../../kube/objects.ts'
import { at, isObject, textAt } from '../json.ts'
import {
  age,
  ageColumn,
  column,
  formatLabels,
  nameColumn,
  nameOf,
  orElse,
  since,
  type TableView,
  wide,
} from './column.ts'

const rolePrefix = 'node-role.kubernetes.io/'

export const nodeTable: TableView = {
  columns: [
    nameColumn,
    column('Status'),
    column('Roles'),
    ageColumn,
    column('Version'),
    wide('Internal-IP'),
    wide('External-IP'),
    wide('OS-Image'),
    wide('Kernel-Version'),
    wide('Container-Runtime'),
  ],
  cells(object, now) {
    const node = object as Node
    const info = node.status?.nodeInfo ?? {}
    const address = (wanted: string) => node.status?.addresses?.find(({ type }) => type === wanted)?.address ?? '<none>'
    const kernel = orElse(info['kernelVersion'] ?? '', '<unknown>')
    return [
      nameOf(node),
      nodeState(node),
      orElse(roles(node).join(','), '<none>'),
      age(node, now),
      info['kubeletVersion'] ?? '',
      address('InternalIP'),
      address('ExternalIP'),
      orElse(info['osImage'] ?? '', '<unknown>'),
      info['architecture'] ? `${kernel} (${info['architecture']})` : kernel,
      orElse(info['containerRuntimeVersion'] ?? '', '<unknown>'),
    ]
  },
}

function nodeState(node: Node): string {
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready')
  const words = [ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown']
  if (node.spec?.unschedulable) words.push('SchedulingDisabled')
  return words.join(',')
}

function roles({ metadata }: Node): string[] {
  const found = new Set<string>()
  for (const [key, value] of Object.entries(metadata.labels ?? {})) {
    if (key.startsWith(rolePrefix) && key.length > rolePrefix.length) found.add(key.slice(rolePrefix.length))
    else if (key === 'kubernetes.io/role' && value !== '') found.add(value)
  }
  return [...found].sort()
}

export const namespaceTable: TableView = {
  columns: [nameColumn, column('Status'), ageColumn],
  cells: (object, now) => [nameOf(object), textAt(object, 'status', 'phase'), age(object, now)],
}

export const leaseTable: TableView = {
  columns: [nameColumn, column('Holder'), ageColumn],
  cells: (object, now) => [nameOf(object), (object as Lease).spec?.holderIdentity ?? '', age(object, now)],
}

export const eventTable: TableView = {
  columns: [
    column('Last Seen'),
    column('Type'),
    column('Reason'),
    column('Object'),
    wide('Subobject'),
    wide('Source'),
    column('Message'),
    wide('First Seen'),
    wide('Count'),
    { ...nameColumn, priority: 1 },
  ],
  cells(object, now) {
    const event = object as Event
    const first = since(event.firstTimestamp || textAt(event, 'eventTime'), now)
    const series = textAt(event, 'series', 'lastObservedTime')
    const last = series !== '' ? since(series, now) : event.lastTimestamp ? since(event.lastTimestamp, now) : first
    const { kind = '', name = '' } = event.involvedObject ?? {}
    const component = event.source?.component || event.reportingComponent || ''
    const instance = event.source?.host || event.reportingInstance || ''
    return [
      last,
      event.type ?? '',
      event.reason ?? '',
      name === '' ? kind.toLowerCase() : `${kind.toLowerCase()}/${name}`,
      textAt(event, 'involvedObject', 'fieldPath'),
      instance === '' ? component : `${component}, ${instance}`,
      (event.message ?? '').trim(),
      first,
      Number(at(event, 'series', 'count') ?? (event.count || 1)),
      nameOf(event),
    ]
  },
}

export const deploymentTable: TableView = {
  columns: [
    nameColumn,
    column('Ready'),
    column('Up-to-date'),
    column('Available'),
    ageColumn,
    wide('Containers'),
    wide('Images'),
    wide('Selector'),
  ],
  cells(object, now) {
    const count = (field: string) => Number(at(object, 'status', field) ?? 0)
    const containers = at(object, 'spec', 'template', 'spec', 'containers')
    const list = Array.isArray(containers) ? containers : []
    const labels = at(object, 'spec', 'selector', 'matchLabels')
    return [
      nameOf(object),
      `${count('readyReplicas')}/${Number(at(object, 'spec', 'replicas') ?? 0)}`,
      count('updatedReplicas'),
      count('availableReplicas'),
      age(object, now),
      list.map((container) => textAt(container, 'name')).join(','),
      list.map((container) => textAt(container, 'image')).join(','),
      isObject(labels) ? formatLabels(labels as Record<string, string>) : '<none>',
    ]
  },
}

const size = (object: KubeObject, field: string): number =>
  Object.keys((at(object, field) as object | null) ?? {}).length

export const configMapTable: TableView = {
  columns: [nameColumn, column('Data'), ageColumn],
  cells: (object, now) => [nameOf(object), size(object, 'data') + size(object, 'binaryData'), age(object, now)],
}

export const secretTable: TableView = {
  columns: [nameColumn, column('Type'), column('Data'), ageColumn],
  cells: (object, now) => [nameOf(object), textAt(object, 'type'), size(object, 'data'), age(object, now)],
}

export const plainTable: TableView = {
  columns: [nameColumn, ageColumn],
  cells: (object, now) => [nameOf(object), age(object, now)],
}

export const definitionTable: TableView = {
  columns: [nameColumn, column('Created At', { type: 'date' })],
  cells: (object) => [nameOf(object), object.metadata.creationTimestamp ?? ''],
}
