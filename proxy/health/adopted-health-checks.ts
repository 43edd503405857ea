/**
 * What health check node ports answer between the start of the proxy and its first lists, from what a previous process has left in the
 * kernel: load balancers go on asking meanwhile, and a node that refuses is taken out. Pure.
 * An address counts as an endpoint here when the Service's ClusterIP leads to it and it stands among the local ones (`hairpin`).
 */
import { type ElementSet, partsOf } from '../rules/elements.ts'
import type { HealthCheck } from '../rules/ruleset.ts'

/** The Services' names are not in the kernel and stay empty. */
export function adoptedHealthChecks(elements: ElementSet): HealthCheck[] {
  const ports = new Map<number, string>()
  const local = new Set<string>()
  for (const id of elements.keys()) {
    const { map, key } = partsOf(id)
    if (map === 'health-ports') ports.set(Number(key), elements.get(id) ?? '')
    else if (map === 'hairpin') local.add(key.split(' . ')[0] ?? '')
  }
  if (ports.size === 0) return []
  const wanted = new Set(ports.values())
  const found = new Map<string, Set<string>>()
  for (const [id, target] of elements) {
    const { map, key } = partsOf(id)
    if (map !== 'ep') continue
    const frontend = key.slice(0, key.indexOf(' . '))
    const endpoint = target.slice(0, target.indexOf(' . '))
    if (!wanted.has(frontend) || !local.has(endpoint)) continue
    found.set(frontend, (found.get(frontend) ?? new Set()).add(endpoint))
  }
  return [...ports].map(([port, clusterIp]) => ({
    port,
    service: '/',
    localEndpoints: found.get(clusterIp)?.size ?? 0,
  }))
}
