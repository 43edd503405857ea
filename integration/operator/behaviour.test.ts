import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loadBalancerClasses } from '../../crds/load-balancer-class.ts'
import { loadBalancers } from '../../crds/load-balancer.ts'
import { nodePortPools } from '../../crds/node-port-pool.ts'
import { nodes, services } from '../../kube/resources.ts'
import { CloudError } from '../../providers/contract.ts'
import { createWorld, loadBalancerClass, node, webService } from './world.ts'
import type { World } from './world.ts'

const at = { namespace: 'default', name: 'web' }
const patch = (world: World, body: unknown) => world.client.patch(services, at, { type: 'merge', body })
const ips = async (world: World, name = 'web') =>
  ((await world.service(name))?.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip)
const condition = async (world: World, type: string) =>
  (await world.service('web'))?.status?.conditions?.find((one) => one.type.endsWith(type))
const targets = (world: World, cloud = 'memory') =>
  [
    ...new Set(
      (world.clouds[cloud]?.inventory() ?? []).flatMap((line) =>
        [...line.matchAll(/"node":"([^"]+)"/g)].map((match) => match[1]),
      ),
    ),
  ].toSorted((a = '', b = '') => a.localeCompare(b))
const outage = (times = Infinity) => ({ error: new CloudError('unavailable', 'the cloud does not answer'), times })

describe('whose Service it is', () => {
  test('foreign classes and Services without class are never written', async () => {
    const world = await createWorld()
    const operator = world.start()
    await world.client.create(services, webService('foreign', { loadBalancerClass: 'example.com/other' }))
    const { loadBalancerClass: _, ...classless } = webService('none').spec
    await world.client.create(services, { ...webService('none'), spec: classless })
    await world.quiet()
    world.writes()
    await world.clock.advance(600_000)
    assert.deepEqual(world.writes(), { api: 0, cloud: 0 })
    assert.equal((await world.service('foreign'))?.metadata.finalizers, undefined)
    await operator.stop()
  })

  test("a default class serves Services without one, with Kubernetes' own finalizer", async () => {
    const world = await createWorld({ classes: [loadBalancerClass('memory', ['memory'], { default: true })] })
    const operator = world.start()
    const { loadBalancerClass: _, ...classless } = webService('web').spec
    await world.client.create(services, { ...webService('web'), spec: classless })
    await world.quiet()
    assert.deepEqual((await world.service('web'))?.metadata.finalizers, ['service.kubernetes.io/load-balancer-cleanup'])
    assert.equal((await ips(world)).length, 1)
    await world.client.remove(services, at)
    await world.quiet()
    assert.equal(await world.service('web'), undefined)
    await operator.stop()
  })
})

describe('a class that vanishes', () => {
  for (const isDefault of [false, true]) {
    test(`${isDefault ? 'the default class' : 'a class by name'}: what it served stands, and is served again when it is back`, async () => {
      const own = loadBalancerClass('memory', ['memory'], { default: isDefault })
      const world = await createWorld({ classes: [own] })
      const operator = world.start()
      const { loadBalancerClass: named, ...spec } = webService('web').spec
      await world.client.create(services, {
        ...webService('web'),
        spec: isDefault || named === undefined ? spec : { ...spec, loadBalancerClass: named },
      })
      await world.quiet()
      const before = await ips(world)
      const standing = world.clouds['memory']?.inventory()
      await world.client.remove(loadBalancerClasses, { name: 'memory' })
      await world.clock.advance(600_000)
      assert.deepEqual(world.clouds['memory']?.inventory(), standing)
      assert.deepEqual(await ips(world), before)
      await world.client.create(loadBalancerClasses, own)
      await world.quiet()
      assert.equal((await condition(world, 'Accepted'))?.status, 'True')
      await world.client.remove(services, at)
      await world.quiet()
      assert.equal(await world.service('web'), undefined)
      await operator.stop()
    })
  }
})

