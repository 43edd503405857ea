/**
 * Rules between clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy, and what an update may do with them.
 * Source: pkg/apis/core/validation ValidateServiceClusterIPsRelatedFields and the two upgrade/downgrade functions.
 */
import type { Service } from '../../../../kube/objects.ts'
import type { FieldError } from '../../strategy.ts'
import { duplicate, invalid, notSupported, required } from '../field-error.ts'
import { addressErrors, familyOf } from '../ip.ts'
import { isHeadless, needsClusterIp } from './traits.ts'

const policies = ['PreferDualStack', 'RequireDualStack', 'SingleStack']
const field = 'spec.clusterIPs'

export function clusterIpErrors(service: Service, old: Service | undefined): FieldError[] {
  if (!needsClusterIp(service)) return []
  const { spec } = service
  const addresses = spec.clusterIPs ?? []
  const errors = [...agreementErrors(service), ...familyErrors(service)]
  if (spec.ipFamilyPolicy !== undefined && !policies.includes(spec.ipFamilyPolicy)) {
    errors.push(notSupported('spec.ipFamilyPolicy', spec.ipFamilyPolicy, policies))
  }
  const malformed = addresses.flatMap((address, i) => {
    if (i > 0 || address !== 'None') return addressErrors(`${field}[${i}]`, address, old?.spec.clusterIPs)
    return addresses.length > 1 ? [invalid(field, addresses, "'None' must be the first and only value")] : []
  })
  errors.push(...malformed)
  if (addresses.length > 2) errors.push(invalid(field, addresses, 'may only hold up to 2 values'))
  if (malformed.length > 0) return errors
  // Go asks "are there both families": more than two addresses of both families pass here.
  if (addresses.length > 1 && new Set(addresses.map((address) => familyOf(address))).size < 2) {
    errors.push(invalid(field, addresses, 'may specify no more than one IP for each IP family'))
  }
  if (!isHeadless(service)) errors.push(...mismatchErrors(service))
  return errors
}

function agreementErrors({ spec }: Service): FieldError[] {
  const addresses = spec.clusterIPs ?? []
  if (spec.clusterIP) {
    if (addresses.length === 0) return [required(field)]
    if (addresses[0] !== spec.clusterIP) return [invalid(field, addresses, 'first value must match `clusterIP`')]
    return []
  }
  return addresses.length === 0 ? [] : [invalid(field, addresses, 'must be empty when `clusterIP` is not specified')]
}

function familyErrors({ spec }: Service): FieldError[] {
  const families = spec.ipFamilies ?? []
  return families.flatMap((family, i) => {
    const at = `spec.ipFamilies[${i}]`
    const errors: FieldError[] = []
    if (family !== 'IPv4' && family !== 'IPv6') errors.push(notSupported(at, family, ['IPv4', 'IPv6']))
    if (families.indexOf(family) < i) errors.push(duplicate(at, family))
    return errors
  })
}

function mismatchErrors({ spec }: Service): FieldError[] {
  const families = spec.ipFamilies ?? []
  return (spec.clusterIPs ?? []).flatMap((address, i) => {
    const family = families[i]
    if (family === undefined || familyOf(address) === family) return []
    return [invalid(`${field}[${i}]`, address, `expected an ${family} value as indicated by \`ipFamilies[${i}]\``)]
  })
}

/** The primary address and family stay; a second may come, or go under SingleStack. ExternalName is a fresh start. */
export function clusterIpUpdateErrors(service: Service, old: Service): FieldError[] {
  if (!needsClusterIp(service) || !needsClusterIp(old)) return []
  const headless = [isHeadless(service), isHeadless(old)]
  const errors: FieldError[] = []
  if (!headless.every(Boolean)) errors.push(...addressUpdateErrors(service, old))
  if (!headless.some(Boolean)) errors.push(...familyUpdateErrors(service, old))
  return errors
}

function addressUpdateErrors({ spec }: Service, { spec: before }: Service): FieldError[] {
  const now = spec.clusterIPs ?? []
  const was = before.clusterIPs ?? []
  const changed = (i: number) => invalid(`${field}[${i}]`, spec.clusterIPs, 'may not change once set')
  if (was.length === now.length) return was.flatMap((address, i) => (address === now[i] ? [] : [changed(i)]))
  const errors: FieldError[] = []
  if (now.length === 0) errors.push(invalid(`${field}[0]`, spec.clusterIPs, 'primary clusterIP can not be unset'))
  else if (was.length > 0 && now[0] !== was[0]) errors.push(changed(0))
  if (now.length === 1 && was.length > 1 && spec.ipFamilyPolicy !== 'SingleStack') {
    const text = "must be set to 'SingleStack' when releasing the secondary clusterIP"
    errors.push(invalid('spec.ipFamilyPolicy', spec.ipFamilyPolicy, text))
  }
  return errors
}

function familyUpdateErrors({ spec }: Service, { spec: before }: Service): FieldError[] {
  const now = spec.ipFamilies ?? []
  const was = before.ipFamilies ?? []
  const at = 'spec.ipFamilies[0]'
  if (was.length === now.length) {
    return was.flatMap((family, i) =>
      family === now[i] ? [] : [invalid(at, spec.ipFamilies, 'may not change once set')],
    )
  }
  const errors: FieldError[] = []
  if (was.length > now.length && !spec.clusterIPs?.length) {
    errors.push(invalid(at, spec.ipFamilies, 'primary ipFamily can not be unset'))
  }
  // The real server prints the addresses here, not the families.
  if (now.length > 0 && was.length > 0 && now[0] !== was[0]) {
    errors.push(invalid(at, spec.clusterIPs, 'may not change once set'))
  }
  if (now.length === 1 && was.length > 1 && spec.ipFamilyPolicy !== 'SingleStack') {
    const text = "must be set to 'SingleStack' when releasing the secondary ipFamily"
    errors.push(invalid('spec.ipFamilyPolicy', spec.ipFamilyPolicy, text))
  }
  return errors
}
