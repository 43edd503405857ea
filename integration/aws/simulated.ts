/**
 * A whole operator on AWS in one process and in virtual time: an API server without sockets, the AWS fake with AWS's phases, lag and buckets,
 * and operators that can be dropped at any call and started again. Everything follows from the seed.
 */
import type { LoadBalancerClass } from '../../crds/load-balancer-class.ts'
import { loadBalancerClasses } from '../../crds/load-balancer-class.ts'
import { sleep } from '../../kube/clock.ts'
import type { KubeClient } from '../../kube/client.ts'
import { silent } from '../../kube/log.ts'
import type { Log } from '../../kube/log.ts'
import type { Event, Node, Service } from '../../kube/objects.ts'
import { nodes, services } from '../../kube/resources.ts'
import { createVirtualClock } from '../../kube/virtual-clock.ts'
import type { VirtualClock } from '../../kube/virtual-clock.ts'
import { createOperator } from '../../operator/assemble.ts'
import { createBucket } from '../../operator/budget.ts'
import { defaultConfig } from '../../operator/config.ts'
import type { OperatorConfig } from '../../operator/config.ts'
import { withRetry } from '../../operator/retry.ts'
import type { Action, AwsCloud } from '../../providers/aws/cloud.ts'
import { actions, around } from '../../providers/aws/cloud.ts'
import { createFakeAws } from '../../providers/aws/fake.ts'
import type { FakeAws, FakeAwsOptions } from '../../providers/aws/fake.ts'
import type { Call } from '../../providers/aws/fake/faults.ts'
import { inventoryOf } from '../../providers/aws/fake/inventory.ts'
import { putInstance, seed } from '../../providers/aws/fake/seed.ts'
import type { Seeded } from '../../providers/aws/fake/seed.ts'
import { paced } from '../../providers/aws/paced.ts'
import { createAwsProvider } from '../../providers/aws/provider.ts'
import { instanceId } from '../../providers/aws/world.ts'
import { createApi } from '../../sandbox/apiserver/api.ts'
import { inProcessClient } from '../../sandbox/apiserver/in-process-client.ts'
import { crashGate, gatedClient, runUntil } from '../operator/dropped.ts'
import type { Crash, RunningOperator } from '../operator/dropped.ts'
import { seededRandom } from '../operator/seeded-random.ts'
import { absent, eventsOf, installCrds, loadBalancerClass, node, webService } from '../operator/world.ts'

export interface SimulationOptions {
  seed?: number
  nodes?: number
  aws?: FakeAwsOptions
  /** Of each AWS call. */
  latencyMs?: number
  config?: Partial<OperatorConfig>
  class?: Partial<LoadBalancerClass['spec']>
  /** Parameters of the class for AWS. */
  parameters?: Record<string, string>
  log?: Log
}

export interface Simulation {
  clock: VirtualClock
  client: KubeClient
  aws: FakeAws
  base: Seeded
  /** Its AWS calls count for a crash. */
  start: (crash?: Crash, log?: Log) => RunningOperator
  /** Lets time pass until nobody has written anything for `stillMs`, at most `limitMs`; what passed, without the stillness. */
  quiet: (stillMs?: number, limitMs?: number) => Promise<number>
  /** Lets time pass until it holds, looking every `stepMs`; what passed. Throws after `limitMs`. */
  until: (holds: () => Promise<boolean> | boolean, what: string, limitMs?: number, stepMs?: number) => Promise<number>
  /** A node with a running instance, in zone number modulo three. */
  addNode: (number: number, more?: Partial<Node>) => Promise<void>
  removeNode: (number: number) => Promise<void>
  create: (name: string, spec?: Partial<Service['spec']>, annotations?: Record<string, string>) => Promise<Service>
  patch: (name: string, body: unknown) => Promise<unknown>
  remove: (name: string) => Promise<unknown>
  service: (name: string) => Promise<Service | undefined>
  hostname: (name: string) => Promise<string | undefined>
  condition: (name: string, type: string) => Promise<string | undefined>
  eventsOf: (name: string) => Promise<Event[]>
  /** What stands in AWS beyond the seed. */
  inventory: () => string[]
}

export const className = 'aws'

