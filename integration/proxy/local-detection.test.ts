/** Who counts as a Pod (--detect-local-mode): it is seen as itself at a ClusterIP, and policy Local does not narrow its choice. */
import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { after, before } from 'node:test'
import { describeEachMode } from './modes.ts'
import { eventually, type PodInWorld, type RunningProxy, startWorld, type World } from './world.ts'

describeEachMode('local detection', (mode, test) => {
  let world: World
  let pod: PodInWorld
  /** On the node without a proxy: its packets for ClusterIPs come to node-1 by the router. */
  let far: PodInWorld
  let proxy: RunningProxy | undefined
  let [ip, ip6]: readonly string[] = []
  let nodePort = 0

  before(async () => {
    world = await startWorld('test-proxy-loc')
    const [near, remote] = [await world.addPod('near', 'node-1'), await world.addPod('remote', 'node-2')]
    pod = await world.addPod('pod', 'node-1')
    far = await world.addPod('far', 'node-2')
    const spec = { ipFamilyPolicy: 'PreferDualStack' } as const
    const service = await world.service('web', spec)
    await world.endpoints('web', [near])
    ;[ip, ip6] = service.spec.clusterIPs ?? []
    const elsewhere = await world.service('elsewhere', { ...spec, type: 'NodePort', externalTrafficPolicy: 'Local' })
    await world.endpoints('elsewhere', [remote])
    nodePort = elsewhere.spec.ports?.[0]?.nodePort ?? 0
    for (const address of [ip, ip6]) await world.routeAddress(address ?? '', 'node-1')
  })
  after(() => world?.close())

  const use = async (...flags: string[]) => {
    await proxy?.end('SIGTERM')
    proxy = await world.startProxy('node-1', ...flags, ...mode.flags)
  }
  /** `itself` or `masqueraded`, over IPv4 and IPv6. */
  const seen = async (from: PodInWorld) => {
    const faces = [await from.agent.seen('tcp', ip ?? '', 80), await from.agent.seen('tcp', ip6 ?? '', 80)]
    return faces.map((face, index) =>
      face === [from.ip, from.ip6][index] ? 'itself' : isIP(face) ? 'masqueraded' : face,
    )
  }
  const short = { timeoutMs: 300 }
  const reachesAll = async (from: PodInWorld) =>
    (await from.agent.tcp(world.nodeIp('node-1'), nodePort, short)) === 'remote'

  const itself = ['itself', 'itself']
  const masqueraded = ['masqueraded', 'masqueraded']

  test('by cluster CIDR every Pod is local, wherever it runs', async () => {
    await use()
    await eventually(() => seen(pod), itself)
    await eventually(() => seen(far), itself)
    assert.equal(await reachesAll(pod), true)
    assert.equal(await world.outside.tcp(world.nodeIp('node-1'), nodePort, short), 'TIMEOUT')
  })

  test('by node CIDR only Pods of this node are', async () => {
    await use('--detect-local-mode=NodeCIDR')
    await eventually(() => seen(pod), itself)
    await eventually(() => seen(far), masqueraded)
    assert.equal(await reachesAll(pod), true)
    assert.equal(await reachesAll(far), false)
  })

  test('by interface name prefix whoever comes in by such an interface is', async () => {
    await use('--detect-local-mode=InterfaceNamePrefix', `--pod-interface-name-prefix=${pod.place.link.slice(0, 4)}`)
    await eventually(() => seen(pod), itself)
    await eventually(() => seen(far), masqueraded)
    assert.equal(await reachesAll(pod), true)
    assert.equal(await reachesAll(far), false)
    // Not by the address it would have on the way to the ClusterIP.
    const masquerade = world.network.node('node-1')?.gateways.IPv4
    assert.equal(await world.onNode['node-1']?.seen('tcp', ip ?? '', 80), masquerade)
  })

  test('by bridge interface whoever comes in by it is', async () => {
    await use('--detect-local-mode=BridgeInterface', `--pod-bridge-interface=${pod.place.link}`)
    await eventually(() => seen(pod), itself)
    await eventually(() => seen(far), masqueraded)
    await use('--detect-local-mode=BridgeInterface', '--pod-bridge-interface=br-none')
    await eventually(() => seen(pod), masqueraded)
    assert.equal(await reachesAll(pod), false)
  })

  test('with everything masqueraded nobody is seen as itself', async () => {
    await use('--masquerade-all')
    await eventually(() => seen(pod), masqueraded)
  })
})
