/** Mistakes: a condition and exactly one event that say what is wrong and what to do; nothing provisioned; the neighbour untouched. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loadBalancerClasses } from '../../crds/load-balancer-class.ts'
import { nodePortPools } from '../../crds/node-port-pool.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { Service } from '../../kube/objects.ts'
import { nodes, services } from '../../kube/resources.ts'
import { createWorld, loadBalancerClass, node, webService } from './world.ts'
import type { WorldOptions } from './world.ts'

interface Mistake {
  service: Service
  reason: string
  message: RegExp
  prepare?: (client: KubeClient) => Promise<unknown>
  world?: WorldOptions
  /** 'Programmed' where the cloud itself refuses. */
  condition?: string
}

const noPorts = { allocateLoadBalancerNodePorts: false }

const mistakes: Record<string, Mistake> = {
  'an unknown class': {
    service: webService('bad', { loadBalancerClass: 'roadstead.dev/memori' }),
    reason: 'ClassNotFound',
    message: /no LoadBalancerClass memori; did you mean memory\?/,
  },
  'an unknown annotation': {
    service: webService('bad', {}, { 'roadstead.dev/drain-second': '5' }),
    reason: 'UnknownAnnotation',
    message: /roadstead\.dev\/drain-second is unknown .*did you mean roadstead\.dev\/drain-seconds\?/,
  },
  'a malformed annotation': {
    service: webService('bad', {}, { 'roadstead.dev/drain-seconds': 'soon' }),
    reason: 'MalformedAnnotation',
    message: /roadstead\.dev\/drain-seconds is "soon"; it must be a whole number from 0 to 3600/,
  },
  'an unsupported protocol': {
    service: webService('bad', {
      ports: [
        { name: 'a', port: 80 },
        { name: 'b', port: 90, protocol: 'SCTP' },
      ],
    }),
    reason: 'UnsupportedProtocol',
    message: /SCTP/,
  },
  'no node ports where the cloud needs them': {
    service: webService('bad', noPorts),
    reason: 'NodePortRequired',
    message: /no node port/,
  },
  'an exhausted node port pool': {
    service: webService('bad', noPorts),
    reason: 'NodePortPoolExhausted',
    message: /NodePortPool tiny has 1 of 1 ports in use/,
    async prepare(client) {
      await client.create(nodePortPools, {
        apiVersion: 'roadstead.dev/v1alpha1',
        kind: 'NodePortPool',
        metadata: { name: 'tiny' },
        spec: { ranges: [{ from: 30001, to: 30001 }] },
      })
      const { loadBalancerClass: _, ...spec } = webService('holder').spec
      await client.create(services, {
        ...webService('holder'),
        spec: { ...spec, type: 'NodePort', ports: [{ port: 1, nodePort: 30001 }] },
      })
    },
  },
  'an exhausted address pool': {
    service: webService('bad'),
    reason: 'AddressPoolExhausted',
    message: /no address is left in the pool/,
    world: { clouds: { memory: { addresses: 1 } } },
    condition: 'roadstead.dev/Programmed',
  },
  'a class whose cloud was not configured': {
    service: webService('bad', { loadBalancerClass: 'roadstead.dev/far' }),
    reason: 'CloudNotConfigured',
    message: /names mars, but this operator was started with: memory/,
    prepare: (client) => client.create(loadBalancerClasses, loadBalancerClass('far', ['mars'])),
  },
  'a namespace the class does not serve': {
    service: webService('bad', { loadBalancerClass: 'roadstead.dev/closed' }),
    reason: 'NamespaceNotAllowed',
    message: /does not serve namespace default/,
    prepare: (client) =>
      client.create(
        loadBalancerClasses,
        loadBalancerClass('closed', ['memory'], { namespaceSelector: { matchLabels: { team: 'x' } } }),
      ),
  },
}

