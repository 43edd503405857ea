/** Texts for `Warning:` headers on Service writes. Source: pkg/api/service/warnings.go (1.36, KEP-5707 for externalIPs). */
import type { Service } from '../../../../kube/objects.ts'
import { goQuote } from '../field-error.ts'
import { addressWarnings, blockWarnings } from '../ip.ts'

const hints = 'service.kubernetes.io/topology-aware-hints'
const mode = 'service.kubernetes.io/topology-mode'

export function serviceWarnings({ metadata, spec }: Service): string[] {
  const warnings: string[] = []
  const headless = spec.type === 'ClusterIP' && spec.clusterIP === 'None'
  const externalName = spec.type === 'ExternalName'
  const externalIPs = spec.externalIPs ?? []
  if (metadata.annotations?.[hints] !== undefined) {
    warnings.push(`annotation ${hints} is deprecated, please use ${mode} instead`)
  }
  if (!headless && !externalName && spec.clusterIP) {
    warnings.push(...(spec.clusterIPs ?? []).flatMap((ip, i) => addressWarnings(`spec.clusterIPs[${i}]`, ip)))
  }
  if (headless) {
    if (spec.loadBalancerIP) warnings.push('spec.loadBalancerIP is ignored for headless services')
    if (externalIPs.length > 0) warnings.push('spec.externalIPs is ignored for headless services')
    if (spec.sessionAffinity !== 'None') warnings.push('spec.SessionAffinity is ignored for headless services')
  }
  warnings.push(...externalIPs.flatMap((ip, i) => addressWarnings(`spec.externalIPs[${i}]`, ip)))
  if (externalIPs.length > 0 && !headless && !externalName) {
    warnings.push('spec.externalIPs is deprecated and may no longer be implemented in some clusters')
  }
  if (spec.loadBalancerIP) warnings.push(...addressWarnings('spec.loadBalancerIP', spec.loadBalancerIP))
  const ranges = spec.loadBalancerSourceRanges ?? []
  warnings.push(...ranges.flatMap((range, i) => blockWarnings(`spec.loadBalancerSourceRanges[${i}]`, range)))
  if (externalName && externalIPs.length > 0) {
    warnings.push('spec.externalIPs is ignored when spec.type is "ExternalName"')
  }
  if (!externalName && spec.externalName) {
    warnings.push('spec.externalName is ignored when spec.type is not "ExternalName"')
  }
  if (spec.trafficDistribution === 'PreferClose') {
    warnings.push(`spec.trafficDistribution: ${goQuote('PreferClose')} is deprecated; use ${goQuote('PreferSameZone')}`)
  }
  return warnings
}
