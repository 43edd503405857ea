/**
 * Hints for zones and nodes (KEP-2433, KEP-3015) over real connections, both families: whom they keep near, when they count for nothing, and
 * what follows when a hint or the label of a Node changes. trafficDistribution (KEP-4444) reaches the proxy as hints only.
 */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { systemClock } from '../../kube/clock.ts'
import { silent } from '../../kube/log.ts'
import type { Service } from '../../kube/objects.ts'
import { pods as podObjects } from '../../kube/resources.ts'
import { endpointSliceController } from '../../sandbox/controllers/endpoint-slices/controller.ts'
import { startWorld as watchObjects, stopWorld, worldSynced } from '../../sandbox/controllers/world.ts'
import { describeEachMode } from './modes.ts'
import { type EndpointState, eventually, type PodInWorld, startWorld, type World } from './world.ts'

const zone = 'topology.kubernetes.io/zone'
const ready = { ready: true, serving: true, terminating: false }
const near: EndpointState['hints'] = { forZones: [{ name: 'zone-1' }] }
const far: EndpointState['hints'] = { forZones: [{ name: 'zone-2' }] }
/** Hints for a zone and nodes in it. */
const on = (name: string, ...nodes: string[]): EndpointState['hints'] => ({
  forZones: [{ name }],
  ...(nodes.length > 0 && { forNodes: nodes.map((node) => ({ name: node })) }),
})

