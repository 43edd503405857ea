/**
 * The cluster as a table of text: Services with their addresses and targets, Pods, nodes. Pure: objects in, lines out.
 * Used for the live screen of `roadstead up` and, line by line, where stdout is no terminal.
 */
import type { KubeObject, Node, Pod, Service } from '../kube/objects.ts'

/** The part of a LoadBalancer object that is shown. */
export interface ShownLoadBalancer extends KubeObject {
  /** `targets` is healthy/total. */
  status?: { targets?: string }
}

export interface ClusterView {
  services: readonly Service[]
  loadBalancers: readonly ShownLoadBalancer[]
  pods: readonly Pod[]
  nodes: readonly Node[]
}

/** One row per Service of type LoadBalancer, then Pods per node. Lines are cut at `columns`. */
export function liveTable(view: ClusterView, columns: number): string[] {
  const services = view.services.filter((service) => service.spec.type === 'LoadBalancer')
  const lines = [
    ...table(
      ['SERVICE', 'ADDRESS', 'PORTS', 'TARGETS', 'PODS'],
      services.map((service) => [
        name(service),
        addresses(service),
        ports(service),
        targets(service, view.loadBalancers),
        podsOf(service, view.pods),
      ]),
    ),
    '',
    ...table(
      ['NODE', 'READY', 'ADDRESS', 'PODS'],
      view.nodes.map((node) => [
        node.metadata.name ?? '',
        readiness(node),
        node.status?.addresses?.find((address) => address.type === 'InternalIP')?.address ?? '',
        view.pods
          .filter((pod) => pod.spec.nodeName === node.metadata.name)
          .map((pod) => `${pod.metadata.name}${isReady(pod) ? '' : ` (${podState(pod)})`}`)
          .join(' '),
      ]),
    ),
  ]
  return lines.map((line) => (line.length > columns ? `${line.slice(0, Math.max(0, columns - 1))}…` : line))
}

/** One line a Service, for output that is not a terminal. */
export function serviceLines(view: ClusterView): Map<string, string> {
  const services = view.services.filter((service) => service.spec.type === 'LoadBalancer')
  return new Map(
    services.map((service) => [
      name(service),
      `${name(service)}  address ${addresses(service)}  targets ${targets(service, view.loadBalancers)}  pods ${podsOf(service, view.pods)}`,
    ]),
  )
}

/** First address of a Service, or undefined. */
export function firstAddress(service: Service): string | undefined {
  const entry = service.status?.loadBalancer?.ingress?.[0]
  return entry?.ip ?? entry?.hostname
}

export function isReady(pod: Pod): boolean {
  return (
    pod.metadata.deletionTimestamp === undefined &&
    pod.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') === true
  )
}

function table(head: string[], rows: string[][]): string[] {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  return [head, ...rows].map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

function name(object: KubeObject): string {
  return `${object.metadata.namespace}/${object.metadata.name}`
}

function addresses(service: Service): string {
  const found = (service.status?.loadBalancer?.ingress ?? []).flatMap((entry) => entry.ip ?? entry.hostname ?? [])
  return found.length > 0 ? found.join(',') : '<pending>'
}

function ports(service: Service): string {
  return (service.spec.ports ?? [])
    .map((port) => `${port.port}${port.nodePort === undefined ? '' : `:${port.nodePort}`}/${port.protocol ?? 'TCP'}`)
    .join(',')
}

function targets(service: Service, loadBalancers: readonly ShownLoadBalancer[]): string {
  return loadBalancers.find((entry) => name(entry) === name(service))?.status?.targets ?? '-'
}

function podsOf(service: Service, pods: readonly Pod[]): string {
  const selector = Object.entries(service.spec.selector ?? {})
  if (selector.length === 0) return '-'
  const mine = pods.filter(
    (pod) =>
      pod.metadata.namespace === service.metadata.namespace &&
      selector.every(([key, value]) => pod.metadata.labels?.[key] === value),
  )
  return `${mine.filter(isReady).length}/${mine.length}`
}

function readiness(node: Node): string {
  const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready')?.status === 'True'
  const leaving = node.spec?.taints?.some((taint) => taint.key === 'ToBeDeletedByClusterAutoscaler') === true
  return `${ready ? 'yes' : 'no'}${leaving ? ',leaving' : ''}${node.spec?.unschedulable === true ? ',cordoned' : ''}`
}

function podState(pod: Pod): string {
  if (pod.metadata.deletionTimestamp !== undefined) return 'terminating'
  return (pod.status?.phase ?? 'Pending').toLowerCase()
}
