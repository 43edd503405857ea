/** What one look at a placement found: the facts that Service status, the LoadBalancer object and events are made of. Plain data. */
import type { Address, Protocol, Reason, TargetHealth } from '../../providers/contract.ts'

interface PortResult {
  port: number
  protocol: Protocol
  error?: string
}

export interface Outcome {
  state: 'Progressing' | 'Ready' | 'Failed' | 'Unsupported' | 'Releasing' | 'Released'
  /** CamelCase. */
  reason: string
  message: string
  /** Failed: which event tells people; 'never' when it passes by itself. */
  event: 'specific' | 'sync-failed' | 'never'
  /** undefined: the cloud could not be asked; what was known before still counts. */
  addresses: readonly Address[] | undefined
  /** Results by port, when the cloud gave any. */
  ports: readonly PortResult[]
  targets: readonly TargetHealth[]
  resources: readonly { kind: string; key: string; id: string; state: string }[]
  /** externalTrafficPolicy whose health checks are in effect; undefined while they are not. */
  policy: 'Cluster' | 'Local' | undefined
  /** Why it is Unsupported. */
  reasons: readonly Reason[]
  /** What people should know though all is done as asked. */
  notes: readonly Reason[]
  /** Whether this or an earlier look changed something in the cloud since the last time everything stood. */
  changed: boolean
}