describeEachMode('topology', (mode, test) => {
  let world: World
  /** On node-1, node-1 and node-2. Hints need not say where an endpoint is, and here mostly do not. */
  let a: PodInWorld
  let b: PodInWorld
  let c: PodInWorld

  before(async () => {
    world = await startWorld('test-proxy-zone')
    ;[a, b, c] = [
      await world.addPod('a', 'node-1'),
      await world.addPod('b', 'node-1'),
      await world.addPod('c', 'node-2'),
    ]
    await world.labelNode('node-1', { [zone]: 'zone-1' })
    await world.labelNode('node-2', { [zone]: 'zone-2' })
    await Promise.all(['node-1', 'node-2'].map((node) => world.startProxy(node, ...mode.flags)))
  })
  after(() => world?.close())

  const hinted = (pod: PodInWorld, hints: EndpointState['hints'], conditions = ready): EndpointState => ({
    pod,
    conditions,
    ...(hints && { hints }),
  })
  const create = async (name: string, spec: Partial<Service['spec']>, states: readonly EndpointState[]) => {
    const service = await world.service(name, { ipFamilyPolicy: 'PreferDualStack', ...spec })
    await world.endpoints(name, states, service.spec.ports)
    return service
  }
  const addresses = ({ spec }: Service) => spec.clusterIPs ?? []
  /** Whom connections from this node reach, over either family; they agree in the end. */
  const reach = (service: Service, node: 'node-1' | 'node-2', names: readonly string[], withinMs?: number) => {
    const agent = world.onNode[node]
    assert.ok(agent)
    return eventually(
      () => Promise.all(addresses(service).map((address) => agent.spread('tcp', address, 80))),
      addresses(service).map(() => [...names]),
      withinMs,
    )
  }

  test('connections stay in the zone that endpoints are hinted for, from Pods, nodes and outside, TCP and UDP', async () => {
    const service = await create(
      'zoned',
      {
        type: 'NodePort',
        ports: [
          { name: 'tcp', port: 80, targetPort: 8080 },
          { name: 'udp', port: 80, targetPort: 8080, protocol: 'UDP' },
        ],
      },
      [hinted(a, far), hinted(b, near), hinted(c, near)],
    )
    await reach(service, 'node-1', ['b', 'c'])
    await reach(service, 'node-2', ['a'])
    for (const [node, pod, names] of [
      ['node-1', a, ['b', 'c']],
      ['node-2', c, ['a']],
    ] as const) {
      for (const protocol of ['tcp', 'udp'] as const) {
        for (const address of addresses(service)) {
          await eventually(() => pod.agent.spread(protocol, address, 80), [...names])
        }
        const [tcp, udp] = service.spec.ports ?? []
        const nodePort = (protocol === 'tcp' ? tcp : udp)?.nodePort ?? 0
        for (const family of ['IPv4', 'IPv6'] as const) {
          await eventually(() => world.outside.spread(protocol, world.nodeIp(node, family), nodePort), [...names])
        }
      }
    }
  })

  test('a hint for the node goes before one for its zone, and counts where every endpoint has one', async () => {
    const service = await create('noded', {}, [
      hinted(a, on('zone-1', 'node-2')),
      hinted(b, on('zone-1', 'node-1', 'node-9')),
      hinted(c, on('zone-2', 'node-9')),
    ])
    await reach(service, 'node-1', ['b'])
    await reach(service, 'node-2', ['a'])
    // None for node-2 any more: its zone counts.
    await world.endpoints('noded', [
      hinted(a, on('zone-1', 'node-1')),
      hinted(b, on('zone-1', 'node-9')),
      hinted(c, on('zone-2', 'node-9')),
    ])
    await reach(service, 'node-2', ['c'])
    await reach(service, 'node-1', ['a'])
    // One has none for any node.
    await world.endpoints('noded', [
      hinted(a, on('zone-1', 'node-1')),
      hinted(b, on('zone-1')),
      hinted(c, on('zone-2', 'node-9')),
    ])
    await reach(service, 'node-1', ['a', 'b'])
    await reach(service, 'node-2', ['c'])
  })

  test('an endpoint without a hint makes hints count for nothing, until it has one', async () => {
    const service = await create('partly', {}, [hinted(a, near), hinted(b, far), hinted(c, undefined)])
    await reach(service, 'node-1', ['a', 'b', 'c'])
    await world.endpoints('partly', [hinted(a, near), hinted(b, far), hinted(c, far)])
    await reach(service, 'node-1', ['a'])
    await reach(service, 'node-2', ['b', 'c'])
    await world.endpoints('partly', [hinted(a, far), hinted(b, near), hinted(c, far)])
    await reach(service, 'node-1', ['b'])
    await world.endpoints('partly', [hinted(a, far), hinted(b, undefined), hinted(c, far)])
    await reach(service, 'node-1', ['a', 'b', 'c'])
  })

  test('where no endpoint is hinted for the zone, all get connections', async () => {
    const elsewhere = on('zone-3')
    const service = await create('elsewhere', {}, [hinted(a, elsewhere), hinted(b, far), hinted(c, elsewhere)])
    await reach(service, 'node-1', ['a', 'b', 'c'])
    await reach(service, 'node-2', ['b'])
  })

  test('endpoints that are not ready have no say; when the last one of the zone goes, all others get connections', async () => {
    const starting = { ready: false, serving: false, terminating: false }
    const leaving = { ready: false, serving: true, terminating: true }
    const service = await create('states', {}, [hinted(a, near), hinted(b, undefined, starting), hinted(c, far)])
    await reach(service, 'node-1', ['a'])
    await world.endpoints('states', [hinted(a, near, leaving), hinted(b, far), hinted(c, far)])
    await reach(service, 'node-1', ['b', 'c'])
    // The last resort: hints are about ready endpoints.
    await world.endpoints('states', [hinted(a, near, leaving), hinted(b, far, leaving), hinted(c, far, leaving)])
    await reach(service, 'node-1', ['a', 'b', 'c'])
  })

  test('the zone of a Node is followed; a Node without one uses all endpoints', async () => {
    const service = await create('labels', {}, [hinted(a, near), hinted(b, far), hinted(c, far)])
    await reach(service, 'node-1', ['a'])
    try {
      await world.labelNode('node-1', { [zone]: 'zone-2' })
      await reach(service, 'node-1', ['b', 'c'], 1500)
      await world.labelNode('node-1', { [zone]: null })
      await reach(service, 'node-1', ['a', 'b', 'c'], 1500)
    } finally {
      await world.labelNode('node-1', { [zone]: 'zone-1' })
    }
    await reach(service, 'node-1', ['a'], 1500)
  })

  test('policy Local does not know hints: the endpoints of the node count, and for Pods and the node those that are near', async () => {
    const states = [hinted(a, far), hinted(b, undefined), hinted(c, near)]
    const internal = await create('internal', { internalTrafficPolicy: 'Local' }, states)
    await reach(internal, 'node-1', ['a', 'b'])
    await reach(internal, 'node-2', ['c'])
    const external = await create('external', { type: 'NodePort', externalTrafficPolicy: 'Local' }, [
      hinted(a, far),
      hinted(b, far),
      hinted(c, near),
    ])
    const port = external.spec.ports?.[0]?.nodePort ?? 0
    for (const family of ['IPv4', 'IPv6'] as const) {
      const address = world.nodeIp('node-1', family)
      await eventually(() => world.outside.spread('tcp', address, port), ['a', 'b'])
      assert.deepEqual(await a.agent.spread('tcp', address, port), ['c'], 'as if it had used the ClusterIP')
      assert.deepEqual(await world.onNode['node-1']?.spread('tcp', address, port), ['c'])
    }
  })

  test('trafficDistribution PreferClose, PreferSameZone and PreferSameNode keep connections near, and can be changed', async () => {
    const surroundings = { client: world.client, clock: systemClock, random: Math.random, log: silent }
    const objects = watchObjects(surroundings)
    const controller = endpointSliceController(objects, surroundings)
    try {
      await worldSynced(objects)
      controller.start()
      for (const { name, node, ip, ip6 } of [a, b, c]) {
        const at = { namespace: 'default', name: `near-${name}` }
        await world.client.create(podObjects, {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { ...at, labels: { app: 'near' } },
          spec: { nodeName: node, containers: [{ name: 'echo', image: 'echo' }] },
        })
        const status = {
          phase: 'Running',
          podIP: ip,
          podIPs: [{ ip }, { ip: ip6 }],
          conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }],
        }
        await world.client.patch(podObjects, at, { type: 'merge', body: { status } }, { subresource: 'status' })
      }
      // Both nodes in one zone tell what is about the node from what is about the zone.
      await world.labelNode('node-2', { [zone]: 'zone-1' })
      const everywhere = ['a', 'b', 'c']
      const inOneZone = [
        ['PreferClose', everywhere, everywhere],
        ['PreferSameZone', everywhere, everywhere],
        ['PreferSameNode', ['a', 'b'], ['c']],
      ] as const
      const made: Service[] = []
      for (const [trafficDistribution, first, second] of inOneZone) {
        const service = await world.service(`near-${trafficDistribution.toLowerCase()}`, {
          selector: { app: 'near' },
          ipFamilyPolicy: 'PreferDualStack',
          trafficDistribution,
        })
        await reach(service, 'node-1', first)
        await reach(service, 'node-2', second)
        made.push(service)
      }
      const [close] = made
      assert.ok(close)
      await world.edit('near-preferclose', { spec: { trafficDistribution: 'PreferSameNode' } })
      await reach(close, 'node-2', ['c'])
      await world.edit('near-preferclose', { spec: { trafficDistribution: 'PreferClose' } })
      await reach(close, 'node-2', everywhere)
      await world.labelNode('node-2', { [zone]: 'zone-2' })
      for (const service of made) {
        await reach(service, 'node-1', ['a', 'b'])
        await reach(service, 'node-2', ['c'])
      }
    } finally {
      await controller.stop()
      await stopWorld(objects)
    }
  })
})
