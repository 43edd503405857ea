/**
 * What an update carries over from, or drops because of, the old Service. A value is dropped only when it no longer applies and the writer
 * left it alone; a changed one stays and fails validation. Source: pkg/registry/core/service/strategy.go and storage/storage.go.
 */
import type { Service } from '../../../../kube/objects.ts'
import {
  hasNodePortType,
  isExternallyAccessible,
  needsClusterIp,
  needsHealthCheckPort,
  nodePortsOf,
  sameList,
  wantsNodePorts,
} from './traits.ts'

/** Fills allocated values that the writer left out, so that sending the same manifest again is no change. */
export function keepAllocated(service: Service, old: Service): void {
  const { spec } = service
  if (needsClusterIp(old) && needsClusterIp(service)) {
    if (!spec.clusterIP && old.spec.clusterIP !== undefined) spec.clusterIP = old.spec.clusterIP
    if (!spec.clusterIPs?.length && old.spec.clusterIPs?.length) spec.clusterIPs = [...old.spec.clusterIPs]
  }
  if (wantsNodePorts(old) && wantsNodePorts(service)) {
    const current = new Set(nodePortsOf(service))
    const used = new Set(nodePortsOf(old).filter((port) => current.has(port)))
    const byName = new Map((old.spec.ports ?? []).map((port) => [port.name ?? '', port.nodePort]))
    for (const port of spec.ports ?? []) {
      const before = byName.get(port.name ?? '')
      if (!port.nodePort && before && !used.has(before)) port.nodePort = before
    }
  }
  if (needsHealthCheckPort(old) && needsHealthCheckPort(service) && !spec.healthCheckNodePort) {
    if (old.spec.healthCheckNodePort) spec.healthCheckNodePort = old.spec.healthCheckNodePort
  }
}

/** Keeps `clusterIP` and `clusterIPs` telling the same story when the writer touched only one of them. */
export function syncClusterIps(service: Service, old: Service | undefined): void {
  const { spec } = service
  if (old === undefined) {
    if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP]
    return
  }
  const before = old.spec.clusterIP ?? ''
  const now = spec.clusterIP ?? ''
  if (old.spec.clusterIPs?.length && !spec.clusterIPs?.length && before === now) {
    spec.clusterIPs = [...old.spec.clusterIPs]
  }
  if (before === now || !sameList(old.spec.clusterIPs, spec.clusterIPs)) return
  if (before !== '' && now === '') delete spec.clusterIPs
  else spec.clusterIPs = [now]
}

/** Drops fields that the new type does not have. Runs after allocation, as in kube-apiserver. */
export function dropForeignFields(service: Service, old: Service): void {
  const { spec } = service
  if (needsClusterIp(old) && !needsClusterIp(service)) {
    if ((spec.clusterIP ?? '') === (old.spec.clusterIP ?? '') && sameList(spec.clusterIPs, old.spec.clusterIPs)) {
      delete spec.clusterIP
      delete spec.clusterIPs
    }
    if (sameList(spec.ipFamilies, old.spec.ipFamilies)) delete spec.ipFamilies
    if (spec.ipFamilyPolicy === old.spec.ipFamilyPolicy) delete spec.ipFamilyPolicy
  }
  if (hasNodePortType(old) && !hasNodePortType(service)) {
    const before = new Set(nodePortsOf(old))
    if (nodePortsOf(service).every((port) => before.has(port))) {
      for (const port of spec.ports ?? []) delete port.nodePort
    }
  }
  if (needsHealthCheckPort(old) && !needsHealthCheckPort(service)) {
    if ((spec.healthCheckNodePort ?? 0) === (old.spec.healthCheckNodePort ?? 0)) delete spec.healthCheckNodePort
  }
  if (old.spec.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') {
    if (spec.allocateLoadBalancerNodePorts === old.spec.allocateLoadBalancerNodePorts) {
      delete spec.allocateLoadBalancerNodePorts
    }
    if (spec.loadBalancerClass === old.spec.loadBalancerClass) delete spec.loadBalancerClass
  }
  if (isExternallyAccessible(old) && !isExternallyAccessible(service)) {
    if (spec.externalTrafficPolicy === old.spec.externalTrafficPolicy) delete spec.externalTrafficPolicy
  }
  dropFromExternalName(service)
}

/** kube-apiserver stores it and hides it on every read. A value that validation will refuse is left for it to refuse. */
export function dropFromExternalName({ spec }: Service): void {
  const { internalTrafficPolicy: policy } = spec
  if (spec.type === 'ExternalName' && (policy === 'Cluster' || policy === 'Local')) delete spec.internalTrafficPolicy
}
