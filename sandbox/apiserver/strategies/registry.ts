/** The strategies of the built-in kinds by REST plural name, over address and port spaces of their own. */
import type { Strategy } from '../strategy.ts'
import { configMapStrategy } from './configmaps.ts'
import { deploymentStrategy } from './deployments.ts'
import { endpointsStrategy } from './endpoints.ts'
import { endpointSliceStrategy } from './endpointslices.ts'
import { eventStrategy } from './events.ts'
import { leaseStrategy } from './leases.ts'
import { namespaceStrategy } from './namespaces.ts'
import { nodeStrategy } from './nodes.ts'
import { podStrategy } from './pods/strategy.ts'
import type { PortRange } from './service/node-ports.ts'
import { serviceStrategy } from './service/strategy.ts'

export interface StrategyOptions {
  /** `--service-cluster-ip-range`: one CIDR block, or one of each family. */
  serviceClusterIpRanges: readonly string[]
  serviceNodePortRange: PortRange
  /** Uniform in [0, 1). */
  random: () => number
}

export function builtinStrategies(options: StrategyOptions): ReadonlyMap<string, Strategy> {
  return new Map<string, Strategy>([
    ['configmaps', configMapStrategy()],
    ['deployments', deploymentStrategy()],
    ['endpoints', endpointsStrategy()],
    ['endpointslices', endpointSliceStrategy()],
    ['events', eventStrategy()],
    ['leases', leaseStrategy()],
    ['namespaces', namespaceStrategy()],
    ['nodes', nodeStrategy()],
    ['pods', podStrategy()],
    ['services', serviceStrategy(options)],
  ])
}
