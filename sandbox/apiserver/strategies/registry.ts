/** The strategies of the built-in kinds by REST plural name, over address and port spaces of their own. */
import type { Strategy } from '../strategy.ts'
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
  return new Map<string, Strategy>([['services', serviceStrategy(options)]])
}
