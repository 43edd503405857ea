/** What is nobody's is refused at once instead of running into a timeout; what is not a port is left alone; early birds are not punished. */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { resourceType, serviceCidrs } from '../../kube/resources.ts'
import { ipBatch, spawnIn } from '../../sandbox/nodes/netns.ts'
import { requires } from '../../scripts/requires.ts'
import { startAgent } from './agent.ts'
import { describeEachMode } from './modes.ts'
import { raw } from './raw.ts'
import { eventually, type PodInWorld, startWorld, type World } from './world.ts'

const definitions = resourceType(
  'apiextensions.k8s.io/v1',
  'CustomResourceDefinition',
  'customresourcedefinitions',
  false,
)

describeEachMode('refusals', (mode, test) => {
  let world: World
  let pod: PodInWorld
  let far: PodInWorld

  before(async () => {
    world = await startWorld('test-proxy-no')
    pod = await world.addPod('a', 'node-1')
    far = await world.addPod('b', 'node-2')
    // The sandbox's API server has no ServiceCIDRs of its own; the proxy cannot tell the difference.
    await world.client.create(definitions, {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: {
        name: 'servicecidrs.networking.k8s.io',
        annotations: { 'api-approved.kubernetes.io': 'https://github.com/kubernetes/enhancements/issues/1880' },
      },
      spec: {
        group: 'networking.k8s.io',
        scope: 'Cluster',
        names: { plural: 'servicecidrs', singular: 'servicecidr', kind: 'ServiceCIDR', listKind: 'ServiceCIDRList' },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          },
        ],
      },
    } as never)
    await eventually(
      () =>
        world.client.list(serviceCidrs, undefined, {}).then(
          () => 'served',
          () => 'not yet',
        ),
      'served',
    )
    await Promise.all([
      world.startProxy('node-1', ...mode.flags),
      world.startProxy('node-2', '--service-cidrs=10.96.0.0/16,fd00:96::/112', ...mode.flags),
    ])
  })
  after(() => world?.close())

  const from = (name: 'pod' | 'node' | 'far' | 'far node') => {
    if (name === 'pod') return pod.agent
    if (name === 'far') return far.agent
    const agent = world.onNode[name === 'node' ? 'node-1' : 'node-2']
    assert.ok(agent)
    return agent
  }
  const unallocated = ['10.96.250.250', 'fd00:96::fafa'] as const

  test('a ClusterIP that no Service has is refused, from Pods, the node and outside, TCP and UDP', async () => {
    for (const [index, address] of unallocated.entries()) {
      for (const who of ['far', 'far node'] as const) {
        await eventually(() => from(who).tcp(address, 80, { timeoutMs: 300 }), 'ECONNREFUSED')
        assert.equal(await from(who).udp(address, 53), 'ECONNREFUSED', `${who} ${address}`)
      }
      await world.routeAddress(address, 'node-2')
      assert.equal(await world.outside.tcp(address, 443), 'ECONNREFUSED', unallocated[index])
    }
  })

  test('ranges are read from ServiceCIDR objects and followed', async () => {
    // Nobody sends these to the other node, which refuses them.
    const others = ['10.96.251.251', 'fd00:96::fbfb'] as const
    assert.notEqual(await from('pod').tcp(others[0], 80, { timeoutMs: 300 }), 'ECONNREFUSED')
    await world.client.create(serviceCidrs, {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'ServiceCIDR',
      metadata: { name: 'kubernetes' },
      spec: { cidrs: ['10.96.0.0/16', 'fd00:96::/112'] },
    })
    for (const address of others) {
      await eventually(() => from('pod').tcp(address, 80, { timeoutMs: 300 }), 'ECONNREFUSED')
      assert.equal(await from('node').tcp(address, 80), 'ECONNREFUSED')
    }
    await world.client.remove(serviceCidrs, { name: 'kubernetes' })
    await eventually(async () => (await from('pod').tcp(others[0], 80, { timeoutMs: 300 })) === 'ECONNREFUSED', false)
  })

  test('a ping to a ClusterIP is not answered with a refusal', async () => {
    const service = await world.service('pinged', { ipFamilyPolicy: 'PreferDualStack' })
    await world.endpoints('pinged', [pod])
    const [ip = '', ip6 = ''] = service.spec.clusterIPs ?? []
    await eventually(() => from('far').tcp(ip, 80), 'a')
    for (const address of [ip, ip6, ...unallocated]) {
      // Port unreachable, what a refusal says.
      assert.notEqual(await raw(far.place.namespace, 'ping', address), address.includes(':') ? '1 4' : '3 3', address)
    }
  })

  test('a connection tried at a ClusterIP before its Service exists works from the same port as soon as it does', async () => {
    const address = '10.96.77.77'
    const localPort = 45_001
    assert.equal(await from('far').tcp(address, 80, { localPort }), 'ECONNREFUSED')
    await world.service('early', { clusterIP: address })
    await world.endpoints('early', [pod])
    await eventually(() => from('far').tcp(address, 80, { localPort, timeoutMs: 300 }), 'a')
  })

  test('a connection tried at a node port before its Service exists works from the same port as soon as it does', async () => {
    const [nodePort, localPort] = [30_123, 45_002]
    const node = world.nodeIp('node-1')
    assert.equal(await world.outside.tcp(node, nodePort, { localPort }), 'ECONNREFUSED')
    await world.service('early-port', { type: 'NodePort', ports: [{ port: 80, targetPort: 8080, nodePort }] })
    await world.endpoints('early-port', [pod])
    await eventually(() => world.outside.tcp(node, nodePort, { localPort, timeoutMs: 300 }), 'a')
  })

  test('a connection tried at a load balancer address before the node knows it works from the same port soon after', async () => {
    const localPort = 45_003
    for (const [vip, name] of [
      ['203.0.113.60', 'early-4'],
      ['2001:db8:113::60', 'early-6'],
    ] as const) {
      await world.routeAddress(vip, 'node-1')
      assert.equal(
        await world.outside.tcp(vip, 80, { localPort, timeoutMs: 200 }).then((code) => code.length > 1),
        true,
      )
      await world.service(name, { type: 'LoadBalancer', ipFamilyPolicy: 'PreferDualStack' })
      await world.status(name, { loadBalancer: { ingress: [{ ip: vip }] } })
      await world.endpoints(name, [pod])
      await eventually(() => from('node').tcp(vip, 80), 'a')
      await eventually(() => world.outside.tcp(vip, 80, { localPort, timeoutMs: 300 }), 'a', 2000)
    }
  })

  test('a ClusterIP that something on the node answers untracked (NodeLocal DNSCache) is left to it', async (t) => {
    const lack = requires('nft')
    if (lack !== false) return t.skip(lack)
    const node = 'rs-test-proxy-no-node-2'
    const [ip, ip6] = ['10.96.88.88', 'fd00:96::88']
    const ports = [
      { name: 'tcp', port: 8080, targetPort: 8080 },
      { name: 'udp', port: 8081, targetPort: 8080, protocol: 'UDP' as const },
    ]
    await world.service('dns', { clusterIP: ip, clusterIPs: [ip, ip6], ipFamilyPolicy: 'PreferDualStack', ports })
    await world.endpoints('dns', [pod], ports)
    for (const address of [ip, ip6]) await eventually(() => from('far').udp(address, 8081), 'a')
    await ipBatch([`address add ${ip}/32 dev lo`, `address add ${ip6}/128 dev lo nodad`], node)
    const untracked = (hook: string) =>
      `chain ${hook} { type filter hook ${hook} priority raw; ${['ip', 'ip6']
        .flatMap((family, index) => ['daddr', 'saddr'].map((side) => `${family} ${side} ${[ip, ip6][index]} notrack;`))
        .join(' ')} };`
    await world.run(node, ['nft', `table inet cache { ${['prerouting', 'output'].map(untracked).join(' ')} }`])
    t.after(() => world.run(node, ['nft', 'delete table inet cache']))
    const cache = await startAgent(node, 'cache', [8080])
    t.after(() => cache.stop())
    // It answers from the address that it was asked at only if it is bound to it.
    const script = [ip, ip6].map((address, index) => [
      `const s${index} = require('dgram').createSocket('udp${[4, 6][index]}')`,
      `s${index}.on('message', (_, { address, port }) => s${index}.send('{"name":"cache"}', port, address))`,
      `s${index}.bind(8081, '${address}', () => console.log('ready'))`,
    ])
    const byUdp = spawnIn(node, [process.execPath, '-e', script.flat().join(';')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => byUdp.kill())
    let ready = ''
    byUdp.stdout?.on('data', (part: Buffer) => (ready += part.toString()))
    await eventually(() => Promise.resolve(ready.split('ready').length), 3)
    for (const address of [ip, ip6]) {
      for (const who of ['far', 'far node'] as const) {
        assert.deepEqual(await from(who).spread('tcp', address, 8080), ['cache'], `${who} ${address}`)
        assert.equal(await from(who).udp(address, 8081), 'cache', `${who} ${address}`)
      }
    }
    assert.equal(await from('pod').tcp(ip, 8080), 'a', 'elsewhere the Service answers')
  })

  test("a node's own connection to a load balancer address without endpoints is refused", async () => {
    await world.service('empty', { type: 'LoadBalancer', ipFamilyPolicy: 'PreferDualStack' })
    await world.status('empty', { loadBalancer: { ingress: [{ ip: '203.0.113.61' }, { ip: '2001:db8:113::61' }] } })
    await world.endpoints('empty', [])
    for (const vip of ['203.0.113.61', '2001:db8:113::61']) {
      await eventually(() => from('node').tcp(vip, 80, { timeoutMs: 300 }), 'ECONNREFUSED')
      await eventually(() => from('far node').tcp(vip, 80, { timeoutMs: 300 }), 'ECONNREFUSED')
    }
  })
})