describe('bad input', () => {
  for (const [name, mistake] of Object.entries(mistakes)) {
    test(`${name}: one condition, one event, nothing provisioned, the neighbour untouched`, async () => {
      const world = await createWorld(mistake.world)
      const operator = world.start()
      await world.client.create(services, webService('good'))
      await mistake.prepare?.(world.client)
      await world.quiet()
      const good = await world.service('good')
      const before = world.clouds['memory']?.inventory()
      await world.client.create(services, mistake.service)
      await world.quiet()

      const bad = await world.service('bad')
      const type = mistake.condition ?? 'roadstead.dev/Accepted'
      const condition = bad?.status?.conditions?.find((one) => one.type === type)
      assert.equal(`${condition?.status} ${condition?.reason}`, `False ${mistake.reason}`)
      assert.match(condition?.message ?? '', mistake.message)
      const warnings = (await world.eventsOf('bad')).filter((event) => event.type === 'Warning')
      assert.deepEqual(
        warnings.map(({ reason, count }) => `${reason} ${count}`),
        [`${mistake.reason} 1`],
      )
      assert.match(warnings[0]?.message ?? '', mistake.message)
      assert.ok((bad?.status?.loadBalancer?.ingress ?? []).every(({ ip }) => ip === undefined))
      const own = (world.clouds['memory']?.inventory() ?? []).filter(
        (line) => line.includes('load-balancer') && !before?.includes(line),
      )
      assert.deepEqual(own, [])
      assert.equal((await world.service('good'))?.metadata.resourceVersion, good?.metadata.resourceVersion)

      world.writes()
      await world.clock.advance(600_000)
      assert.deepEqual(world.writes().api, 0, 'told once, not again and again')
      await world.client.remove(services, { namespace: 'default', name: 'bad' })
      await world.quiet()
      assert.equal(await world.service('bad'), undefined)
      await operator.stop()
    })
  }

  test('a corrected Service is provisioned, and a bad edit leaves what stands', async () => {
    const world = await createWorld()
    const operator = world.start()
    await world.client.create(services, webService('web', {}, { 'roadstead.dev/drain-seconds': '-1' }))
    await world.quiet()
    const annotate = (value: string | null) =>
      world.client.patch(
        services,
        { namespace: 'default', name: 'web' },
        { type: 'merge', body: { metadata: { annotations: { 'roadstead.dev/drain-seconds': value } } } },
      )
    await annotate('10')
    await world.quiet()
    const ip = (await world.service('web'))?.status?.loadBalancer?.ingress?.[0]?.ip
    assert.ok(ip)
    const standing = world.clouds['memory']?.inventory()
    await annotate('never')
    await world.quiet()
    await operator.stop()
    const restarted = world.start()
    await world.quiet()
    assert.deepEqual(world.clouds['memory']?.inventory(), standing)
    assert.equal((await world.service('web'))?.status?.loadBalancer?.ingress?.[0]?.ip, ip)
    await restarted.stop()
  })

  test('an edit that the cloud cannot carry out: what stands goes on serving, also after a restart, and no event blames the targets', async () => {
    const world = await createWorld()
    const operator = world.start()
    await world.client.create(services, webService('web'))
    await world.quiet()
    await world.client.patch(
      services,
      { namespace: 'default', name: 'web' },
      { type: 'merge', body: { spec: { ports: [{ name: 'odd', port: 90, protocol: 'SCTP' }] } } },
    )
    const conditions = async () => {
      await world.quiet()
      const all = (await world.service('web'))?.status?.conditions ?? []
      return ['Accepted', 'Ready'].map((type) => {
        const one = all.find((condition) => condition.type === `roadstead.dev/${type}`)
        return `${one?.status} ${one?.reason}`
      })
    }
    assert.deepEqual(await conditions(), ['False UnsupportedProtocol', 'True Ready'])
    await operator.stop()
    const restarted = world.start()
    assert.deepEqual(await conditions(), ['False UnsupportedProtocol', 'True Ready'])
    const reasons = (await world.eventsOf('web')).map(({ reason }) => reason)
    assert.ok(!reasons.includes('NoHealthyTargets'), reasons.join())
    await restarted.stop()
  })

  test('an invalid class says so in its own status, with one event', async () => {
    const world = await createWorld()
    const operator = world.start()
    await world.client.create(
      loadBalancerClasses,
      loadBalancerClass('odd', ['memory'], { defaults: { sourceRanges: ['10.0.0.0/99'] } }),
    )
    await world.quiet()
    const object = await world.client.get(loadBalancerClasses, { name: 'odd' })
    assert.match(object.status?.conditions?.[0]?.message ?? '', /spec\.defaults\.sourceRanges\[0\]: must be a CIDR/)
    assert.deepEqual(
      (await world.eventsOf('odd')).map(({ reason }) => reason),
      ['Invalid'],
    )
    await operator.stop()
  })

  test('without a node the Service is provisioned and says that it does not serve', async () => {
    const world = await createWorld({ nodes: 0 })
    const operator = world.start()
    await world.client.create(services, webService('web'))
    await world.quiet()
    const reasons = (await world.eventsOf('web')).map(({ reason }) => reason)
    assert.ok(reasons.includes('UnAvailableLoadBalancer'), reasons.join())
    await world.client.create(nodes, node('late'))
    await world.quiet()
    const ready = (await world.service('web'))?.status?.conditions?.find(({ type }) => type === 'roadstead.dev/Ready')
    assert.equal(ready?.status, 'True')
    await operator.stop()
  })
})
