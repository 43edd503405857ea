/** The operator's real code behind the rendered roles: nothing it does is refused, and no right stays unused. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseClassFile } from '../../crds/class-file.ts'
import { loadBalancerClasses } from '../../crds/load-balancer-class.ts'
import { nodePortPools } from '../../crds/node-port-pool.ts'
import { silent } from '../../kube/log.ts'
import { runElection } from '../../kube/lease.ts'
import { namespaces, nodes, services } from '../../kube/resources.ts'
import { applyBundledClasses } from '../../operator/bundled-classes.ts'
import { inProcessClient } from '../../sandbox/apiserver/in-process-client.ts'
import { requires } from '../../scripts/requires.ts'
import { createWorld, node, webService } from '../operator/world.ts'
import type { World } from '../operator/world.ts'
import { leastValues, render } from './helm.ts'
import type { Rendered } from './helm.ts'
import { guard } from './role-guard.ts'

const at = { namespace: 'default', name: 'web' }

/** As operator/run.ts does it: the Lease, then the classes of the installation and the operator itself. */
function lead(world: World, objects: readonly Rendered[], signal: AbortSignal) {
  const { clock } = world
  const random = () => 0.5
  const client = inProcessClient(world.api, 'operator')
  const file = objects.find(({ kind }) => kind === 'ConfigMap')?.data?.['classes.yaml'] ?? ''
  const classes = parseClassFile(file)
  assert.ok(classes.ok)
  return runElection({
    client,
    namespace: 'roadstead-system',
    name: 'roadstead-operator',
    identity: 'test',
    clock,
    random,
    log: silent,
    signal,
    async lead(leading) {
      const operator = world.start()
      await applyBundledClasses({ client, classes: classes.value, clock, random, log: silent }, leading)
      await new Promise((resolve) => leading.addEventListener('abort', resolve))
      await operator.stop()
    },
  })
}

/** Something of everything an operator does in its life. */
async function live(world: World): Promise<void> {
  const { client } = world
  const quiet = () => world.quiet()
  await quiet()
  await client.create(nodePortPools, {
    apiVersion: 'roadstead.dev/v1alpha1',
    kind: 'NodePortPool',
    metadata: { name: 'edge' },
    spec: { ranges: [{ from: 30001, to: 30009 }] },
  })
  await client.create(services, webService('web', { allocateLoadBalancerNodePorts: false }))
  await quiet()
  await client.patch(services, at, { type: 'merge', body: { spec: { externalTrafficPolicy: 'Local' } } })
  await quiet()
  await client.create(nodes, node('n9'))
  await quiet()
  for (const name of ['nowhere', 'memory', 'nowhere', 'memory']) {
    const body = { spec: { clouds: [{ name }] } }
    await client.patch(loadBalancerClasses, { name: 'memory' }, { type: 'merge', body })
    await quiet()
  }
  await client.remove(services, at)
  await quiet()
  await world.clock.advance(1_300_000)
}

describe('the roles of the chart', { skip: requires('helm') }, () => {
  const cases: [string, object][] = [
    ['with classes', leastValues],
    ['without classes', { ...leastValues, classes: { public: { enabled: false }, internal: { enabled: false } } }],
  ]
  for (const [what, values] of cases) {
    test(`grant exactly what the operator asks for, ${what}`, async () => {
      const objects = await render(values)
      const world = await createWorld({ config: { orphanIntervalMs: 300_000 } })
      await world.client.create(namespaces, { metadata: { name: 'roadstead-system' } })
      const guarded = guard(world.api, 'operator', objects)
      const stopping = new AbortController()
      const leading = lead(world, objects, stopping.signal)
      await live(world)
      const left = await world.service('web')
      stopping.abort()
      await world.clock.advance(5000)
      assert.equal(await leading, 'stopped')
      assert.deepEqual([...guarded.denied], [])
      assert.equal(left, undefined)
      assert.deepEqual(guarded.unused(), [])
    })
  }

  test('and the guard is none in name only: without a right the operator does not get on', async () => {
    const objects = (await render()).map((object) =>
      object.kind === 'ClusterRole' ? { ...object, rules: object.rules?.slice(1) ?? [] } : object,
    )
    const world = await createWorld()
    const guarded = guard(world.api, 'operator', objects)
    const operator = world.start()
    await world.client.create(services, webService('web'))
    await world.quiet()
    assert.deepEqual([...guarded.denied], ['list services'])
    assert.equal((await world.service('web'))?.metadata.finalizers, undefined)
    await operator.stop()
  })

  test('name no right over Secrets, Pods or anything by wildcard', async () => {
    const text = JSON.stringify((await render()).filter(({ kind }) => kind?.endsWith('Role')))
    assert.doesNotMatch(text, /"\*"|secrets|pods|escalate|impersonate|bind"/)
  })
})
