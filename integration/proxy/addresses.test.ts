/** Where Services are answered beyond the usual: node ports on more of the node's addresses, externalIPs. */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { ipBatch } from '../../sandbox/nodes/netns.ts'
import { namespaceOf } from '../../sandbox/nodes/topology.ts'
import { describeEachMode } from './modes.ts'
import { eventually, type PodInWorld, type RunningProxy, startWorld, type World } from './world.ts'

const name = 'test-proxy-adr'

describeEachMode('addresses', (mode, test) => {
  let world: World
  let a: PodInWorld
  let b: PodInWorld
  let first: RunningProxy

  const second = { 'node-1': ['198.18.0.1', '2001:db8:18::1'], 'node-2': ['198.18.0.2', '2001:db8:18::2'] } as const
  type NodeName = keyof typeof second
  const extra = async (verb: 'add' | 'del', node: NodeName, addresses: readonly string[] = second[node]) => {
    await ipBatch(
      addresses.map((address) => `address ${verb} ${address}/${address.includes(':') ? '128 nodad' : '32'} dev lo`),
      namespaceOf(name, node),
    )
  }

  const startFirst = (addresses: string) =>
    world.startProxy('node-1', `--nodeport-addresses=${addresses}`, ...mode.flags)

  before(async () => {
    world = await startWorld(name)
    ;[a, b] = [await world.addPod('a', 'node-1'), await world.addPod('b', 'node-2')]
    for (const node of ['node-1', 'node-2'] as const) {
      await extra('add', node)
      for (const address of second[node]) await world.routeAddress(address, node)
    }
    ;[first] = await Promise.all([
      startFirst('primary'),
      world.startProxy('node-2', '--nodeport-addresses=all', '--external-ips', ...mode.flags),
    ])
  })
  after(() => world?.close())

  const nodePortOf = async (service: string, spec = {}) => {
    const made = await world.service(service, { type: 'NodePort', ipFamilyPolicy: 'PreferDualStack', ...spec })
    await world.endpoints(service, [a, b], made.spec.ports)
    return made.spec.ports?.[0]?.nodePort ?? 0
  }
  const quick = { timeoutMs: 300 }

  test('node ports are answered on the primary addresses only', async () => {
    const nodePort = await nodePortOf('primary')
    for (const family of ['IPv4', 'IPv6'] as const) {
      await eventually(() => world.outside.spread('tcp', world.nodeIp('node-1', family), nodePort), ['a', 'b'])
    }
    for (const address of second['node-1']) {
      assert.equal(await world.outside.tcp(address, nodePort, quick), 'ECONNREFUSED', address)
    }
  })

  test('node ports are answered on all addresses, and on one that comes until it goes', async () => {
    const ports = [
      { name: 'tcp', port: 80, targetPort: 8080 },
      { name: 'udp', port: 81, targetPort: 8080, protocol: 'UDP' as const },
    ]
    const nodePort = await nodePortOf('everywhere', { ports })
    for (const address of [world.nodeIp('node-2'), world.nodeIp('node-2', 'IPv6'), ...second['node-2']]) {
      await eventually(() => world.outside.spread('tcp', address, nodePort), ['a', 'b'])
    }
    // In every mode by a listener (local-node-ports.ts).
    for (const address of ['127.0.0.1', '::1']) {
      await eventually(
        () => world.onNode['node-2']?.spread('tcp', address, nodePort) ?? Promise.resolve([]),
        ['a', 'b'],
      )
      assert.equal(await world.onNode['node-1']?.tcp(address, nodePort), 'ECONNREFUSED', 'primary addresses only')
    }
    const forwarded = 'cat /proc/sys/net/ipv4/conf/*/route_localnet | sort -u'
    assert.equal(await world.run(namespaceOf(name, 'node-2'), ['sh', '-c', forwarded]), '0\n', 'CVE-2020-8558')
    const later = ['198.18.0.3', '2001:db8:18::3']
    for (const address of later) await world.routeAddress(address, 'node-2')
    await extra('add', 'node-2', later)
    for (const address of later) await eventually(() => world.outside.tcp(address, nodePort, quick).then(size), 1, 6000)
    await extra('del', 'node-2', later)
    for (const address of later) {
      await eventually(async () => (await world.outside.tcp(address, nodePort, quick)).length > 1, true, 6000)
    }
  })

  test('node ports are answered on the networks that are given', async () => {
    await first.end('SIGTERM')
    first = await startFirst('198.18.0.0/24,2001:db8:18::/64')
    try {
      const nodePort = await nodePortOf('networks')
      for (const address of ['198.18.0.1', '2001:db8:18::1']) {
        await eventually(() => world.outside.spread('tcp', address, nodePort), ['a', 'b'])
      }
      assert.equal(await world.outside.tcp(world.nodeIp('node-1'), nodePort, quick), 'ECONNREFUSED')
    } finally {
      await first.end('SIGTERM')
      first = await startFirst('primary')
    }
  })

  test('externalIPs are answered where that is switched on, from outside, Pods and the node, and not elsewhere', async () => {
    const addresses = ['203.0.113.90', '2001:db8:113::90']
    const made = await world.service('external', { ipFamilyPolicy: 'PreferDualStack', externalIPs: addresses })
    await world.endpoints('external', [a, b], made.spec.ports)
    for (const address of addresses) {
      await world.routeAddress(address, 'node-2')
      await eventually(() => world.outside.spread('tcp', address, 80), ['a', 'b'])
      assert.deepEqual(await b.agent.spread('tcp', address, 80), ['a', 'b'])
      assert.deepEqual(await world.onNode['node-2']?.spread('tcp', address, 80), ['a', 'b'])
      await world.routeAddress(address, 'node-1')
      assert.ok((await world.outside.tcp(address, 80, quick)).length > 1, 'off by default')
    }
  })

  test('externalIPs under policy Local keep the client address and use endpoints of the node', async () => {
    const address = '203.0.113.91'
    const made = await world.service('external-local', {
      type: 'NodePort',
      externalIPs: [address],
      externalTrafficPolicy: 'Local',
    })
    await world.endpoints('external-local', [a, b], made.spec.ports)
    await world.routeAddress(address, 'node-2')
    await eventually(() => world.outside.spread('tcp', address, 80), ['b'])
    assert.equal(await world.outside.seen('tcp', address, 80), '198.51.100.10')
    await world.endpoints('external-local', [], made.spec.ports)
    await eventually(() => world.outside.tcp(address, 80, quick), 'ECONNREFUSED')
  })
})

function size(text: string): number {
  return text.length
}
