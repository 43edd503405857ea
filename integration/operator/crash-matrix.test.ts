/**
 * The operator is dropped before and after each of its API and cloud calls, for every scenario, and started again. The end must be the one
 * of a run without a crash: no leak, no duplicate, and then silence.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loadBalancerClasses } from '../../crds/load-balancer-class.ts'
import { loadBalancers } from '../../crds/load-balancer.ts'
import { services } from '../../kube/resources.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { Crash } from './dropped.ts'
import { createWorld, loadBalancerClass, webService } from './world.ts'
import type { World } from './world.ts'

interface Scenario {
  clouds?: string[]
  /** Stands, provisioned, before the operator under test starts. */
  before?: (client: KubeClient) => Promise<unknown>
  act: (client: KubeClient) => Promise<unknown>
}

const at = { namespace: 'default', name: 'web' }
const patch = (client: KubeClient, body: unknown) => client.patch(services, at, { type: 'merge', body })
const create = (client: KubeClient) => client.create(services, webService('web'))
const shared = { parameters: { 'shared-document': 'rules' } }

const scenarios: Record<string, Scenario> = {
  'a Service is created': { act: create },
  'ports are changed': {
    before: create,
    act: (client) =>
      patch(client, {
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
    act: (client) => patch(client, { spec: { externalTrafficPolicy: 'Local' } }),
  },
  'the class changes its scheme, which replaces the load balancer': {
    before: create,
    act: (client) =>
      client.patch(loadBalancerClasses, { name: 'memory' }, { type: 'merge', body: { spec: { scheme: 'public' } } }),
  },
  'the class moves to another cloud': {
    clouds: ['memory', 'other'],
    before: create,
    act: (client) =>
      client.patch(
        loadBalancerClasses,
        { name: 'memory' },
        { type: 'merge', body: { spec: { clouds: [{ name: 'other' }] } } },
      ),
  },
  'a Service is deleted': { before: create, act: (client) => client.remove(services, at) },
  'a Service becomes a ClusterIP': { before: create, act: (client) => patch(client, { spec: { type: 'ClusterIP' } }) },
  'a Service is deleted and made again under its name': {
    before: create,
    async act(client) {
      await client.remove(services, at)
      await patch(client, { metadata: { finalizers: null } })
      await create(client)
    },
  },
}

describe('dropped at any call and started again', () => {
  for (const [name, scenario] of Object.entries(scenarios)) {
    test(`${name}: the end is the same`, async () => {
      const clean = await play(scenario)
      assert.ok(clean.calls > 3, 'the scenario makes calls')
      for (let call = 1; call <= clean.calls; call++) {
        for (const when of ['before', 'after'] as const) {
          const crashed = await play(scenario, { at: call, when })
          assert.deepEqual(crashed.end, clean.end, `dropped ${when} call ${call} of ${clean.calls}`)
          assert.deepEqual(crashed.silence, { api: 0, cloud: 0 }, `restarted after a crash ${when} call ${call}`)
        }
      }
    })
  }
})

async function play(scenario: Scenario, crash?: Crash) {
  const names = scenario.clouds ?? ['memory']
  const classOf = loadBalancerClass('memory', names)
  classOf.spec.clouds = names.map((cloud) => ({ name: cloud, ...shared }))
  const world = await createWorld({ clouds: Object.fromEntries(names.map((cloud) => [cloud, {}])), classes: [classOf] })
  if (scenario.before) {
    const operator = world.start()
    await scenario.before(world.client)
    await world.quiet()
    await operator.stop()
  }
  await scenario.act(world.client)
  const first = world.start(crash)
  await world.quiet()
  const { calls } = first
  await first.stop()
  if (crash) {
    const second = world.start()
    await world.quiet()
    await second.stop()
  }
  const end = await snapshot(world)
  world.writes()
  const third = world.start()
  await world.quiet()
  await third.stop()
  return { end, calls, silence: world.writes() }
}

/** What counts, without versions and times. */
async function snapshot(world: World) {
  const service = await world.service('web')
  const { items } = await world.client.list(loadBalancers, undefined)
  return {
    clouds: Object.fromEntries(Object.entries(world.clouds).map(([name, cloud]) => [name, cloud.inventory()])),
    uid: service?.metadata.uid,
    finalizers: service?.metadata.finalizers,
    ports: service?.spec.ports,
    ingress: service?.status?.loadBalancer?.ingress,
    conditions: service?.status?.conditions?.map(({ type, status, reason }) => `${type} ${status} ${reason}`),
    loadBalancers: items.map(({ metadata, status }) => ({ name: metadata.name, ...status, lastChangeTime: '' })),
  }
}
