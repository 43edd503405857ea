/** A Service that grows to a thousand endpoints and beyond, under load. */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { endpointSlices, events } from '../../kube/resources.ts'
import { ipBatch } from '../../sandbox/nodes/netns.ts'
import { namespaceOf } from '../../sandbox/nodes/topology.ts'
import { describeEachMode } from './modes.ts'
import { eventually, type PodInWorld, type RunningProxy, startWorld, type World } from './world.ts'

const name = 'test-proxy-big'
const node = namespaceOf(name, 'node-1')
const perSlice = 100

describeEachMode('many endpoints', (mode, test) => {
  let world: World
  let client: PodInWorld
  let proxy: RunningProxy

  before(async () => {
    world = await startWorld(name)
    const server = await world.addPod('s', 'node-1')
    client = await world.addPod('client', 'node-1')
    // One Pod answers at every address of a network.
    await ipBatch([`route add 10.250.0.0/16 via ${server.ip} dev ${server.place.link} onlink`], node)
    await ipBatch(['route add local 10.250.0.0/16 dev lo'], server.place.namespace)
    proxy = await world.startProxy('node-1', ...mode.flags)
  })
  after(() => world?.close())

  const grow = async (service: string, count: number) => {
    const { items } = await world.client.list(endpointSlices, 'default')
    for (let index = 0; index * perSlice < count; index++) {
      const sliceName = `${service}-${index}`
      const present = items.find((slice) => slice.metadata.name === sliceName)
      const slice = {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: {
          namespace: 'default',
          name: sliceName,
          labels: { 'kubernetes.io/service-name': service },
          ...(present && { resourceVersion: present.metadata.resourceVersion ?? '' }),
        },
        addressType: 'IPv4' as const,
        ports: [{ name: '', protocol: 'TCP' as const, port: 8080 }],
        endpoints: Array.from({ length: Math.min(perSlice, count - index * perSlice) }, (_, at) => ({
          addresses: [`10.250.${index}.${at + 1}`],
          nodeName: 'node-1',
          conditions: { ready: true },
        })),
      }
      if (present) await world.client.replace(endpointSlices, slice)
      else await world.client.create(endpointSlices, slice)
    }
  }
  /** Endpoints that stand in the kernel's rules. */
  const standing: Partial<Record<typeof mode.name, () => Promise<number>>> = {
    nftables: async () => distinct(await world.run(node, ['nft', 'list', 'map', 'ip', 'roadstead', 'ep'])),
    iptables: async () =>
      distinct(await world.run(node, ['iptables-legacy-save', '-t', 'nat']), /--to-destination 10\.250[\d.]+/g),
    // Those of weight 0 only finish the connections they have.
    ipvs: async () => distinct(await world.run(node, ['ipvsadm', '-Sn']), /-r 10\.250[\d.]+:8080 -m -w 1$/gm),
  }
  const endpoints = () => standing[mode.name]?.() ?? Promise.resolve(-1)
  /** What is another one when the tables were swapped: their handle. */
  const tables = async () =>
    mode.name === 'nftables'
      ? /"name": "roadstead", "handle": \d+/.exec(await world.run(node, ['nft', '-j', 'list', 'tables']))?.[0]
      : ''

  test('a Service grows from 3 to 1,000 endpoints and shrinks again; no connection fails, the tables are not swapped', async () => {
    const { spec } = await world.service('big', {})
    const ip = spec.clusterIP ?? ''
    await grow('big', 3)
    await eventually(() => client.agent.tcp(ip, 80, { timeoutMs: 300 }), 's')
    const before = await tables()
    assert.notEqual(before, undefined)
    const load = client.agent.load(ip, 80, { perSecond: 50, forMs: 6000 })
    for (const count of [65, 1000, 3]) {
      await grow('big', count)
      if (count === 3) {
        for (let index = 1; index < 10; index++)
          await world.client.remove(endpointSlices, { namespace: 'default', name: `big-${index}` })
      }
      await eventually(endpoints, count, 10_000)
    }
    const { sent, failures } = await load
    assert.ok(sent > 200)
    assert.deepEqual(failures, [])
    assert.equal(await tables(), before)
    await world.remove('big')
    await eventually(endpoints, 0)
  })

  test('of more than 1,000 endpoints 1,000 get traffic, and an event says so', async () => {
    const { spec } = await world.service('huge', {})
    await grow('huge', 1030)
    await eventually(endpoints, 1000, 10_000)
    assert.equal(await client.agent.tcp(spec.clusterIP ?? '', 80), 's')
    const seen = async () => {
      const { items } = await world.client.list(events, 'default')
      return items.filter((event) => event.reason === 'TooManyEndpoints').map((event) => event.involvedObject.name)
    }
    await eventually(seen, ['huge'])
    await world.remove('huge')
  })

  test('tables of another release or with other options are swapped without losing a connection', async () => {
    const { spec } = await world.service('swapped', {})
    await grow('swapped', 5)
    const ip = spec.clusterIP ?? ''
    await eventually(() => client.agent.tcp(ip, 80, { timeoutMs: 300 }), 's')
    const before = await tables()
    assert.notEqual(before, undefined)
    const load = client.agent.load(ip, 80, { perSecond: 50, forMs: 7000 })
    await proxy.end('SIGTERM')
    proxy = await world.startProxy('node-1', '--masquerade-bit=15', ...mode.flags)
    const { sent, failures } = await load
    assert.ok(sent > 250)
    assert.deepEqual(failures, [])
    if (mode.name === 'nftables') assert.notEqual(await tables(), before)
  })
})

function distinct(text: string, target = /\b10\.250\.\d+\.\d+\b/g): number {
  return new Set(text.match(target)).size
}