describe('status', () => {
  test('wiped by others, it is put back; the LoadBalancer object too', async () => {
    const world = await createWorld()
    const operator = world.start()
    await world.client.create(services, webService('web'))
    await world.quiet()
    const before = await ips(world)
    await world.client.patch(
      services,
      at,
      { type: 'merge', body: { status: { loadBalancer: { ingress: null }, conditions: null } } },
      { subresource: 'status' },
    )
    await world.client.remove(loadBalancers, at)
    await world.quiet()
    assert.deepEqual(await ips(world), before)
    assert.equal((await condition(world, 'Ready'))?.status, 'True')
    assert.equal((await world.client.get(loadBalancers, at)).status.targets, '2/2')
    await operator.stop()
  })

  test('the traffic policy condition follows only when the new health checks are in effect', async () => {
    const world = await createWorld()
    const cloud = world.clouds['memory']
    const operator = world.start()
    await world.client.create(services, webService('web'))
    await world.quiet()
    assert.ok(cloud)
    cloud.hold = true
    await patch(world, { spec: { externalTrafficPolicy: 'Local' } })
    await world.clock.advance(20_000)
    assert.equal((await condition(world, 'ExternalTrafficPolicy'))?.reason, 'Cluster')
    cloud.hold = false
    cloud.settle()
    await world.quiet()
    await world.clock.advance(20_000)
    assert.equal((await condition(world, 'ExternalTrafficPolicy'))?.reason, 'Local')
    await operator.stop()
  })

  test('conditions of others are kept', async () => {
    const world = await createWorld()
    const foreign = {
      type: 'example.com/Seen',
      status: 'True',
      reason: 'Seen',
      message: '',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    }
    await world.client.create(services, webService('web'))
    await world.client.patch(
      services,
      at,
      { type: 'merge', body: { status: { conditions: [foreign] } } },
      { subresource: 'status' },
    )
    const operator = world.start()
    await world.quiet()
    assert.equal((await condition(world, 'Seen'))?.reason, 'Seen')
    await patch(world, { spec: { type: 'ClusterIP' } })
    await world.quiet()
    assert.deepEqual(
      (await world.service('web'))?.status?.conditions?.map(({ type }) => type),
      ['example.com/Seen'],
    )
    await operator.stop()
  })
})

describe('drift', () => {
  test('what somebody removes in the cloud comes back within the interval', async () => {
    const world = await createWorld()
    const operator = world.start()
    await world.client.create(services, webService('web'))
    await world.quiet()
    const cloud = world.clouds['memory']
    const standing = cloud?.inventory()
    const uid = (await world.service('web'))?.metadata.uid ?? ''
    const observed = (await cloud?.observe({ cluster: 'test', namespace: 'default', name: 'web', uid })) ?? []
    for (const resource of observed.filter(({ kind }) => kind === 'listener')) await cloud?.remove(resource)
    await world.clock.advance(300_000)
    assert.deepEqual(cloud?.inventory(), standing)
    await operator.stop()
  })
})

describe('nodes', () => {
  test('a node that joins or leaves is one write per target group; the last nodes stay when all are excluded', async () => {
    const world = await createWorld()
    const operator = world.start()
    await world.client.create(services, webService('web'))
    await world.quiet()
    world.writes()
    await world.client.create(nodes, node('n3'))
    await world.client.create(nodes, node('n4'))
    await world.quiet()
    assert.equal(world.writes().cloud, 1)
    assert.deepEqual(targets(world), ['n1', 'n2', 'n3', 'n4'])
    const exclude = (name: string, value: string | null) =>
      world.client.patch(
        nodes,
        { name },
        {
          type: 'merge',
          body: { metadata: { labels: { 'node.kubernetes.io/exclude-from-external-load-balancers': value } } },
        },
      )
    await exclude('n3', 'true')
    await exclude('n4', 'false')
    await world.quiet()
    assert.deepEqual(targets(world), ['n1', 'n2', 'n4'])
    for (const name of ['n1', 'n2', 'n4']) await exclude(name, 'true')
    await world.quiet()
    assert.deepEqual(targets(world), ['n1', 'n2', 'n4'])
    await operator.stop()
  })
})

