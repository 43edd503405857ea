/** What an operator is told besides its clients: plain values with the defaults of the flags. */
import type { PortRange } from '../reconcilers/nodeports/allocate.ts'

export interface OperatorConfig {
  /** Cluster id: separates clusters that share a cloud account. A DNS label. */
  cluster: string
  /** Every placement and document is looked at again within this time. */
  driftIntervalMs: number
  /** Node changes are collected for so long. */
  nodeWindowMs: number
  /** Workers for Services, and for each cloud. */
  concurrency: number
  /** How often clouds are searched for load balancers without a Service; 0: never. */
  orphanIntervalMs: number
  /** Remove what the search finds, after it was found twice. */
  deleteOrphans: boolean
  /** --service-node-port-range of the API server. */
  nodePortRange: PortRange
}

export const defaultConfig: Omit<OperatorConfig, 'cluster'> = {
  driftIntervalMs: 180_000,
  nodeWindowMs: 1000,
  concurrency: 8,
  orphanIntervalMs: 600_000,
  deleteOrphans: false,
  nodePortRange: { from: 30000, to: 32767 },
}
