/** The operator with the local provider on its fake: the same state machine as the balancer process, in virtual time. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { nodePortPools } from '../../crds/node-port-pool.ts'
import { nodes, services } from '../../kube/resources.ts'
import { createFakeLocal } from '../../providers/local/fake.ts'
import { createLocalProvider } from '../../providers/local/provider.ts'
import { createWorld, loadBalancerClass, node, webService } from './world.ts'

const at = { namespace: 'default', name: 'web' }

async function localWorld() {
  const fake = createFakeLocal()
  const world = await createWorld({
    nodes: 0,
    classes: [loadBalancerClass('memory', ['local'], { scheme: 'public' })],
    wrapProvider: () => createLocalProvider(fake.cloud),
  })
  for (const name of ['n1', 'n2']) {
    await world.client.create(
      nodes,
      node(name, 'memory', { spec: { providerID: `roadstead-local://sandbox/${name}` } }),
    )
  }
  const ingress = async () => (await world.service('web'))?.status?.loadBalancer?.ingress
  const left = async () => fake.cloud.list({ cluster: 'test' }, new AbortController().signal)
  return { world, fake, ingress, left }
}

describe('the local cloud', () => {
  test('an address that stays through ports, node ports and the policy, and goes with the Service', async () => {
    const { world, ingress, left } = await localWorld()
    const operator = world.start()
    await world.client.create(services, webService('web'))
    await world.quiet()
    const first = await ingress()
    assert.equal(first?.[0]?.ipMode, 'Proxy')
    const patch = async (spec: object) => {
      await world.client.patch(services, at, { type: 'merge', body: { spec } })
      await world.quiet()
      assert.deepEqual(await ingress(), first)
    }
    await patch({
      ports: [
        { name: 'http', port: 8080 },
        { name: 'dns', port: 53, protocol: 'UDP' },
      ],
    })
    await patch({ externalTrafficPolicy: 'Local' })
    await patch({ externalTrafficPolicy: 'Cluster' })
    const policy = (await world.service('web'))?.status?.conditions?.find(({ type }) => type.endsWith('TrafficPolicy'))
    assert.equal(policy?.reason, 'Cluster')
    world.writes()
    await world.clock.advance(900_000)
    assert.equal(world.writes().api, 0)
    await world.client.remove(services, at)
    await world.quiet()
    assert.deepEqual(await left(), [])
    assert.equal(await world.service('web'), undefined)
    await operator.stop()
  })

  test('without node ports it passes packets through; a pool that comes later gives node ports, the address stays', async () => {
    const { world, ingress } = await localWorld()
    const operator = world.start()
    await world.client.create(services, webService('web', { allocateLoadBalancerNodePorts: false }))
    await world.quiet()
    const first = await ingress()
    assert.equal(first?.[0]?.ipMode, 'VIP')
    await world.client.create(nodePortPools, {
      apiVersion: 'roadstead.dev/v1alpha1',
      kind: 'NodePortPool',
      metadata: { name: 'edge' },
      spec: { ranges: [{ from: 30001, to: 30004 }] },
    })
    await world.quiet()
    const port = (await world.service('web'))?.spec.ports?.[0]?.nodePort ?? 0
    assert.ok(port >= 30001 && port <= 30004)
    const second = await ingress()
    assert.equal(second?.[0]?.ip, first?.[0]?.ip)
    assert.equal(second?.[0]?.ipMode, 'Proxy')
    await operator.stop()
  })
})