describe('node ports from a pool', () => {
  test('a covered Service gets ports of the pool; a port the server calls taken is replaced by another', async () => {
    const world = await createWorld()
    const operator = world.start()
    await world.client.create(nodePortPools, {
      apiVersion: 'roadstead.dev/v1alpha1',
      kind: 'NodePortPool',
      metadata: { name: 'edge' },
      spec: { ranges: [{ from: 30001, to: 30004 }], classes: ['memory'] },
    })
    await world.client.create(services, webService('web', { allocateLoadBalancerNodePorts: false }))
    await world.quiet()
    const port = (await world.service('web'))?.spec.ports?.[0]?.nodePort ?? 0
    assert.ok(port >= 30001 && port <= 30004, String(port))
    assert.equal((await ips(world)).length, 1)
    const pool = await world.client.get(nodePortPools, { name: 'edge' })
    assert.deepEqual([pool.status?.capacity, pool.status?.allocated], [4, 1])
    const both = [...((await world.service('web'))?.spec.ports ?? []), { name: 'u', port: 80, protocol: 'UDP' }]
    await patch(world, { spec: { ports: both } })
    await world.quiet()
    const given = ((await world.service('web'))?.spec.ports ?? []).map(({ nodePort }) => nodePort)
    assert.deepEqual(given, [port, port], 'UDP joins TCP on its node port')
    await operator.stop()
  })
})

describe('a restart', () => {
  test('nothing is told anew where the shared document takes seconds to be looked at', async () => {
    let slow = false
    const classOf = loadBalancerClass('memory')
    classOf.spec.clouds = [{ name: 'memory', parameters: { 'shared-document': 'rules' } }]
    const world = await createWorld({
      classes: [classOf],
      wrapProvider: (provider, clock) => ({
        ...provider,
        async observe(target, signal) {
          if (slow && 'document' in target) await new Promise<void>((resolve) => void clock.after(10_000, resolve))
          return await provider.observe(target, signal)
        },
      }),
    })
    const operator = world.start()
    await world.client.create(services, webService('web'))
    await world.quiet()
    await operator.stop()
    slow = true
    world.writes()
    const restarted = world.start()
    await world.clock.advance(60_000)
    assert.deepEqual(world.writes(), { api: 0, cloud: 0 })
    assert.equal((await condition(world, 'Programmed'))?.status, 'True')
    await restarted.stop()
  })
})

