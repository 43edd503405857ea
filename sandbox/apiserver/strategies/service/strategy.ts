/**
 * Services: the strategy that ties defaults, allocation, validation and status together, over one pair of address and port spaces.
 */
import type { IPFamily, Service } from '../../../../kube/objects.ts'
import type { Strategy } from '../../strategy.ts'
import { canonicalise } from '../canonical.ts'
import { commonUpdateErrors, metaErrors, metaUpdateErrors, type MetaRules } from '../object-meta.ts'
import { dns1123Label } from '../syntax.ts'
import { allocateForCreate, allocateForUpdate, releaseAll, type ServiceSpaces } from './allocation.ts'
import { createClusterIps, type ClusterIps } from './cluster-ips.ts'
import { setServiceDefaults } from './defaults.ts'
import { createNodePorts, type PortRange } from './node-ports.ts'
import { serviceStatusErrors, serviceStatusWarnings } from './status.ts'
import { serviceWarnings } from './warnings.ts'
import { clusterIpUpdateErrors } from './validation-cluster-ips.ts'
import { classUpdateErrors, healthCheckPortUpdateErrors, serviceErrors } from './validation.ts'

export interface ServiceStrategyOptions {
  /** One or two CIDR blocks of different families; the first is the cluster's default. */
  serviceClusterIpRanges: readonly string[]
  serviceNodePortRange: PortRange
  /** Uniform in [0, 1). */
  random: () => number
}

// A DNS-1123 label since the gate RelaxedServiceNameValidation (KEP-5311) is on by default; before 1.36 a DNS-1035 label.
const rules: MetaRules = { namespaced: true, name: dns1123Label, kubeFinalizers: true, judgesGenerateName: true }

export function serviceStrategy(options: ServiceStrategyOptions): Strategy<Service> {
  const spaces = createSpaces(options)
  return {
    statusSubresource: true,
    countsGeneration: false,
    defaults: (service) => {
      canonicalise('Service', service)
      setServiceDefaults(service)
    },
    prepareForCreate: (service) => {
      service.status = { loadBalancer: {} }
    },
    prepareForUpdate: (service, old, subresource) => {
      if (subresource === 'status') service.spec = structuredClone(old.spec)
      else if (subresource === '') keepStatus(service, old)
    },
    validate: (service) => [...metaErrors(service.metadata, rules), ...serviceErrors(service, undefined)],
    validateUpdate: (service, old, subresource) => {
      const errors = [
        ...commonUpdateErrors(service.metadata, old.metadata, true),
        ...metaUpdateErrors(service.metadata, old.metadata, true),
      ]
      if (subresource === 'status') return [...errors, ...serviceStatusErrors(service, old)]
      return [
        ...errors,
        ...clusterIpUpdateErrors(service, old),
        ...classUpdateErrors(service, old),
        ...healthCheckPortUpdateErrors(service, old),
        ...serviceErrors(service, old),
      ]
    },
    warnings: (service, _old, subresource) =>
      subresource === 'status' ? serviceStatusWarnings(service) : serviceWarnings(service),
    allocate: (service, old, context) =>
      old === undefined
        ? allocateForCreate(spaces, service, context.dryRun)
        : allocateForUpdate(spaces, service, old, context.dryRun),
    release: (service) => releaseAll(spaces, service),
  }
}

function createSpaces({ serviceClusterIpRanges, serviceNodePortRange, random }: ServiceStrategyOptions): ServiceSpaces {
  const clusterIps = new Map<IPFamily, ClusterIps>()
  for (const [i, range] of serviceClusterIpRanges.entries()) {
    const space = createClusterIps(range, random, i === 0 ? 'default/kubernetes' : undefined)
    if (clusterIps.has(space.family)) throw new Error(`two service cluster IP ranges of family ${space.family}`)
    clusterIps.set(space.family, space)
  }
  return { clusterIps, nodePorts: createNodePorts(serviceNodePortRange, random) }
}

/** A Service that is no load balancer any more shows no address, though giving the load balancer back takes longer. */
function keepStatus(service: Service, old: Service): void {
  service.status = structuredClone(old.status ?? { loadBalancer: {} })
  if (service.spec.type !== 'LoadBalancer') service.status.loadBalancer = {}
}
