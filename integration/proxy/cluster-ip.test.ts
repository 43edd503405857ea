/** ClusterIPs over real connections: from Pods, from nodes, from outside; both families; refusals; traffic policy. */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { endpointSlices } from '../../kube/resources.ts'
import { describeEachMode, type ModeTest, type TestedMode, testedModes } from './modes.ts'
import { eventually, type PodInWorld, startWorld, type World } from './world.ts'

describeEachMode('ClusterIP', clusterIpBehaviour)
// The default is netlink where that works.
describeEachMode(
  'ClusterIP, written by nft processes',
  clusterIpBehaviour,
  testedModes
    .filter(({ name }) => name === 'nftables')
    .map((mode) => ({ ...mode, flags: [...mode.flags, '--writer=nft'] })),
)

function clusterIpBehaviour(mode: TestedMode, test: ModeTest): void {
  let world: World
  let a: PodInWorld
  let b: PodInWorld
  let c: PodInWorld

  before(async () => {
    world = await startWorld('test-proxy-ip')
    ;[a, b, c] = [
      await world.addPod('a', 'node-1'),
      await world.addPod('b', 'node-1'),
      await world.addPod('c', 'node-2'),
    ]
    await Promise.all(['node-1', 'node-2'].map((node) => world.startProxy(node, ...mode.flags)))
  })
  after(() => world?.close())

  const clusterIp = async (name: string, spec = {}, endpoints: PodInWorld[] = [a, b, c]) => {
    const service = await world.service(name, { ipFamilyPolicy: 'PreferDualStack', ...spec })
    await world.endpoints(name, endpoints, service.spec.ports)
    const [ip = '', ip6 = ''] = service.spec.clusterIPs ?? []
    return { ip, ip6, service }
  }

  test('a Pod reaches all ready endpoints, over IPv4 and IPv6, TCP and UDP', async () => {
    const { ip, ip6 } = await clusterIp('web', {
      ports: [
        { name: 'tcp', port: 80, targetPort: 8080 },
        { name: 'udp', port: 80, targetPort: 8080, protocol: 'UDP' },
      ],
    })
    await eventually(() => c.agent.spread('tcp', ip, 80), ['a', 'b', 'c'])
    for (const address of [ip, ip6]) {
      for (const protocol of ['tcp', 'udp'] as const) {
        // Not every mode writes both families at once.
        await eventually(() => a.agent.spread(protocol, address, 80), ['a', 'b', 'c'])
      }
    }
  })

  test('Pods are seen with their own address, a node and an outsider are masqueraded to reach a ClusterIP', async () => {
    const { ip, ip6 } = await clusterIp('sources', {}, [c])
    await eventually(() => a.agent.seen('tcp', ip, 80), a.ip)
    await eventually(() => a.agent.seen('tcp', ip6, 80), a.ip6)
    assert.equal(await world.onNode['node-1']?.tcp(ip, 80), 'c')
    await world.routeAddress(ip, 'node-1')
    assert.equal(await world.outside.seen('tcp', ip, 80), world.nodeIp('node-1'))
  })

  test('a Pod reaches itself, seen as its node', async () => {
    const { ip, ip6 } = await clusterIp('hairpin', {}, [a])
    await eventually(() => a.agent.tcp(ip, 80), 'a')
    await eventually(() => a.agent.tcp(ip6, 80), 'a')
    assert.equal(await a.agent.udp(ip, 80), 'ECONNREFUSED', 'no UDP port')
    assert.notEqual(await a.agent.seen('tcp', ip, 80), a.ip)
  })

  test('no endpoint: TCP and UDP are refused, from Pods and from nodes, and work as soon as there is one', async () => {
    const ports = [
      { name: 'tcp', port: 80, targetPort: 8080 },
      { name: 'udp', port: 53, targetPort: 8080, protocol: 'UDP' as const },
    ]
    const { ip, ip6 } = await clusterIp('empty', { ports }, [])
    await eventually(() => a.agent.tcp(ip, 80, { timeoutMs: 300 }), 'ECONNREFUSED')
    await eventually(() => a.agent.tcp(ip6, 80, { timeoutMs: 300 }), 'ECONNREFUSED')
    // From a Pod that its node has sent nothing of the kind: the kernel limits ICMP errors by whom they go to (net.ipv6.icmp.ratelimit, one a
    // second after the first six), and redirects, which a Pod that reaches itself is sent with every packet, count twice.
    for (const from of [b.agent, world.onNode['node-1']]) {
      assert.equal(await from?.tcp(ip6, 80), 'ECONNREFUSED')
      assert.equal(await from?.tcp(ip, 80), 'ECONNREFUSED')
      assert.equal(await from?.udp(ip, 53), 'ECONNREFUSED')
      assert.equal(await from?.udp(ip6, 53), 'ECONNREFUSED')
    }
    await world.endpoints('empty', [c], ports)
    await eventually(() => a.agent.tcp(ip, 80), 'c')
  })

  test('a port that the Service does not have is refused', async () => {
    const { ip, ip6 } = await clusterIp('ports')
    await eventually(() => a.agent.spread('tcp', ip, 80), ['a', 'b', 'c'])
    for (const from of [a.agent, world.onNode['node-2']]) {
      for (const address of [ip, ip6]) {
        await eventually(async () => from?.tcp(address, 81, { timeoutMs: 300 }), 'ECONNREFUSED')
      }
      assert.equal(await from?.udp(ip, 80), 'ECONNREFUSED')
    }
  })

  test('internalTrafficPolicy Local: only endpoints of the own node, silence where there are none', async () => {
    const { ip } = await clusterIp('internal', { internalTrafficPolicy: 'Local' }, [a, b])
    await eventually(() => a.agent.spread('tcp', ip, 80), ['a', 'b'])
    // The other node's proxy may be a moment behind this one's.
    await eventually(() => c.agent.tcp(ip, 80, { timeoutMs: 300 }), 'TIMEOUT')
    assert.equal(await world.onNode['node-2']?.tcp(ip, 80, { timeoutMs: 300 }), 'TIMEOUT')
  })

  test('endpoints that are not ready get nothing; serving terminating ones are the last resort', async () => {
    const { ip } = await clusterIp('states', {}, [])
    const leaving = { ready: false, serving: true, terminating: true }
    await world.endpoints('states', [
      { pod: a },
      { pod: b, conditions: { ready: false } },
      { pod: c, conditions: leaving },
    ])
    await eventually(() => b.agent.spread('tcp', ip, 80), ['a'])
    await world.endpoints('states', [
      { pod: b, conditions: { ready: false } },
      { pod: c, conditions: leaving },
    ])
    await eventually(() => b.agent.spread('tcp', ip, 80), ['c'])
    await world.endpoints('states', [{ pod: c, conditions: { ready: false, serving: false, terminating: true } }])
    await eventually(() => b.agent.spread('tcp', ip, 80), ['ECONNREFUSED'])
  })

  test('a Service that another proxy serves, and a headless one, are left alone', async () => {
    const { ip } = await clusterIp('other', {}, [a])
    await eventually(() => b.agent.tcp(ip, 80), 'a')
    for (const labels of [
      { 'service.kubernetes.io/service-proxy-name': 'somebody' },
      { 'service.kubernetes.io/headless': '' },
    ]) {
      await world.edit('other', { metadata: { labels } })
      await eventually(async () => (await b.agent.tcp(ip, 80, { timeoutMs: 300 })) === 'a', false)
      await world.edit('other', { metadata: { labels: null } })
      await eventually(() => b.agent.tcp(ip, 80), 'a')
    }
    const labelSlice = (headless: string | null) =>
      world.client.patch(
        endpointSlices,
        { namespace: 'default', name: 'other-4' },
        { type: 'merge', body: { metadata: { labels: { 'service.kubernetes.io/headless': headless } } } },
      )
    await labelSlice('')
    await eventually(() => b.agent.tcp(ip, 80, { timeoutMs: 300 }), 'ECONNREFUSED')
    await labelSlice(null)
    await eventually(() => b.agent.tcp(ip, 80), 'a')
  })

  test('a slice that changes its Service is taken from one and given to the other', async () => {
    const first = await clusterIp('first', {}, [a])
    const second = await clusterIp('second', {}, [])
    await eventually(() => b.agent.tcp(first.ip, 80), 'a')
    for (const suffix of ['4', '6']) {
      await world.client.patch(
        endpointSlices,
        { namespace: 'default', name: `first-${suffix}` },
        { type: 'merge', body: { metadata: { labels: { 'kubernetes.io/service-name': 'second' } } } },
      )
    }
    await eventually(() => b.agent.tcp(second.ip, 80), 'a')
    assert.equal(await b.agent.tcp(first.ip, 80), 'ECONNREFUSED')
  })

  test('a deleted Service stops answering', async () => {
    const { ip } = await clusterIp('gone', {}, [a])
    await eventually(() => b.agent.tcp(ip, 80), 'a')
    await world.remove('gone')
    await eventually(async () => (await b.agent.tcp(ip, 80, { timeoutMs: 300 })) === 'a', false)
  })
}
