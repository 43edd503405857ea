/** The pure half of the AWS provider: everything but observe, owners, documents and execute. */
import type { Features, Provider } from '../contract.ts'
import { addresses } from './addresses.ts'
import { lower, lowerDefaults } from './lower.ts'
import type { LowerOptions } from './lower.ts'
import { hints } from './hints.ts'
import { assemble, defaultNodeRuleCap, fragmentsOf } from './node-rules.ts'
import { parameterMeanings } from './parameters.ts'
import { listenersPerLoadBalancer } from './port-groups.ts'
import { moveNotes } from './moves.ts'
import { unprotected } from './protection.ts'
import { refine } from './refine.ts'
import { targetHealth, targetNotes } from './targets.ts'

export interface CoreOptions extends Partial<LowerOptions> {
  /** Rules of ours in one security group of the nodes. */
  nodeRuleCap?: number
}

export const features: Features = {
  protocols: ['TCP', 'UDP'],
  dualStack: true,
  withoutNodePorts: false,
  sourceRanges: true,
  clientIpAffinity: true,
  requestedAddress: false,
  parameters: parameterMeanings,
  limits: { portsPerLoadBalancer: listenersPerLoadBalancer, targetsPerLoadBalancer: 500 },
}

type Core = Pick<Provider, 'name' | 'features' | 'ownsNode' | 'lower' | 'assemble' | 'addresses' | 'targets'> &
  Required<Pick<Provider, 'refine' | 'fragments' | 'letGo' | 'notes' | 'hints'>>

export function awsCore({ nodeRuleCap = defaultNodeRuleCap, ...options }: CoreOptions = {}): Core {
  const lowering = { ...lowerDefaults, ...options }
  return {
    name: 'aws',
    features,
    ownsNode: (providerId) => providerId.startsWith('aws://'),
    lower: (spec) => lower(spec, lowering),
    assemble: assemble(nodeRuleCap),
    refine: (steps) => refine(steps, nodeRuleCap),
    fragments: fragmentsOf,
    addresses,
    letGo: unprotected,
    targets: targetHealth,
    notes: (observed, nodes) => [...targetNotes(observed, nodes), ...moveNotes(observed)],
    hints,
  }
}
