/**
 * What a Service's spec must hold after defaults and allocation. The order of the checks is kube-apiserver's, since the message lists
 * the faults in that order. Source: pkg/apis/core/validation/validation.go validateService.
 */
import type { Service } from '../../../../kube/objects.ts'
import type { FieldError } from '../../strategy.ts'
import { eachInvalid, forbidden, invalid, notSupported, required } from '../field-error.ts'
import { addressErrors, blockErrors, endpointAddressErrors } from '../ip.ts'
import { labelErrors } from '../object-meta.ts'
import { dns1123Subdomain, portNumber, qualifiedName } from '../syntax.ts'
import {
  hasNodePortType,
  isExternallyAccessible,
  isHeadless,
  needsHealthCheckPort,
  sourceRangesAnnotation,
} from './traits.ts'
import { clusterIpErrors } from './validation-cluster-ips.ts'
import { duplicatePortErrors, portErrors } from './validation-ports.ts'

const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']
const trafficPolicies = ['Cluster', 'Local']
const distributions = ['PreferClose', 'PreferSameZone', 'PreferSameNode']
const onlyLoadBalancer = "may only be used when `type` is 'LoadBalancer'"
const maxAffinityTimeoutSeconds = 86400

/** `old` undefined on create; values that it already had are not judged by newer rules. */
export function serviceErrors(service: Service, old: Service | undefined): FieldError[] {
  return [
    ...topologyErrors(service),
    ...typeSpecificErrors(service),
    ...portErrors(service),
    ...labelErrors(service.spec.selector, 'spec.selector'),
    ...affinityErrors(service),
    ...clusterIpErrors(service, old),
    ...externalIpErrors(service, old),
    ...typeErrors(service),
    ...duplicatePortErrors(service),
    ...sourceRangeErrors(service, old),
    ...allocationFlagErrors(service),
    ...classErrors(service),
    ...externalPolicyErrors(service),
    ...internalPolicyErrors(service),
    ...distributionErrors(service),
  ]
}

/** The class stays while the type stays. */
export function classUpdateErrors(service: Service, old: Service): FieldError[] {
  const both = service.spec.type === 'LoadBalancer' && old.spec.type === 'LoadBalancer'
  const { loadBalancerClass } = service.spec
  const changed = both && loadBalancerClass !== old.spec.loadBalancerClass
  const errors = changed ? [invalid('spec.loadBalancerClass', loadBalancerClass, 'may not change once set')] : []
  return [...errors, ...classErrors(service)]
}

export function healthCheckPortUpdateErrors(service: Service, old: Service): FieldError[] {
  if (!needsHealthCheckPort(service) || !needsHealthCheckPort(old)) return []
  if (service.spec.healthCheckNodePort === old.spec.healthCheckNodePort) return []
  return [forbidden('spec.healthCheckNodePort', 'field is immutable')]
}

function topologyErrors({ metadata }: Service): FieldError[] {
  const hints = 'service.kubernetes.io/topology-aware-hints'
  const mode = 'service.kubernetes.io/topology-mode'
  const { [hints]: before, [mode]: now } = metadata.annotations ?? {}
  if (before === undefined || now === undefined || before === now) return []
  return [invalid(`metadata.annotations[${mode}]`, now, `must match annotations[${hints}] when both are specified`)]
}