describe('several clouds', () => {
  const two = { clouds: { memory: {}, other: {} } }

  test('each cloud gets its own load balancer for its own nodes; status holds both addresses', async () => {
    const world = await createWorld(two)
    await world.client.create(nodes, node('o1', 'other'))
    await world.client.create(
      nodes,
      node('moved', 'memory', { metadata: { labels: { 'roadstead.dev/cloud': 'other' } } }),
    )
    const operator = world.start()
    await world.client.create(services, webService('web'))
    await world.quiet()
    assert.equal((await ips(world)).length, 2)
    assert.deepEqual(targets(world), ['n1', 'n2'])
    assert.deepEqual(targets(world, 'other'), ['moved', 'o1'])
    await operator.stop()
  })

  test("one cloud's outage neither delays nor removes another's address, also after a restart", async () => {
    const world = await createWorld(two)
    await world.client.create(nodes, node('o1', 'other'))
    world.clouds['other']?.failures.push(outage())
    const operator = world.start()
    await world.client.create(services, webService('web'))
    await world.clock.advance(20_000)
    assert.equal((await ips(world)).length, 1)
    world.clouds['other']?.failures.splice(0)
    await world.clock.advance(600_000)
    const both = await ips(world)
    assert.equal(both.length, 2)
    await operator.stop()
    world.clouds['other']?.failures.push(outage())
    const restarted = world.start()
    await world.clock.advance(60_000)
    assert.deepEqual(await ips(world), both)
    assert.equal((await condition(world, 'Programmed'))?.reason, 'CloudUnavailable')
    assert.equal((await condition(world, '/Ready'))?.status, 'True')
    const failures = (await world.eventsOf('web')).filter(({ type }) => type === 'Warning')
    assert.ok(failures.every(({ reason, count }) => reason === 'SyncLoadBalancerFailed' && (count ?? 1) <= 2))
    await restarted.stop()
  })

  test('a cloud that leaves the class is cleaned up and its address withdrawn', async () => {
    const world = await createWorld(two)
    await world.client.create(nodes, node('o1', 'other'))
    const operator = world.start()
    await world.client.create(services, webService('web'))
    await world.quiet()
    await world.client.patch(
      loadBalancerClasses,
      { name: 'memory' },
      { type: 'merge', body: { spec: { clouds: [{ name: 'memory' }] } } },
    )
    await world.quiet()
    assert.deepEqual(world.clouds['other']?.inventory(), [])
    assert.equal((await ips(world)).length, 1)
    await operator.stop()
  })

  test('a cloud that leaves the class drains there as long as the class says, in sight, also over a restart', async () => {
    const world = await createWorld(two)
    await world.client.create(nodes, node('o1', 'other'))
    const operator = world.start()
    await world.client.create(services, webService('web'))
    await world.quiet()
    const [kept] = await ips(world)
    await world.client.patch(
      loadBalancerClasses,
      { name: 'memory' },
      { type: 'merge', body: { spec: { clouds: [{ name: 'memory' }], defaults: { deleteDrainSeconds: 300 } } } },
    )
    await world.clock.advance(100_000)
    const others = () => (world.clouds['other']?.inventory() ?? []).map((line) => line.split('/').at(4)?.split(' ')[0])
    assert.deepEqual(others(), ['load-balancer', 'target-group'])
    assert.deepEqual(await ips(world), [kept])
    const { status } = await world.client.get(loadBalancers, at)
    const row = status.placements.find(({ cloud }) => cloud === 'other')
    assert.match(
      `${row?.state} ${row?.reason}: ${row?.message}`,
      /^Releasing Draining: the class no longer names this cloud; Draining until /,
    )
    await operator.stop()
    const restarted = world.start()
    await world.clock.advance(195_000)
    assert.deepEqual(others(), ['load-balancer', 'target-group'])
    await world.clock.advance(15_000)
    assert.deepEqual(others(), [])
    await restarted.stop()
  })
})

describe('orphans', () => {
  test('a load balancer whose Service is gone is reported, and removed only by choice', async () => {
    const lost = { cluster: 'test', namespace: 'default', name: 'lost', uid: 'u-lost' }
    const resource = {
      kind: 'load-balancer',
      key: 'load-balancer/internal',
      owner: lost,
      needs: [],
      immutable: {},
      mutable: {},
      state: 'ready' as const,
    }
    for (const deleteOrphans of [false, true]) {
      const world = await createWorld({ config: { orphanIntervalMs: 60_000, deleteOrphans } })
      await world.clouds['memory']?.create(resource)
      const operator = world.start()
      await world.clock.advance(200_000)
      assert.deepEqual(
        (await world.eventsOf('default')).map(({ reason, count }) => `${reason} ${count}`),
        ['OrphanedLoadBalancer 1'],
      )
      assert.equal(world.clouds['memory']?.inventory().length, deleteOrphans ? 0 : 1)
      await operator.stop()
    }
  })
})

describe('stale views', () => {
  test('a Service that is gone in truth is not provisioned from an old cache', async () => {
    const world = await createWorld()
    await world.client.create(services, {
      ...webService('web'),
      metadata: { ...webService('web').metadata, finalizers: ['roadstead.dev/load-balancer'] },
    })
    const operator = world.start()
    const gate = Promise.withResolvers<void>()
    const cloud = world.clouds['memory']
    assert.ok(cloud)
    cloud.gate = () => gate.promise
    await world.clock.advance(1000)
    const release = world.api.faults.holdWatches()
    await patch(world, { metadata: { finalizers: null } })
    await world.client.remove(services, at)
    gate.resolve()
    await world.clock.advance(5000)
    assert.equal(world.writes().cloud, 0)
    release()
    await world.quiet()
    assert.deepEqual(cloud.inventory(), [])
    await operator.stop()
  })
})
