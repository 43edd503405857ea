/** What may stand in a Service's status. Source: pkg/apis/core/validation ValidateLoadBalancerStatus (KEP-1860 for ipMode). */
import type { Service } from '../../../../kube/objects.ts'
import type { FieldError } from '../../strategy.ts'
import { eachInvalid, forbidden, invalid, notSupported, required } from '../field-error.ts'
import { addressErrors, addressWarnings, parseAddress } from '../ip.ts'
import { dns1123Subdomain } from '../syntax.ts'

const field = 'status.loadBalancer.ingress'
const ipModes = ['Proxy', 'VIP']

export function serviceStatusErrors(service: Service, old: Service): FieldError[] {
  const ingress = service.status?.loadBalancer?.ingress ?? []
  if (service.spec.type !== 'LoadBalancer' && ingress.length > 0) {
    return [forbidden(field, "may only be used when `spec.type` is 'LoadBalancer'")]
  }
  const accepted = (old.status?.loadBalancer?.ingress ?? []).flatMap((entry) => (entry.ip ? [entry.ip] : []))
  return ingress.flatMap((entry, i) => {
    const at = `${field}[${i}]`
    const errors = entry.ip ? addressErrors(`${at}.ip`, entry.ip, accepted) : []
    if (entry.ipMode === undefined) {
      if (entry.ip) errors.push(required(`${at}.ipMode`, 'must be specified when `ip` is set'))
    } else if (!entry.ip) errors.push(forbidden(`${at}.ipMode`, 'may not be specified when `ip` is not set'))
    else if (!ipModes.includes(entry.ipMode)) errors.push(notSupported(`${at}.ipMode`, entry.ipMode, ipModes))
    if (entry.hostname) {
      errors.push(...eachInvalid(`${at}.hostname`, entry.hostname, dns1123Subdomain(entry.hostname)))
      if (parseAddress(entry.hostname) !== undefined) {
        errors.push(invalid(`${at}.hostname`, entry.hostname, 'must be a DNS name, not an IP address'))
      }
    }
    return errors
  })
}

export function serviceStatusWarnings(service: Service): string[] {
  return (service.status?.loadBalancer?.ingress ?? []).flatMap((entry, i) =>
    entry.ip ? addressWarnings(`${field}[${i}]`, entry.ip) : [],
  )
}
