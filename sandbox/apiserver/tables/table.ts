/**
 * meta.k8s.io/v1 Table and PartialObjectMetadata: how `kubectl get` and metadata-only clients see objects.
 */
import type { KubeObject } from '../../../kube/objects.ts'
import type { Resource } from '../resource.ts'
import {
  configMapTable,
  definitionTable,
  deploymentTable,
  eventTable,
  leaseTable,
  namespaceTable,
  nodeTable,
  plainTable,
  secretTable,
} from './cluster.ts'
import type { TableView } from './column.ts'
import { customTable } from './custom.ts'
import { podTable } from './pods.ts'
import { endpointSliceTable, endpointsTable, serviceTable } from './services.ts'

const views: Readonly<Record<string, TableView>> = {
  configmaps: configMapTable,
  customresourcedefinitions: definitionTable,
  deployments: deploymentTable,
  endpoints: endpointsTable,
  endpointslices: endpointSliceTable,
  events: eventTable,
  leases: leaseTable,
  namespaces: namespaceTable,
  nodes: nodeTable,
  pods: podTable,
  secrets: secretTable,
  services: serviceTable,
}

export function tableView({ kind, definition }: Resource): TableView {
  if (definition) return customTable(definition)
  return views[kind.type.plural] ?? plainTable
}

export type IncludeObject = 'None' | 'Metadata' | 'Object'

interface TableOptions {
  view: TableView
  include: IncludeObject
  now: number
  metadata: Record<string, unknown>
  /** Later events of a watch leave them out. */
  headers: boolean
}

export function tableOf(objects: readonly KubeObject[], options: TableOptions): Record<string, unknown> {
  const { view, include, now, metadata, headers } = options
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: headers ? view.columns : [],
    rows: objects.map((object) => ({ cells: view.cells(object, now), object: included(object, include) })),
  }
}

function included(object: KubeObject, include: IncludeObject): unknown {
  if (include === 'None') return null
  return include === 'Object' ? object : partial(object)
}

export function partial(object: KubeObject): Record<string, unknown> {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata }
}
