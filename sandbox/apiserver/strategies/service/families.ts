/**
 * ipFamilyPolicy and ipFamilies: what a Service gets when it does not say, and which combinations the cluster can serve.
 * Source: pkg/registry/core/service/storage/alloc.go initIPFamilyFields (KEP-563). Runs before addresses are allocated.
 */
import type { IPFamily, Service } from '../../../../kube/objects.ts'
import type { FieldError } from '../../strategy.ts'
import { invalid } from '../field-error.ts'
import { familyOf } from '../ip.ts'
import { invalidFailure } from '../status-failure.ts'
import { hasSelector, needsClusterIp, sameList } from './traits.ts'
import { clusterIpErrors } from './validation-cluster-ips.ts'

const other: Record<IPFamily, IPFamily> = { IPv4: 'IPv6', IPv6: 'IPv4' }
const policyField = 'spec.ipFamilyPolicy'

/** Fills the two fields in place; throws 422. `families`: those of the cluster, the default one first. */
export function initFamilies(service: Service, old: Service | undefined, families: readonly IPFamily[]): void {
  const { spec } = service
  if (!needsClusterIp(service) || isSettledPreferDualStack(service, old)) return
  spec.ipFamilyPolicy ??= old?.spec.ipFamilyPolicy ?? defaultPolicy(service)
  refuse(service, clusterIpErrors(service, old))

  const errors: FieldError[] = []
  if (old !== undefined) errors.push(...reduce(service, old))
  if (spec.ipFamilyPolicy === 'SingleStack') errors.push(...severalInSingleStack(service))
  errors.push(...inferFamilies(service, families))
  refuse(service, errors)

  if (spec.clusterIP === 'None' && !hasSelector(service)) {
    spec.ipFamilies = withFamily(spec.ipFamilies, families)
    if (spec.ipFamilyPolicy !== 'SingleStack') completeFamilies(service)
    return
  }
  refuse(service, unconfigured(service, families))
  spec.ipFamilies = withFamily(spec.ipFamilies, families)
  if (spec.ipFamilyPolicy !== 'SingleStack' && families.length === 2) completeFamilies(service)
}

/** A PreferDualStack Service whose addresses the writer left alone is neither upgraded nor downgraded. */
export function isSettledPreferDualStack(service: Service, old: Service | undefined): boolean {
  if (old === undefined || old.spec.type !== service.spec.type || !needsClusterIp(service)) return false
  if (service.spec.ipFamilyPolicy !== 'PreferDualStack') return false
  if (old.spec.ipFamilyPolicy !== undefined && old.spec.ipFamilyPolicy !== 'PreferDualStack') return false
  return (
    sameList(old.spec.clusterIPs, service.spec.clusterIPs) && sameList(old.spec.ipFamilies, service.spec.ipFamilies)
  )
}

function defaultPolicy(service: Service): 'RequireDualStack' | 'SingleStack' {
  return service.spec.clusterIP === 'None' && !hasSelector(service) ? 'RequireDualStack' : 'SingleStack'
}

function withFamily(chosen: IPFamily[] | undefined, families: readonly IPFamily[]): IPFamily[] {
  return chosen?.length ? chosen : families.slice(0, 1)
}

function completeFamilies({ spec }: Service): void {
  const [first] = spec.ipFamilies ?? []
  if (first !== undefined && spec.ipFamilies?.length === 1) spec.ipFamilies = [first, other[first]]
}

/** SingleStack releases what was second; any other policy must not lose it. */
function reduce({ spec }: Service, old: Service): FieldError[] {
  if (spec.ipFamilyPolicy === 'SingleStack') {
    if (sameList(old.spec.clusterIPs, spec.clusterIPs)) spec.clusterIPs = spec.clusterIPs?.slice(0, 1) ?? []
    if (sameList(old.spec.ipFamilies, spec.ipFamilies)) spec.ipFamilies = spec.ipFamilies?.slice(0, 1) ?? []
    return []
  }
  const lost = (now: readonly string[] | undefined, before: readonly string[] | undefined) =>
    (now?.length ?? 0) > 0 && (now?.length ?? 0) < (before?.length ?? 0)
  const errors: FieldError[] = []
  if (lost(spec.clusterIPs, old.spec.clusterIPs)) {
    errors.push(invalid(policyField, spec.ipFamilyPolicy, "must be 'SingleStack' to release the secondary cluster IP"))
  }
  if (lost(spec.ipFamilies, old.spec.ipFamilies)) {
    errors.push(invalid(policyField, spec.ipFamilyPolicy, "must be 'SingleStack' to release the secondary IP family"))
  }
  return errors
}

function severalInSingleStack({ spec }: Service): FieldError[] {
  const text = (what: string) => `must be 'RequireDualStack' or 'PreferDualStack' when multiple ${what} are specified`
  const errors: FieldError[] = []
  if (spec.clusterIPs?.length === 2) errors.push(invalid(policyField, spec.ipFamilyPolicy, text('cluster IPs')))
  if (spec.ipFamilies?.length === 2) errors.push(invalid(policyField, spec.ipFamilyPolicy, text('IP families')))
  return errors
}

/** Families that follow from the addresses asked for. */
function inferFamilies({ spec }: Service, families: readonly IPFamily[]): FieldError[] {
  const errors: FieldError[] = []
  for (const [i, address] of (spec.clusterIPs ?? []).entries()) {
    if (address === 'None') break
    if (i < (spec.ipFamilies?.length ?? 0)) continue
    const family = familyOf(address)
    if (families.includes(family)) spec.ipFamilies = [...(spec.ipFamilies ?? []), family]
    else errors.push(invalid(`spec.clusterIPs[${i}]`, spec.clusterIPs, `${family} is not configured on this cluster`))
  }
  return errors
}

function unconfigured({ spec }: Service, families: readonly IPFamily[]): FieldError[] {
  const errors: FieldError[] = []
  if (spec.ipFamilyPolicy === 'RequireDualStack' && families.length < 2) {
    errors.push(invalid(policyField, spec.ipFamilyPolicy, 'this cluster is not configured for dual-stack services'))
  }
  for (const [i, family] of (spec.ipFamilies ?? []).entries()) {
    if (!families.includes(family)) {
      errors.push(invalid(`spec.ipFamilies[${i}]`, family, 'not configured on this cluster'))
    }
  }
  return errors
}

function refuse(service: Service, errors: FieldError[]): void {
  if (errors.length > 0) throw invalidFailure({ group: '', kind: 'Service' }, service.metadata.name ?? '', errors)
}
