/** The columns of `kubectl get services`, `endpointslices` and `endpoints`. */
import type { Endpoints, EndpointSlice, Service } from '../../../kube/objects.ts'
import { age, ageColumn, column, formatLabels, nameColumn, nameOf, type TableView, wide, withMore } from './column.ts'

export const serviceTable: TableView = {
  columns: [
    nameColumn,
    column('Type'),
    column('Cluster-IP'),
    column('External-IP'),
    column('Port(s)'),
    ageColumn,
    wide('Selector'),
  ],
  cells(object, now) {
    const service = object as Service
    const { spec } = service
    return [
      nameOf(service),
      spec.type ?? '',
      spec.clusterIPs?.[0] ?? spec.clusterIP ?? '<none>',
      externalIp(service),
      portText(service),
      age(service, now),
      formatLabels(spec.selector),
    ]
  },
}

function externalIp({ spec, status }: Service): string {
  const own = spec.externalIPs ?? []
  if (spec.type === 'ExternalName') return spec.externalName ?? ''
  if (spec.type !== 'LoadBalancer') return own.length > 0 ? own.join(',') : '<none>'
  const addresses = new Set((status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || ''))
  addresses.delete('')
  const all = [...[...addresses].sort(), ...own]
  return all.length > 0 ? all.join(',') : '<pending>'
}

function portText({ spec }: Service): string {
  const ports = (spec.ports ?? []).map(({ port, nodePort, protocol }) =>
    nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`,
  )
  return ports.length > 0 ? ports.join(',') : '<none>'
}

export const endpointSliceTable: TableView = {
  columns: [nameColumn, column('AddressType'), column('Ports'), column('Endpoints'), ageColumn],
  cells(object, now) {
    const slice = object as EndpointSlice
    const ports = (slice.ports ?? []).map(({ port, name }) => String(port ?? name ?? '*'))
    const addresses = (slice.endpoints ?? []).flatMap((endpoint) => endpoint.addresses)
    return [nameOf(slice), slice.addressType, withMore(ports), withMore(addresses), age(slice, now)]
  },
}

export const endpointsTable: TableView = {
  columns: [nameColumn, column('Endpoints'), ageColumn],
  cells(object, now) {
    const list = ((object as Endpoints).subsets ?? []).flatMap(({ addresses, ports }) => {
      if (!ports || ports.length === 0) return (addresses ?? []).map(({ ip }) => ip)
      return ports.flatMap(({ port }) => (addresses ?? []).map(({ ip }) => hostPort(ip, port)))
    })
    return [nameOf(object), list.length === 0 ? '<none>' : withMore(list), age(object, now)]
  },
}

function hostPort(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
}