export async function simulate(options: SimulationOptions = {}): Promise<Simulation> {
  const clock = createVirtualClock()
  const random = seededRandom(options.seed ?? 1)
  const api = createApi({ clock, random })
  const client = inProcessClient(api, 'test')
  let writes = 0
  const aws = createFakeAws({ now: () => clock.now(), random: seededRandom((options.seed ?? 1) + 1), ...options.aws })
  const base = seed(aws.account)
  const config: OperatorConfig = { ...defaultConfig, cluster: 'c1', orphanIntervalMs: 0, ...options.config }
  const { latencyMs = 20 } = options
  await installCrds(client)
  const one = loadBalancerClass(className, ['aws'], { scheme: 'public', ...options.class })
  one.spec.clouds = [{ name: 'aws', ...(options.parameters ? { parameters: options.parameters } : {}) }]
  await client.create(loadBalancerClasses, one)

  const slowCloud = (cloud: AwsCloud) =>
    around(cloud, async ({ action }, go, signal) => {
      await sleep(clock, latencyMs, signal)
      if (actions[action].mutating) writes++
      return go()
    })

  const simulation: Simulation = {
    clock,
    client,
    aws,
    base,
    start(crash, log = options.log ?? silent) {
      const stopping = new AbortController()
      const gate = crashGate(crash, stopping)
      const cloud = slowCloud(around(aws.cloud, (_, go) => gate.pass(go)))
      const within = options.aws?.buckets ? paced(cloud, (pace) => createBucket({ clock, ...pace })) : cloud
      const operator = createOperator({
        client: gatedClient(inProcessClient(api, 'operator'), gate.uncounted, () => writes++),
        providers: [withRetry(createAwsProvider({ cloud: within, now: () => clock.now() }), { clock, random })],
        clock,
        random,
        log,
        config,
      })
      return runUntil(stopping, operator, gate)
    },
    async quiet(stillMs = 5000, limitMs = 600_000) {
      const began = clock.now()
      let changedAt = began
      while (clock.now() - changedAt < stillMs && clock.now() - began < limitMs) {
        const before = writes
        await clock.advance(250)
        if (writes !== before) changedAt = clock.now()
      }
      return changedAt - began
    },
    async until(holds, what, limitMs = 600_000, stepMs = 100) {
      const began = clock.now()
      while (!(await holds())) {
        if (clock.now() - began > limitMs) throw new Error(`not within ${limitMs / 1000} s: ${what}`)
        await clock.advance(stepMs)
      }
      return clock.now() - began
    },
    async addNode(number, more = {}) {
      const id = instanceId(number)
      putInstance(aws.account, base, id, number)
      await client.create(nodes, awsNode(number, more))
    },
    removeNode: async (number) => void (await client.remove(nodes, { name: `n${number}` })),
    create: (name, spec = {}, annotations = {}) =>
      client.create(
        services,
        webService(name, { loadBalancerClass: `roadstead.dev/${className}`, ...spec }, annotations),
      ),
    patch: (name, body) => client.patch(services, { namespace: 'default', name }, { type: 'merge', body }),
    remove: (name) => client.remove(services, { namespace: 'default', name }),
    service: (name) => absent(client.get(services, { namespace: 'default', name })),
    async hostname(name) {
      return (await simulation.service(name))?.status?.loadBalancer?.ingress?.[0]?.hostname
    },
    async condition(name, type) {
      const found = (await simulation.service(name))?.status?.conditions?.find((each) => each.type.endsWith(type))
      return found && `${found.status} ${found.reason}: ${found.message}`
    },
    eventsOf: (name) => eventsOf(client, name),
    inventory: () => inventoryOf(aws.account, new Set([base.nodeGroupId])),
  }
  for (let number = 1; number <= (options.nodes ?? 3); number++) await simulation.addNode(number)
  // The machines have been there for a while.
  await clock.advance(60_000)
  return simulation
}

/** Node `n<number>` on the instance of that number. */
export function awsNode(number: number, more: Partial<Node> = {}): Node {
  const zone = `eu-central-1${'abc'[number % 3] ?? 'a'}`
  const plain = node(`n${number}`, 'aws')
  const labels = { 'topology.kubernetes.io/zone': zone, ...more.metadata?.labels }
  return {
    ...plain,
    metadata: { ...plain.metadata, ...more.metadata, name: `n${number}`, labels },
    spec: { providerID: `aws:///${zone}/${instanceId(number)}`, ...more.spec },
    status: { ...plain.status, conditions: [{ type: 'Ready', status: 'True' }], ...more.status },
  }
}

/** Number of calls by action, and their sums. */
export function counted(calls: readonly Call[]) {
  const byAction: Partial<Record<Action, number>> = {}
  for (const { action } of calls) byAction[action] = (byAction[action] ?? 0) + 1
  const mutating = calls.filter(({ action }) => actions[action].mutating).length
  const throttled = calls.filter(({ outcome }) => outcome === 'Throttling' || outcome === 'RequestLimitExceeded').length
  return { total: calls.length, mutating, reads: calls.length - mutating, throttled, byAction }
}