function typeSpecificErrors(service: Service): FieldError[] {
  const { spec } = service
  const errors: FieldError[] = []
  if (!spec.ports?.length && !isHeadless(service) && spec.type !== 'ExternalName') errors.push(required('spec.ports'))
  if (hasNodePortType(service) && isHeadless(service)) {
    errors.push(invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`))
  }
  if (spec.type !== 'ExternalName') return errors
  const notHere = 'may not be set for ExternalName services'
  if (spec.clusterIPs?.length) errors.push(forbidden('spec.clusterIPs', notHere))
  if (spec.ipFamilies?.length) errors.push(forbidden('spec.ipFamilies', notHere))
  if (spec.ipFamilyPolicy !== undefined) errors.push(forbidden('spec.ipFamilyPolicy', notHere))
  const name = (spec.externalName ?? '').replace(/\.$/, '')
  if (name === '') errors.push(required('spec.externalName'))
  else errors.push(...eachInvalid('spec.externalName', name, dns1123Subdomain(name)))
  return errors
}

function affinityErrors({ spec }: Service): FieldError[] {
  const { sessionAffinity, sessionAffinityConfig } = spec
  const field = 'spec.sessionAffinityConfig'
  if (!sessionAffinity) return [required('spec.sessionAffinity')]
  if (sessionAffinity === 'ClientIP') {
    const when = 'when session affinity type is ClientIP'
    if (sessionAffinityConfig === undefined) return [required(field, when)]
    if (sessionAffinityConfig.clientIP === undefined) return [required(`${field}.clientIP`, when)]
    const seconds = sessionAffinityConfig.clientIP.timeoutSeconds
    if (seconds === undefined) return [required(`${field}.clientIP.timeoutSeconds`, when)]
    if (seconds > 0 && seconds <= maxAffinityTimeoutSeconds) return []
    const text = `must be greater than 0 and less than ${maxAffinityTimeoutSeconds}`
    return [invalid(`${field}.clientIP.timeoutSeconds`, seconds, text)]
  }
  if (sessionAffinity !== 'None') {
    return [notSupported('spec.sessionAffinity', sessionAffinity, ['ClientIP', 'None'])]
  }
  return sessionAffinityConfig === undefined ? [] : [forbidden(field, 'must not be set when session affinity is None')]
}

function externalIpErrors({ spec }: Service, old: Service | undefined): FieldError[] {
  return (spec.externalIPs ?? []).flatMap((address, i) => {
    const field = `spec.externalIPs[${i}]`
    const errors = addressErrors(field, address, old?.spec.externalIPs)
    return errors.length > 0 ? errors : endpointAddressErrors(field, address)
  })
}

function typeErrors({ spec }: Service): FieldError[] {
  if (!spec.type) return [required('spec.type')]
  if (!types.includes(spec.type)) return [notSupported('spec.type', spec.type, types)]
  if (spec.type !== 'ClusterIP') return []
  return (spec.ports ?? []).flatMap((port, i) =>
    port.nodePort ? [forbidden(`spec.ports[${i}].nodePort`, "may not be used when `type` is 'ClusterIP'")] : [],
  )
}

/** The field wins over the annotation. Blanks around a range are part of the API; the path's spelling is the real one. */
function sourceRangeErrors({ spec, metadata }: Service, old: Service | undefined): FieldError[] {
  const ranges = spec.loadBalancerSourceRanges ?? []
  const foreign = (field: string) => (spec.type === 'LoadBalancer' ? [] : [forbidden(field, onlyLoadBalancer)])
  if (ranges.length > 0) {
    const field = 'spec.LoadBalancerSourceRanges'
    const accepted = (old?.spec.loadBalancerSourceRanges ?? []).map((range) => range.trim())
    return [...foreign(field), ...ranges.flatMap((range, i) => blockErrors(`${field}[${i}]`, range.trim(), accepted))]
  }
  const annotation = metadata.annotations?.[sourceRangesAnnotation]
  if (annotation === undefined) return []
  const field = `metadata.annotations[${sourceRangesAnnotation}]`
  const errors = foreign(field)
  if (old?.metadata.annotations?.[sourceRangesAnnotation] === annotation || annotation.trim() === '') return errors
  return [...errors, ...annotation.split(',').flatMap((range) => blockErrors(field, range.trim()))]
}

function allocationFlagErrors({ spec }: Service): FieldError[] {
  const set = spec.allocateLoadBalancerNodePorts !== undefined
  if (set && spec.type !== 'LoadBalancer') return [forbidden('spec.allocateLoadBalancerNodePorts', onlyLoadBalancer)]
  if (!set && spec.type === 'LoadBalancer') return [required('allocateLoadBalancerNodePorts')]
  return []
}

function classErrors({ spec }: Service): FieldError[] {
  const { loadBalancerClass } = spec
  if (loadBalancerClass === undefined) return []
  if (spec.type !== 'LoadBalancer') return [forbidden('spec.loadBalancerClass', onlyLoadBalancer)]
  return eachInvalid('spec.loadBalancerClass', loadBalancerClass, qualifiedName(loadBalancerClass))
}

function externalPolicyErrors(service: Service): FieldError[] {
  const { externalTrafficPolicy, healthCheckNodePort } = service.spec
  const errors: FieldError[] = []
  const field = 'spec.externalTrafficPolicy'
  if (!isExternallyAccessible(service)) {
    if (externalTrafficPolicy) {
      errors.push(invalid(field, externalTrafficPolicy, 'may only be set for externally-accessible services'))
    }
  } else if (!externalTrafficPolicy) errors.push(required(field))
  else if (!trafficPolicies.includes(externalTrafficPolicy)) {
    errors.push(notSupported(field, externalTrafficPolicy, trafficPolicies))
  }
  const portField = 'spec.healthCheckNodePort'
  if (!needsHealthCheckPort(service)) {
    if (healthCheckNodePort) {
      const text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
      errors.push(invalid(portField, healthCheckNodePort, text))
    }
  } else if (!healthCheckNodePort) errors.push(required(portField))
  else errors.push(...eachInvalid(portField, healthCheckNodePort, portNumber(healthCheckNodePort)))
  return errors
}

function internalPolicyErrors({ spec }: Service): FieldError[] {
  const { internalTrafficPolicy, type } = spec
  const field = 'spec.internalTrafficPolicy'
  if (internalTrafficPolicy === undefined) {
    return type === 'ClusterIP' || type === 'NodePort' || type === 'LoadBalancer' ? [required(field)] : []
  }
  return trafficPolicies.includes(internalTrafficPolicy)
    ? []
    : [notSupported(field, internalTrafficPolicy, trafficPolicies)]
}

function distributionErrors({ spec }: Service): FieldError[] {
  const { trafficDistribution } = spec
  if (trafficDistribution === undefined || distributions.includes(trafficDistribution)) return []
  return [notSupported('spec.trafficDistribution', trafficDistribution, distributions)]
}
