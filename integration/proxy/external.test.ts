/** Node ports and load balancer addresses over real connections: both policies, sources, source ranges, short-circuit, refusals. */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { ipBatch } from '../../sandbox/nodes/netns.ts'
import { namespaceOf } from '../../sandbox/nodes/topology.ts'
import { requires } from '../../scripts/requires.ts'
import { startAgent } from './agent.ts'
import { describeEachMode } from './modes.ts'
import { eventually, type PodInWorld, startWorld, type World } from './world.ts'

describeEachMode('traffic from outside', (mode, test) => {
  let world: World
  let a: PodInWorld
  let b: PodInWorld
  let c: PodInWorld
  let lastAddress = 0

  before(async () => {
    world = await startWorld('test-proxy-out')
    ;[a, b, c] = [
      await world.addPod('a', 'node-1'),
      await world.addPod('b', 'node-1'),
      await world.addPod('c', 'node-2'),
    ]
    await Promise.all([world.startProxy('node-1', ...mode.flags), world.startProxy('node-2', ...mode.flags)])
  })
  after(() => world?.close())

  /** A Service with a load balancer address of each family, whose packets are sent to `via`. */
  const balanced = async (name: string, spec = {}, endpoints: PodInWorld[] = [a, b, c], via = 'node-1') => {
    const service = await world.service(name, { type: 'LoadBalancer', ipFamilyPolicy: 'PreferDualStack', ...spec })
    const vip = `203.0.113.${++lastAddress}`
    const vip6 = `2001:db8:113::${lastAddress}`
    await world.status(name, { loadBalancer: { ingress: [{ ip: vip }, { ip: vip6 }] } })
    await world.endpoints(name, endpoints, service.spec.ports)
    // Only then: what comes before the rules goes in circles between node and router, and the redirects for it are kept for minutes.
    const { port = 80, protocol } = service.spec.ports?.[0] ?? {}
    for (const address of [vip, vip6]) {
      const answers = async () =>
        (await world.onNode[via]?.[protocol === 'UDP' ? 'udp' : 'tcp'](address, port, { timeoutMs: 300 })) !== 'TIMEOUT'
      // Where the node may not use the address it never answers.
      await eventually(answers, true, 1000).catch(() => {})
      await world.routeAddress(address, via)
    }
    return { vip, vip6, nodePort: service.spec.ports?.[0]?.nodePort ?? 0, ip: service.spec.clusterIP ?? '' }
  }

  test('policy Cluster: every node port leads to all endpoints and hides the client', async () => {
    const { nodePort } = await balanced('cluster', {
      ports: [{ port: 80, targetPort: 8080 }],
    })
    for (const node of ['node-1', 'node-2']) {
      for (const family of ['IPv4', 'IPv6'] as const) {
        await eventually(() => world.outside.spread('tcp', world.nodeIp(node, family), nodePort), ['a', 'b', 'c'])
      }
    }
    const seen = await world.outside.seen('tcp', world.nodeIp('node-1'), nodePort)
    assert.notEqual(seen, '198.51.100.10')
  })

  test('UDP through node ports and load balancer addresses', async () => {
    const ports = [{ name: 'dns', port: 53, targetPort: 8080, protocol: 'UDP' as const }]
    const { nodePort, vip, vip6 } = await balanced('udp', { ports })
    await eventually(() => world.outside.spread('udp', world.nodeIp('node-2'), nodePort), ['a', 'b', 'c'])
    await eventually(() => world.outside.spread('udp', vip, 53), ['a', 'b', 'c'])
    await eventually(() => world.outside.spread('udp', vip6, 53), ['a', 'b', 'c'])
  })

  test('a load balancer address is answered on the node it is sent to, without any node port', async () => {
    const { vip, vip6, nodePort } = await balanced('vip', { allocateLoadBalancerNodePorts: false })
    assert.equal(nodePort, 0)
    await eventually(() => world.outside.spread('tcp', vip, 80), ['a', 'b', 'c'])
    await eventually(() => world.outside.spread('tcp', vip6, 80), ['a', 'b', 'c'])
  })

  test('policy Local keeps the client address and uses endpoints of the node only', async () => {
    const { vip, vip6, nodePort } = await balanced('local', { externalTrafficPolicy: 'Local' })
    await eventually(() => world.outside.spread('tcp', vip, 80), ['a', 'b'])
    assert.equal(await world.outside.seen('tcp', vip, 80), '198.51.100.10')
    await eventually(() => world.outside.seen('tcp', vip6, 80), '2001:db8:64::10')
    await eventually(() => world.outside.spread('tcp', world.nodeIp('node-2'), nodePort), ['c'])
    assert.equal(await world.outside.seen('tcp', world.nodeIp('node-2'), nodePort), '198.51.100.10')
  })

  test('policy Local without node ports (passthrough) keeps the client address', async () => {
    const { vip } = await balanced('through', { externalTrafficPolicy: 'Local', allocateLoadBalancerNodePorts: false })
    await eventually(() => world.outside.spread('tcp', vip, 80), ['a', 'b'])
    assert.equal(await world.outside.seen('tcp', vip, 80), '198.51.100.10')
  })

  test('policy Local with no endpoint on the node: outsiders get silence, Pods and the node get all endpoints', async () => {
    const { vip, nodePort } = await balanced('remote', { externalTrafficPolicy: 'Local' }, [c])
    await eventually(() => a.agent.tcp(vip, 80), 'c')
    assert.equal(await world.outside.tcp(vip, 80, { timeoutMs: 300 }), 'TIMEOUT')
    assert.equal(await world.outside.tcp(world.nodeIp('node-1'), nodePort, { timeoutMs: 300 }), 'TIMEOUT')
    assert.equal(await world.onNode['node-1']?.tcp(vip, 80), 'c')
    assert.equal(await a.agent.tcp(world.nodeIp('node-1'), nodePort), 'c')
    assert.equal(await a.agent.seen('tcp', vip, 80), a.ip)
  })

  test('policy Local falls back to terminating endpoints of the node that still serve', async () => {
    const { vip } = await balanced('drain', { externalTrafficPolicy: 'Local' }, [a])
    await eventually(() => world.outside.tcp(vip, 80), 'a')
    await world.endpoints('drain', [{ pod: a, conditions: { ready: false, serving: true, terminating: true } }, c])
    await eventually(() => a.agent.spread('tcp', vip, 80), ['c'])
    assert.equal(await world.outside.tcp(vip, 80), 'a')
  })

  test('no endpoint anywhere: refused at every frontend, TCP and UDP', async () => {
    const ports = [
      { name: 'tcp', port: 80, targetPort: 8080 },
      { name: 'udp', port: 80, targetPort: 8080, protocol: 'UDP' as const },
    ]
    const { vip, vip6, nodePort } = await balanced('none', { ports, externalTrafficPolicy: 'Local' }, [])
    await eventually(() => world.outside.tcp(vip, 80, { timeoutMs: 300 }), 'ECONNREFUSED')
    // The rules of one family may be in place before those of the other.
    await eventually(() => world.outside.tcp(vip6, 80, { timeoutMs: 300 }), 'ECONNREFUSED')
    assert.equal(await world.outside.udp(vip, 80), 'ECONNREFUSED')
    assert.equal(await world.outside.tcp(world.nodeIp('node-2'), nodePort), 'ECONNREFUSED')
    assert.equal(await world.onNode['node-1']?.tcp(vip, 80), 'ECONNREFUSED')
  })

  test('source ranges hold for load balancer addresses and not for node ports, and can be edited', async () => {
    const { vip, vip6, nodePort } = await balanced('ranges', {
      loadBalancerSourceRanges: ['192.0.2.0/24', '192.0.2.7/32', '2001:db8:99::/48'],
    })
    await eventually(
      () => world.outside.tcp(world.nodeIp('node-1'), nodePort, { timeoutMs: 300 }).then((name) => name.length),
      1,
    )
    assert.equal(await world.outside.tcp(vip, 80, { timeoutMs: 300 }), 'TIMEOUT')
    assert.equal(await world.outside.tcp(vip6, 80, { timeoutMs: 300 }), 'TIMEOUT')
    assert.equal(await a.agent.tcp(vip, 80, { timeoutMs: 300 }), 'TIMEOUT')
    await world.edit('ranges', { spec: { loadBalancerSourceRanges: [' 198.51.100.0/24 ', '2001:db8:64::/64'] } })
    await eventually(() => world.outside.spread('tcp', vip, 80), ['a', 'b', 'c'])
    assert.equal((await world.outside.tcp(vip6, 80)).length, 1)
    await world.edit('ranges', { spec: { loadBalancerSourceRanges: [] } })
    await eventually(() => c.agent.spread('tcp', vip, 80), ['a', 'b', 'c'])
  })

  test('an address with ipMode Proxy is not caught; the load balancer gets the packets', async (t) => {
    const { vip, vip6 } = await balanced('mode')
    await eventually(() => a.agent.spread('tcp', vip, 80), ['a', 'b', 'c'])
    const place = namespaceOf('test-proxy-out', 'lb')
    await ipBatch([`address add ${vip}/32 dev lo`, `address add ${vip6}/128 dev lo nodad`], place)
    const balancer = await startAgent(place, 'balancer', [80])
    t.after(() => balancer.stop())
    const ingress = [vip, vip6].map((ip) => ({ ip, ipMode: 'Proxy' as const }))
    await world.status('mode', { loadBalancer: { ingress } })
    for (const address of [vip, vip6]) {
      await eventually(() => a.agent.spread('tcp', address, 80), ['balancer'])
      await eventually(() => world.onNode['node-2']?.spread('tcp', address, 80) ?? Promise.resolve([]), ['balancer'])
    }
  })

  test('a Pod that is an endpoint reaches itself through the load balancer address', async () => {
    const { vip } = await balanced('self', {}, [a])
    await eventually(() => a.agent.tcp(vip, 80), 'a')
  })

  test('a node port edit opens the new port and closes the old one; the type change closes everything', async () => {
    const { nodePort, vip } = await balanced('moved', {}, [a])
    await eventually(() => world.outside.tcp(world.nodeIp('node-1'), nodePort), 'a')
    const next = nodePort === 30_001 ? 30_002 : 30_001
    await world.edit('moved', { spec: { ports: [{ port: 80, targetPort: 8080, nodePort: next }] } })
    await eventually(() => world.outside.tcp(world.nodeIp('node-1'), next), 'a')
    // Opened before the old one is closed.
    await eventually(() => world.outside.tcp(world.nodeIp('node-1'), nodePort), 'ECONNREFUSED', 500)
    await world.edit('moved', { spec: { type: 'ClusterIP', ports: [{ port: 80, targetPort: 8080 }] } })
    await eventually(() => world.outside.tcp(world.nodeIp('node-1'), next), 'ECONNREFUSED')
    assert.notEqual(await world.outside.tcp(vip, 80, { timeoutMs: 300 }), 'a')
  })

  test('the masquerade mark does not leave the node', async (t) => {
    const lack = requires('nft')
    if (lack !== false) return t.skip(lack)
    const service = await world.service('marked', { ipFamilyPolicy: 'PreferDualStack' })
    await world.endpoints('marked', [c], service.spec.ports)
    const nft = (text: string) => world.run('rs-test-proxy-out-node-1', ['nft', text])
    // Around the place of masquerading, priority 100.
    const counted = (name: string, priority: number) =>
      `counter ${name} { }; chain ${name} { type filter hook postrouting priority ${priority}; meta mark & 0x4000 != 0 counter name ${name}; };`
    const packets = async (name: string) =>
      Number(/packets (\d+)/.exec(await nft(`list counter inet probe ${name}`))?.[1])
    await nft(`table inet probe { ${counted('before', 99)} ${counted('after', 101)} }`)
    t.after(() => nft('delete table inet probe'))
    // An outsider at a ClusterIP is marked in every mode; at a node port not in mode ipvs, which knows what was asked for when it masquerades.
    for (const ip of service.spec.clusterIPs ?? []) {
      await eventually(() => world.onNode['node-1']?.tcp(ip, 80) ?? Promise.resolve(''), 'c')
      await world.routeAddress(ip, 'node-1')
      await eventually(() => world.outside.tcp(ip, 80), 'c')
    }
    assert.ok((await packets('before')) >= 2)
    assert.equal(await packets('after'), 0)
  })
})
