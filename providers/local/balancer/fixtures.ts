/** Builders for the balancer's unit tests. */
import type { HealthCheckSpec, ListenerRequest, LoadBalancerRequest, Tags, TargetGroupRequest } from '../wire.ts'
import { parsePool } from './addresses.ts'
import type { Settings } from './model.ts'

export const tags: Tags = { cluster: 'c1', namespace: 'shop', name: 'web', uid: 'u1' }
export const otherTags: Tags = { ...tags, uid: 'u2' }

export const settings: Settings = {
  pools: { public: [parsePool('203.0.113.0/24'), parsePool('2001:db8:113::/64')], internal: [] },
  loadBalancerQuota: Infinity,
}

export function check(port = 10256): HealthCheckSpec {
  const thresholds = { healthyThreshold: 2, unhealthyThreshold: 2 }
  return { protocol: 'HTTP', port, path: '/healthz', intervalSeconds: 5, timeoutSeconds: 1, ...thresholds }
}

export function loadBalancer(
  changes: Partial<LoadBalancerRequest['spec']> & { name?: string; tags?: Tags } = {},
): LoadBalancerRequest {
  const { name = 'lb', tags: owner = tags, ...spec } = changes
  return {
    kind: 'load-balancer',
    name,
    tags: owner,
    spec: { scheme: 'public', families: ['IPv4'], requestedAddresses: [], ...spec },
  }
}

export function targetGroup(
  nodes: readonly number[] = [1, 2],
  changes: Partial<TargetGroupRequest['spec']> & { name?: string } = {},
): TargetGroupRequest {
  const { name = 'tg', ...spec } = changes
  const targets = nodes.map((node) => ({
    node: `node-${node}`,
    addresses: [`172.18.0.${10 + node}`, `fd00:18::${10 + node}`],
  }))
  return { kind: 'target-group', name, tags, spec: { healthCheck: check(), targets, drainSeconds: 10, ...spec } }
}

export function listener(
  changes: Partial<ListenerRequest['spec']> & { name?: string; tags?: Tags } = {},
): ListenerRequest {
  const { name = 'http', tags: owner = tags, ...spec } = changes
  return {
    kind: 'listener',
    name,
    tags: owner,
    spec: {
      loadBalancer: 'lb',
      targetGroup: 'tg',
      protocol: 'TCP',
      port: 80,
      forward: { mode: 'node-port', nodePort: 31000 },
      sourceRanges: [],
      affinitySeconds: 0,
      ...spec,
    },
  }
}
