/** Real TCP and UDP from a client through the balancer process to nodes, all in namespaces of their own. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { requires } from '../../scripts/requires.ts'
import type { Network } from './network.ts'
import { nodePort, startNetwork } from './network.ts'
import { ask, byNode, check, startService, until } from './traffic.ts'

describe('traffic through the local balancer', { skip: requires('root', 'linux', 'nft', 'ip', 'nsenter') }, () => {
  let network: Network
  before(async () => {
    network = await startNetwork(3)
  })
  after(() => network?.close())

  for (const protocol of ['TCP', 'UDP'] as const) {
    test(`${protocol} is spread over all nodes, on both families, and keeps the client's address`, async () => {
      const service = await startService(network)
      for (const address of service.addresses) {
        const answers = await ask(network, address, { protocol, count: 60 })
        assert.equal(Object.keys(byNode(answers)).length, 3)
        const client = address.includes(':') ? '2001:db8:64::10' : '198.51.100.10'
        assert.ok(answers.every((answer) => 'client' in answer && answer.client === client))
      }
      await service.remove()
    })
  }

  test('an unknown port is refused, an unused address unreachable, a deleted one closed', async () => {
    const service = await startService(network)
    const [address = ''] = service.addresses
    const error = async (host: string, port: number, protocol: 'TCP' | 'UDP') =>
      (await ask(network, host, { port, protocol, count: 1 }))[0]
    assert.deepEqual(await error(address, 81, 'TCP'), { error: 'ECONNREFUSED' })
    assert.deepEqual(await error(address, 81, 'UDP'), { error: 'ECONNREFUSED' })
    assert.deepEqual(await error('203.0.113.200', 80, 'TCP'), { error: 'EHOSTUNREACH' })
    assert.deepEqual(await error('2001:db8:113::200', 80, 'TCP'), { error: 'EHOSTUNREACH' })
    await service.remove()
    assert.deepEqual(await error(address, 80, 'TCP'), { error: 'EHOSTUNREACH' })
  })

  test('an unhealthy node gets nothing new, and is back when it is well', async () => {
    const service = await startService(network)
    const [address = ''] = service.addresses
    const sick = network.nodes.get('node-2')
    await sick?.call('serveHealth', { port: 10256, status: 503 })
    await until(async () => (await service.targets())['node-2'] === 'unhealthy', 'node-2 is unhealthy')
    for (const protocol of ['TCP', 'UDP'] as const) {
      assert.deepEqual(Object.keys(byNode(await ask(network, address, { protocol }))).sort(), ['node-1', 'node-3'])
    }
    await sick?.call('serveHealth', { port: 10256, status: 200 })
    await until(async () => (await service.targets())['node-2'] === 'healthy', 'node-2 is healthy')
    assert.equal(Object.keys(byNode(await ask(network, address, { count: 60 }))).length, 3)
    await service.remove()
  })

  test('when every node is unhealthy all of them get traffic', async () => {
    const service = await startService(network)
    const [address = ''] = service.addresses
    const all = [...network.nodes.values()]
    for (const node of all) await node.call('serveHealth', { port: 10256, status: 503 })
    await until(
      async () => Object.values(await service.targets()).every((state) => state === 'unhealthy'),
      'all are unhealthy',
    )
    assert.equal(Object.keys(byNode(await ask(network, address, { count: 60 }))).length, 3)
    for (const node of all) await node.call('serveHealth', { port: 10256, status: 200 })
    await service.remove()
  })

  test('a removed node keeps its connections for the drain time and gets no new ones', async () => {
    const service = await startService(network, { drainSeconds: 1 })
    const [address = ''] = service.addresses
    const { client } = network
    const held = await Promise.all(Array.from({ length: 12 }, () => client.call('open', { host: address, port: 80 })))
    const nodes = await Promise.all(held.map((handle) => client.call('talk', { handle, timeoutMs: 1000 })))
    const onFirst = held.filter((_, index) => {
      const answer = nodes[index]
      return answer && 'node' in answer && answer.node === 'node-1'
    })
    assert.ok(onFirst.length > 0)
    await service.become({ nodes: ['node-2', 'node-3'] })
    assert.equal((await service.targets())['node-1'], 'draining')
    assert.deepEqual(Object.keys(byNode(await ask(network, address))).sort(), ['node-2', 'node-3'])
    byNode(await Promise.all(held.map((handle) => client.call('talk', { handle, timeoutMs: 1000 }))))
    await wait(1300)
    for (const handle of onFirst) {
      const answer = await client.call('talk', { handle, timeoutMs: 1000 })
      assert.ok('error' in answer && answer.error.includes('ECONNRESET'), JSON.stringify(answer))
    }
    byNode(
      await Promise.all(
        held
          .filter((handle) => !onFirst.includes(handle))
          .map((handle) => client.call('talk', { handle, timeoutMs: 1000 })),
      ),
    )
    await service.remove()
  })

  test('a load balancer that drains before it is deleted takes nothing new and keeps what it has', async () => {
    const service = await startService(network, { drainSeconds: 0, deleteDrainSeconds: 3 })
    const [address = ''] = service.addresses
    const { client } = network
    const held = await Promise.all(Array.from({ length: 6 }, () => client.call('open', { host: address, port: 80 })))
    const talk = () => Promise.all(held.map((handle) => client.call('talk', { handle, timeoutMs: 1000 })))
    byNode(await talk())
    const began = Date.now()
    assert.deepEqual(await service.leave(), ['load-balancer', 'target-group'])
    const late = await ask(network, address, { count: 4, timeoutMs: 500 })
    assert.ok(
      late.every((answer) => 'error' in answer),
      JSON.stringify(late),
    )
    byNode(await talk())
    await wait(2000 - (Date.now() - began))
    byNode(await talk())
    assert.deepEqual(await service.leave(), ['load-balancer', 'target-group'])
    await wait(3400 - (Date.now() - began))
    assert.deepEqual(await service.leave(), [])
    const ended = await talk()
    assert.ok(
      ended.every((answer) => 'error' in answer),
      JSON.stringify(ended),
    )
  })

  test('a node that is cut off loses its UDP flows and unanswered connections to the others', async () => {
    const service = await startService(network)
    const [address = ''] = service.addresses
    const talk = (handle: number) => network.client.call('talkUdp', { handle, host: address, port: 80, timeoutMs: 700 })
    const handles = Array.from({ length: 12 }, (_, index) => index)
    const first = await Promise.all(handles.map(talk))
    const stuck = handles.filter((handle) => {
      const answer = first[handle]
      return answer && 'node' in answer && answer.node === 'node-3'
    })
    assert.ok(stuck.length > 0)
    await network.link('node-3', 'down')
    // These connections begin before anybody knows: their SYNs to node-3 are lost, and sent again.
    const early = ask(network, address, { count: 6, timeoutMs: 8000 })
    await until(async () => (await service.targets())['node-3'] === 'unhealthy', 'node-3 is unhealthy')
    await Promise.all(stuck.map(talk))
    byNode(await Promise.all(stuck.map(talk)))
    byNode(await Promise.all(stuck.map(talk)))
    byNode(await early)
    await network.link('node-3', 'up')
    await until(async () => (await service.targets())['node-3'] === 'healthy', 'node-3 is back')
    byNode(await Promise.all(handles.map(talk)))
    await service.remove()
  })

  test('UDP flows of a removed node stay with it while it lives and leave it when it is gone', async () => {
    const service = await startService(network)
    const [address = ''] = service.addresses
    const talk = (handle: number) => network.client.call('talkUdp', { handle, host: address, port: 80, timeoutMs: 500 })
    const handles = Array.from({ length: 12 }, (_, index) => 100 + index)
    const first = await Promise.all(handles.map(talk))
    await service.become({ nodes: ['node-1', 'node-2'] })
    assert.deepEqual(await Promise.all(handles.map(talk)), first)
    await network.link('node-3', 'down')
    await wait(1500)
    await Promise.all(handles.map(talk))
    byNode(await Promise.all(handles.map(talk)))
    await network.link('node-3', 'up')
    await service.remove()
  })

  test('source ranges let in whom they name', async () => {
    const service = await startService(network, { sourceRanges: ['198.51.100.0/28', '198.51.100.8/29'] })
    const [v4 = '', v6 = ''] = service.addresses
    byNode(await ask(network, v4, { count: 5 }))
    assert.deepEqual(await ask(network, v6, { count: 1, timeoutMs: 400 }), [{ error: 'timeout' }])
    await service.become({ sourceRanges: ['10.0.0.0/8', '2001:db8:64::/64'] })
    assert.deepEqual(await ask(network, v4, { count: 1, timeoutMs: 400 }), [{ error: 'timeout' }])
    byNode(await ask(network, v6, { count: 5 }))
    await service.remove()
  })

  test('client IP affinity sticks, follows a removed node to another, and expires', async () => {
    const service = await startService(network, { affinity: { kind: 'ClientIP', timeoutSeconds: 1 } })
    for (const address of service.addresses) {
      const counts = byNode(await ask(network, address, { count: 30 }))
      assert.equal(Object.keys(counts).length, 1, JSON.stringify(counts))
      const [node = ''] = Object.keys(counts)
      const rest = [...network.nodes.keys()].filter((name) => name !== node)
      await service.become({ nodes: rest })
      const moved = Object.keys(byNode(await ask(network, address, { count: 30 })))
      assert.equal(moved.length, 1)
      assert.ok(rest.includes(moved[0] ?? ''))
      await service.become({ nodes: [...network.nodes.keys()] })
    }
    const seen = new Set<string>()
    for (let round = 0; round < 12 && seen.size < 2; round++) {
      await wait(1200)
      for (const node of Object.keys(byNode(await ask(network, service.addresses[0] ?? '', { count: 2 }))))
        seen.add(node)
    }
    assert.ok(seen.size >= 2, `after the timeout always ${[...seen].join()}`)
    await service.remove()
  })

  test('a changed health check takes effect when every node has a verdict, and not before: 0 failed under load', async () => {
    const service = await startService(network)
    const [address = ''] = service.addresses
    await network.client.call('startLoad', { host: address, port: 80, perSecond: 200 })
    await service.send({ policy: 'Local', healthCheck: check(32100, 1) })
    assert.equal(await service.state(), 'pending')
    // The new port opens late, and only one node passes it.
    await wait(150)
    assert.equal(Object.keys(byNode(await ask(network, address, { count: 60 }))).length, 3)
    for (const [name, node] of network.nodes)
      await node.call('serveHealth', { port: 32100, status: name === 'node-1' ? 200 : 503 })
    await until(async () => (await service.state()) === 'ready', 'the new check has all verdicts')
    assert.deepEqual(Object.keys(byNode(await ask(network, address))), ['node-1'])
    await service.send({ policy: 'Cluster', healthCheck: check(10256) })
    await until(async () => (await service.state()) === 'ready', 'the old check is back')
    assert.equal(Object.keys(byNode(await ask(network, address, { count: 60 }))).length, 3)
    const load = await network.client.call('stopLoad', {})
    assert.deepEqual({ failed: load.failed, errors: load.errors }, { failed: 0, errors: {} })
    assert.ok(load.ok > 40, `${load.ok} requests`)
    await service.remove()
  })

  test('passthrough delivers packets with the load balancer address, keeps flows on their node, follows health', async () => {
    const service = await startService(network, { parameters: { mode: 'passthrough' } })
    for (const address of service.addresses)
      for (const name of network.nodes.keys()) await network.addressOnNode(name, address, 'add')
    for (const [name, _] of network.nodes)
      await network.agentOn(name).call('serve', { name, port: 80, addresses: service.addresses })
    for (const address of service.addresses) {
      for (const protocol of ['TCP', 'UDP'] as const) {
        const answers = await ask(network, address, { protocol, count: 60 })
        assert.equal(Object.keys(byNode(answers)).length, 3)
        assert.ok(
          answers.every(
            (answer) => 'client' in answer && !answer.client.startsWith('172.') && !answer.client.startsWith('fd00'),
          ),
        )
      }
    }
    const [address = ''] = service.addresses
    const handle = await network.client.call('open', { host: address, port: 80 })
    const first = await network.client.call('talk', { handle, timeoutMs: 1000 })
    await network.nodes.get('node-2')?.call('serveHealth', { port: 10256, status: 503 })
    await until(async () => (await service.targets())['node-2'] === 'unhealthy', 'node-2 is unhealthy')
    assert.deepEqual(Object.keys(byNode(await ask(network, address))).sort(), ['node-1', 'node-3'])
    assert.deepEqual(await network.client.call('talk', { handle, timeoutMs: 1000 }), first)
    await network.nodes.get('node-2')?.call('serveHealth', { port: 10256, status: 200 })
    await until(async () => (await service.targets())['node-2'] === 'healthy', 'node-2 is healthy')
    await service.become({ parameters: {} })
    assert.deepEqual(await network.client.call('talk', { handle, timeoutMs: 1000 }), first)
    byNode(await ask(network, address))
    await service.remove()
    for (const each of service.addresses)
      for (const name of network.nodes.keys()) await network.addressOnNode(name, each, 'del')
  })

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    test(`the balancer restarts after ${signal} under load: 0 failed, same addresses, connections live`, async () => {
      const service = await startService(network)
      const [address = ''] = service.addresses
      const handle = await network.client.call('open', { host: address, port: 80 })
      await network.client.call('startLoad', { host: address, port: 80, perSecond: 200 })
      await network.stopBalancer(signal)
      await wait(200)
      await network.startBalancer()
      await wait(500)
      const load = await network.client.call('stopLoad', {})
      assert.deepEqual({ failed: load.failed, errors: load.errors }, { failed: 0, errors: {} })
      byNode([await network.client.call('talk', { handle, timeoutMs: 1000 })])
      await service.become({})
      assert.equal(Object.keys(byNode(await ask(network, address, { count: 60 }))).length, 3)
      await service.remove()
    })
  }

  test('another node port takes over under load: 0 failed, the address stays', async () => {
    const service = await startService(network)
    const [address = ''] = service.addresses
    for (const [name, node] of network.nodes) await node.call('serve', { name, port: 31001, addresses: [] })
    await network.client.call('startLoad', { host: address, port: 80, perSecond: 200 })
    await service.become({ ports: [{ name: 'tcp', protocol: 'TCP', port: 80, nodePort: 31001 }] })
    await wait(300)
    const load = await network.client.call('stopLoad', {})
    assert.deepEqual({ failed: load.failed, errors: load.errors }, { failed: 0, errors: {} })
    const forward = await network.inBalancer('nft', 'list', 'map', 'ip', 'roadstead-balancer', 'forward')
    assert.ok(
      forward.includes(`${address} . tcp . 80`) && forward.includes(' . 31001') && !forward.includes(' . 31000'),
    )
    await service.remove()
  })

  test('a TCP health check takes a node out whose port is closed', async () => {
    const nodes = ['node-1', 'node-2']
    for (const name of nodes) await network.nodes.get(name)?.call('serveHealth', { port: 32200, status: 500 })
    const service = await startService(network, { healthCheck: { ...check(32200), protocol: 'TCP' } })
    assert.deepEqual(await service.targets(), { 'node-1': 'healthy', 'node-2': 'healthy', 'node-3': 'unhealthy' })
    assert.deepEqual(Object.keys(byNode(await ask(network, service.addresses[0] ?? ''))).sort(), nodes)
    await service.remove()
  })

  test('two Services share nothing but the nodes', async () => {
    const first = await startService(network)
    const second = await startService(network, { sourceRanges: ['192.0.2.0/24'], nodes: ['node-3'] })
    assert.notDeepEqual(first.addresses, second.addresses)
    byNode(await ask(network, first.addresses[0] ?? ''))
    assert.deepEqual(await ask(network, second.addresses[0] ?? '', { count: 1, timeoutMs: 300 }), [
      { error: 'timeout' },
    ])
    await second.remove()
    byNode(await ask(network, first.addresses[0] ?? ''))
    await first.remove()
  })

  test('a client on the inside is masqueraded and served', async () => {
    const service = await startService(network)
    for (const address of service.addresses) {
      const inside = network.nodes.get('node-1')
      const answers = await inside?.call('ask', {
        host: address,
        port: 80,
        protocol: 'TCP',
        count: 30,
        timeoutMs: 2000,
      })
      const gateway = address.includes(':') ? 'fd00:18::250' : '172.18.0.250'
      assert.equal(Object.keys(byNode(answers ?? [])).length, 3)
      assert.ok(answers?.every((answer) => 'client' in answer && answer.client === gateway))
    }
    await service.remove()
  })

  test('the kernel holds nothing of Services that are gone, and nft can print what it holds and load it again', async () => {
    const service = await startService(network, { affinity: { kind: 'ClientIP', timeoutSeconds: 60 } })
    byNode(await ask(network, service.addresses[1] ?? '', { count: 3 }))
    const listing = await network.inBalancer('nft', 'list', 'ruleset')
    assert.ok(listing.includes(`: ${nodeAddress(listing)}`))
    await network.inBalancer(
      'sh',
      '-c',
      'nft list ruleset > /tmp/$$.nft && nft -c -f /tmp/$$.nft; code=$?; rm -f /tmp/$$.nft; exit $code',
    )
    await service.remove()
    const left = await network.inBalancer('nft', 'list', 'map', 'ip', 'roadstead-balancer', 'choose')
    assert.ok(!left.includes('203.0.113.'), left)
  })
})

function nodeAddress(listing: string): string {
  return listing.includes(`172.18.0.11 . ${nodePort}`)
    ? `172.18.0.11 . ${nodePort}`
    : 'no node port target in the listing'
}
