/** Small words for the traffic tests: a Service on the balancer, who answered, waiting for a condition. */
import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'
import { stepsTo } from '../../providers/conformance-world.ts'
import type { LoadBalancerSpec, Provider } from '../../providers/contract.ts'
import { createLocalProvider } from '../../providers/local/provider.ts'
import { plan } from '../../providers/plan.ts'
import type { AgentCalls, EchoAnswer } from './agent.ts'
import type { Network } from './network.ts'
import { healthPort, nodeAddresses, nodePort } from './network.ts'

export type Changes = Partial<Omit<LoadBalancerSpec, 'nodes'>> & { nodes?: readonly string[] }

export interface Service {
  provider: Provider
  /** Primary first. */
  addresses: readonly string[]
  /** Brings the balancer there and waits until nothing is pending. */
  become(changes: Changes): Promise<void>
  /** Sends the change and does not wait for health checks. */
  send(changes: Changes): Promise<void>
  state(): Promise<'ready' | 'pending'>
  targets(): Promise<Record<string, string>>
  remove(): Promise<void>
  /** What may be done of a slow delete by now; the kinds of objects that are left. */
  leave(): Promise<string[]>
}

let services = 0

export async function startService(network: Network, first: Changes = {}): Promise<Service> {
  const provider = createLocalProvider(network.cloud)
  const owner = { cluster: 'c1', namespace: 'shop', name: `web-${++services}`, uid: `uid-${services}` }
  let changes = first
  const spec = (): LoadBalancerSpec => ({ ...base(owner, [...network.nodes.keys()]), ...withNodes(changes) })
  const observe = () => provider.observe(owner, new AbortController().signal)
  const service: Service = {
    provider,
    addresses: [],
    async send(next) {
      changes = { ...changes, ...next }
      for (const step of await stepsTo(provider, spec())) await provider.execute(step, new AbortController().signal)
    },
    async become(next) {
      await service.send(next)
      await until(async () => (await service.state()) === 'ready', 'the target group is ready')
    },
    async state() {
      return (await observe()).every(({ state }) => state === 'ready') ? 'ready' : 'pending'
    },
    async targets() {
      const health = provider.targets(await observe(), [])
      return Object.fromEntries(
        health.map(({ node, healthy, draining }) => [node, draining ? 'draining' : healthy ? 'healthy' : 'unhealthy']),
      )
    },
    async remove() {
      for (const step of await stepsTo(provider, undefined, owner))
        await provider.execute(step, new AbortController().signal)
      assert.deepEqual(await observe(), [])
    },
    async leave() {
      for (;;) {
        const steps = plan([], await observe(), undefined, { now: Date.now() })
        if (steps.length === 0) return (await observe()).map(({ kind }) => kind).sort()
        for (const step of steps) await provider.execute(step, new AbortController().signal)
      }
    },
  }
  await service.become({})
  const published = provider.addresses(await observe())
  assert.ok(published.kind === 'ready', JSON.stringify(published))
  return Object.assign(service, { addresses: published.addresses.map(({ ip }) => ip ?? '') })
}

function withNodes({ nodes, ...changes }: Changes): Partial<LoadBalancerSpec> {
  return { ...changes, ...(nodes ? { nodes: nodes.map(targetNode) } : {}) }
}

function targetNode(name: string) {
  return { name, providerId: `roadstead-local://test/${name}`, addresses: nodeAddresses(name) }
}

function base(owner: LoadBalancerSpec['owner'], nodes: readonly string[]): LoadBalancerSpec {
  return {
    owner,
    className: 'local',
    scheme: 'public',
    families: ['IPv4', 'IPv6'],
    ports: (['TCP', 'UDP'] as const).map((protocol) => ({
      name: protocol.toLowerCase(),
      protocol,
      port: 80,
      nodePort,
    })),
    policy: 'Cluster',
    healthCheck: check(healthPort),
    sourceRanges: [],
    affinity: { kind: 'None' },
    requestedAddresses: [],
    drainSeconds: 30,
    nodes: nodes.map(targetNode),
    parameters: {},
  }
}

export function check(port: number, intervalSeconds = 0.3): LoadBalancerSpec['healthCheck'] {
  return {
    protocol: 'HTTP',
    port,
    path: '/healthz',
    intervalSeconds,
    timeoutSeconds: 0.3,
    healthyThreshold: 1,
    unhealthyThreshold: 2,
  }
}

/** Node -> how many of the answers it gave. Fails when one is no answer. */
export function byNode(answers: readonly (EchoAnswer | { error: string })[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const answer of answers) {
    assert.ok('node' in answer, JSON.stringify(answer))
    counts[answer.node] = (counts[answer.node] ?? 0) + 1
  }
  return counts
}

export async function ask(
  network: Network,
  host: string,
  { protocol = 'TCP', port = 80, count = 40, timeoutMs = 3000 }: Partial<AgentCalls['ask']['args']> = {},
) {
  return network.client.call('ask', { host, port, protocol, count, timeoutMs })
}

export async function until(condition: () => Promise<boolean>, what: string, limitMs = 10_000): Promise<void> {
  const deadline = Date.now() + limitMs
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `waited ${limitMs} ms in vain until ${what}`)
    await wait(50)
  }
}
