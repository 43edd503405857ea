/**
 * The operator is dropped before and after each of its AWS calls and started again, with AWS lagging and letting go late. The end must be that
 * of a run without a crash: no leak, no duplicate, nothing of others touched, and then silence.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loadBalancerClasses } from '../../crds/load-balancer-class.ts'
import type { Timing } from '../../providers/aws/fake/account.ts'
import type { Crash } from '../operator/dropped.ts'
import { counted, className, simulate } from './simulated.ts'
import type { Simulation } from './simulated.ts'

interface Scenario {
  /** Stands, provisioned, before the operator under test starts. */
  before?: (world: Simulation) => Promise<unknown>
  act: (world: Simulation) => Promise<unknown>
  /** Happens while the operator is down, before it is started again. */
  down?: (world: Simulation) => Promise<unknown>
}

/** Long enough for everything to be seen pending, short enough for hundreds of runs. */
const timing: Timing = {
  provisioningMs: 20_000,
  initialHealthMs: 10_000,
  releaseMs: 5000,
  interfaceMs: 15_000,
  capacityMs: 0,
  elbLagMs: 1500,
  ec2LagMs: 1500,
}

const create = (world: Simulation) => world.create('web')

const scenarios: Readonly<Record<string, Scenario>> = {
  'a Service is created': { act: create },
  'ports are changed': {
    before: create,
    act: (world) =>
      world.patch('web', {
        spec: {
          ports: [
            { name: 'https', port: 443 },
            { name: 'dns', port: 53, protocol: 'UDP' },
          ],
        },
      }),
  },
  'the traffic policy is changed': {
    before: create,
    act: (world) => world.patch('web', { spec: { externalTrafficPolicy: 'Local' } }),
  },
  'a node joins': { before: create, act: (world) => world.addNode(4) },
  'the scheme is changed': {
    before: create,
    act: (world) =>
      world.client.patch(
        loadBalancerClasses,
        { name: className },
        { type: 'merge', body: { spec: { scheme: 'internal' } } },
      ),
  },
  'a Service is deleted': { before: create, act: (world) => world.remove('web') },
  'a Service whose load balancer drains is deleted': {
    before: (world) => world.create('web', {}, { 'roadstead.dev/delete-drain-seconds': '30' }),
    act: (world) => world.remove('web'),
  },
  'a Service is deleted while the operator is down': { act: create, down: (world) => world.remove('web') },
}

describe('dropped at any AWS call and started again', () => {
  for (const [name, scenario] of Object.entries(scenarios)) {
    test(`${name}: the end is the same`, async () => {
      const clean = await play(scenario)
      assert.ok(clean.calls > 2, 'the scenario makes calls')
      for (let call = 1; call <= clean.calls; call++) {
        for (const when of ['before', 'after'] as const) {
          const crashed = await play(scenario, { at: call, when })
          assert.deepEqual(crashed.end, clean.end, `dropped ${when} call ${call} of ${clean.calls}`)
          assert.equal(crashed.written, 0, `written after a crash ${when} call ${call} and a restart`)
        }
      }
    })
  }
})

async function play({ before, act, down }: Scenario, crash?: Crash) {
  const world = await simulate({ nodes: 2, aws: { timing }, latencyMs: 5 })
  const still = () => world.quiet(45_000, 900_000)
  if (before) {
    const operator = world.start()
    await before(world)
    await still()
    await operator.stop()
  }
  await act(world)
  const first = world.start(crash)
  await still()
  const { calls } = first
  await first.stop()
  await down?.(world)
  if (crash || down) {
    const second = world.start()
    await still()
    await second.stop()
  }
  const service = await world.service('web')
  const hostname = service?.status?.loadBalancer?.ingress?.[0]?.hostname
  const end = {
    aws: world.inventory(),
    finalizers: service?.metadata.finalizers,
    named: world.aws.account.loadBalancers.values().map(({ dnsName }) => dnsName === hostname),
    conditions: service?.status?.conditions?.map(({ type, status, reason }) => `${type} ${status} ${reason}`),
  }
  world.aws.take()
  const last = world.start()
  await still()
  await last.stop()
  return { end, calls, written: counted(world.aws.take()).mutating }
}
