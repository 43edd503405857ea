/**
 * Clients of UDP that never stop sending from one port: what they reach when endpoints, ports, addresses and Services change. In both
 * families at once; every change has to reach them with one of their next packets, because no new flow will ever help them.
 */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { endpointSlices } from '../../kube/resources.ts'
import type { Service } from '../../kube/objects.ts'
import { namespaceOf } from '../../sandbox/nodes/topology.ts'
import { netlinkTable } from '../../proxy/conntrack/netlink-table.ts'
import { loadNetlink } from '../../proxy/netlink/socket.ts'
import { type Agent, startAgent } from './agent.ts'
import { inside } from './enter.ts'
import { type MadeFlow, makeFlows } from './flows.ts'
import { startUdpSender, type UdpSender } from './udp-sender.ts'
import { describeEachMode } from './modes.ts'
import { eventually, type PodInWorld, type RunningProxy, startWorld, type World } from './world.ts'

const name = 'test-proxy-ct'
const udpPort = { port: 53, targetPort: 8080, protocol: 'UDP' as const }
/** From the API write to the answer of the new endpoint, on a machine that others use too. */
const atOnceMs = 1000

describeEachMode('clients that keep sending', (mode, test) => {
  let world: World
  let proxy: RunningProxy
  let a: PodInWorld
  let b: PodInWorld
  let client: PodInWorld
  const senders: UdpSender[] = []

  before(async () => {
    world = await startWorld(name)
    a = await world.addPod('a', 'node-1')
    b = await world.addPod('b', 'node-2')
    client = await world.addPod('client', 'node-1')
    proxy = await world.startProxy('node-1', ...mode.flags)
  })
  after(async () => {
    await Promise.all(senders.map((sender) => sender.stop()))
    await world?.close()
  })

  const send = async (namespace: string, host: string, port: number) => {
    const sender = await startUdpSender(namespace, host, port)
    senders.push(sender)
    return sender
  }
  const stopAll = () => Promise.all(senders.splice(0).map((sender) => sender.stop()))
  /** All of them, or the error of the first that does not. */
  const allHear = (who: readonly UdpSender[], expected: string | RegExp, since: number, withinMs = 5000) =>
    Promise.all(who.map((sender) => sender.hears(expected, since, withinMs)))
  const service = async (label: string, spec: Partial<Service['spec']> = {}) => {
    const made = await world.service(label, { ports: [udpPort], ipFamilyPolicy: 'PreferDualStack', ...spec })
    const [ip = '', ip6 = ''] = made.spec.clusterIPs ?? []
    return { made, ips: [ip, ip6], nodePort: made.spec.ports?.[0]?.nodePort ?? 0 }
  }
  const outside = namespaceOf(name, 'client')
  const node = namespaceOf(name, 'node-1')
  const nodeIps = () => [world.nodeIp('node-1'), world.nodeIp('node-1', 'IPv6')]

  /** A load balancer Service with clients of all its frontends: from a Pod, from the node, from outside. */
  const everywhere = async (label: string, addresses: readonly string[]) => {
    const { made, ips, nodePort } = await service(label, { type: 'LoadBalancer' })
    await world.status(label, { loadBalancer: { ingress: addresses.map((ip) => ({ ip })) } })
    await world.endpoints(label, [a], made.spec.ports)
    await eventually(() => client.agent.udp(ips[1] ?? '', 53), 'a')
    await eventually(() => client.agent.udp(addresses[1] ?? '', 53), 'a')
    for (const address of addresses) await world.routeAddress(address, 'node-1')
    const all = await Promise.all([
      ...ips.map((ip) => send(client.place.namespace, ip, 53)),
      ...ips.map((ip) => send(node, ip, 53)),
      ...nodeIps().map((ip) => send(outside, ip, nodePort)),
      ...addresses.map((ip) => send(outside, ip, 53)),
    ])
    await allHear(all, 'a', Date.now())
    return { made, all, ports: made.spec.ports }
  }

  test('reach the endpoint that replaces theirs, nobody without endpoints, the one that comes back, and nobody without the Service', async (t) => {
    const { all, ports } = await everywhere('moves', ['203.0.113.1', '2001:db8:113::1'])
    let since = Date.now()
    await world.endpoints('moves', [b], ports)
    const delays = await allHear(all, 'b', since)
    t.diagnostic(`endpoint replaced: ${delays.join(' ')} ms`)
    assert.ok(Math.max(...delays) < atOnceMs, delays.join(' '))

    since = Date.now()
    await world.endpoints('moves', [], ports)
    await allHear(all, /ECONNREFUSED|nobody/, since)
    since = Date.now()
    await world.endpoints('moves', [a], ports)
    t.diagnostic(`endpoint after none: ${(await allHear(all, 'a', since)).join(' ')} ms`)

    await world.remove('moves')
    await allHear(all, /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|nobody/, since)
    await sleep(300)
    for (const sender of all) assert.notEqual(sender.now(), 'a')
    await stopAll()
    // IPVS takes the flow of a target that is gone away itself, with the client's next packet.
    if (mode.name === 'ipvs') return
    const { body = '' } = (await world.onNode['node-1']?.http('http://127.0.0.1:10249/metrics')) ?? {}
    for (const family of ['IPv4', 'IPv6']) {
      const deleted = new RegExp(
        `^kubeproxy_conntrack_reconciler_deleted_entries_total{ip_family="${family}"} (\\d+)`,
        'm',
      )
      // Four clients, each moved, refused and cut off.
      assert.ok(Number(deleted.exec(body)?.[1]) >= 12, body)
    }
  })

  test('lose a node port and a load balancer address that the Service gives up, and reach the new ones', async () => {
    const addresses = ['203.0.113.2', '2001:db8:113::2']
    const { made, all } = await everywhere('edited', addresses)
    const byNodePort = all.slice(4, 6)
    const byAddress = all.slice(6, 8)
    const [port] = made.spec.ports ?? []
    const nodePort = (port?.nodePort ?? 0) === 32_100 ? 32_101 : 32_100
    await world.edit('edited', { spec: { ports: [{ ...udpPort, nodePort }] } })
    await allHear(byNodePort, /ECONNREFUSED|nobody/, Date.now())
    const moved = await Promise.all(nodeIps().map((ip) => send(outside, ip, nodePort)))
    await allHear(moved, 'a', Date.now())

    const others = ['203.0.113.3', '2001:db8:113::3']
    await world.status('edited', { loadBalancer: { ingress: others.map((ip) => ({ ip })) } })
    await allHear(byAddress, /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|nobody/, Date.now())
    for (const sender of [...all.slice(0, 4), ...moved]) assert.equal(sender.now(), 'a')
    await stopAll()
  })

  test('follow a target port that changes while the addresses stay', async () => {
    const { made, ips } = await service('port')
    const second: Agent = await startAgent(a.place.namespace, 'a-9090', [9090])
    await world.endpoints('port', [a], made.spec.ports)
    const all = await Promise.all(ips.map((ip) => send(client.place.namespace, ip, 53)))
    await allHear(all, 'a', Date.now())
    for (const suffix of ['4', '6']) {
      const slice = await world.client.get(endpointSlices, { namespace: 'default', name: `port-${suffix}` })
      const ports = (slice.ports ?? []).map((port) => ({ ...port, port: 9090 }))
      await world.client.replace(endpointSlices, { ...slice, ports })
    }
    await allHear(all, 'a-9090', Date.now())
    await stopAll()
    await second.stop()
  })

  test('who began before the Service was there reach it when it comes', async (t) => {
    const ips = ['10.96.77.7', 'fd00:96::77']
    const all = await Promise.all([
      ...ips.map((ip) => send(client.place.namespace, ip, 53)),
      ...ips.map((ip) => send(node, ip, 53)),
    ])
    await sleep(300)
    for (const sender of all) assert.notEqual(sender.now(), 'a')
    const since = Date.now()
    const { made } = await service('late', { clusterIP: ips[0] ?? '', clusterIPs: ips })
    await world.endpoints('late', [a], made.spec.ports)
    t.diagnostic(`after the Service came: ${(await allHear(all, 'a', since)).join(' ')} ms`)
    await stopAll()
  })

  test('an attempt of TCP from before the Service succeeds with its next packet', async () => {
    const ips = ['10.96.77.8', 'fd00:96::78']
    // Nobody refuses or answers there: the attempts hang.
    for (const ip of ips) await world.routeAddress(ip, 'node-2')
    await world.run(namespaceOf(name, 'node-2'), [
      'sh',
      '-c',
      `ip route add blackhole ${ips[0]}; ip -6 route add blackhole ${ips[1]}`,
    ])
    const attempts = Promise.all(ips.map((ip) => client.agent.tcp(ip, 80, { timeoutMs: 6000, localPort: 33_333 })))
    await sleep(200)
    const made = await world.service('tcp-late', {
      ipFamilyPolicy: 'PreferDualStack',
      clusterIP: ips[0] ?? '',
      clusterIPs: ips,
    })
    await world.endpoints('tcp-late', [a], made.spec.ports)
    assert.deepEqual(await attempts, ['a', 'a'])
  })

  test('stay where they are while their endpoint serves: leaving, out of policy, and among new ones', async () => {
    const { made, ips } = await service('stays')
    await world.endpoints('stays', [b], made.spec.ports)
    const all = await Promise.all(ips.map((ip) => send(client.place.namespace, ip, 53)))
    await allHear(all, 'b', Date.now())
    const from = all.map((sender) => sender.heard.length)
    const leaving = { pod: b, conditions: { ready: false, serving: true, terminating: true } }
    await world.endpoints('stays', [a, leaving], made.spec.ports)
    await world.edit('stays', { spec: { internalTrafficPolicy: 'Local' } })
    await eventually(() => client.agent.spread('udp', ips[0] ?? '', 53, 20), ['a'])
    await sleep(1300)
    assert.deepEqual(
      all.map((sender) => sender.heard.length),
      from,
    )
    const gone = { pod: b, conditions: { ready: false, serving: false, terminating: true } }
    const since = Date.now()
    await world.endpoints('stays', [a, gone], made.spec.ports)
    await allHear(all, 'a', since)
    await stopAll()
  })

  test('are not slowed down by 50,000 flows of others, of which none is lost', async (t) => {
    const busy = await service('busy')
    const [ip = ''] = busy.ips
    await world.endpoints('busy', [a, b], busy.made.spec.ports)
    const web = await world.service('web', { ipFamilyPolicy: 'PreferDualStack' })
    const vip = web.spec.clusterIP ?? ''
    let target = a
    await world.endpoints('web', [target], web.spec.ports)
    await eventually(() => client.agent.tcp(vip, 80), 'a')
    await eventually(() => client.agent.spread('udp', ip, 53), ['a', 'b'])

    /** From the API write to the first connection that reaches the new endpoint. */
    const change = async () => {
      target = target === a ? b : a
      const since = performance.now()
      await world.endpoints('web', [target], web.spec.ports)
      while ((await client.agent.tcp(vip, 80)) !== target.name) assert.ok(performance.now() - since < 5000)
      return performance.now() - since
    }
    const median = (values: readonly number[]) => [...values].sort((x, y) => x - y)[values.length >> 1] ?? 0
    const quiet: number[] = []
    for (let round = 0; round < 5; round++) quiet.push(await change())

    const netlink = await loadNetlink()
    const socket = inside(node, () => netlink.open())
    t.after(() => socket.close())
    const flows = (count: number, first: number, { ip: targetIp }: PodInWorld) =>
      Array.from({ length: count }, (_, index): MadeFlow => {
        const client = first + index
        const from = `10.200.${client >> 8}.${client & 255}`
        return { protocol: 'udp', from, fromPort: 4000, to: ip, toPort: 53, target: { ip: targetIp, port: 8080 } }
      })
    const table = netlinkTable(() => inside(node, () => netlink.open()))
    const counted = async () => {
      const counts: Record<string, number> = { [a.ip]: 0, [b.ip]: 0 }
      const query = { family: 'ip', protocol: 'udp', destination: { address: ip, port: 53 }, unreplied: false } as const
      await table.sweep(query, (flow) => {
        const [at = ''] = flow.target.split(' ')
        counts[at] = (counts[at] ?? 0) + 1
        return false
      })
      return { a: counts[a.ip], b: counts[b.ip] }
    }
    makeFlows(socket, flows(49_500, 0, a))
    const loud: number[] = []
    for (let round = 0; round < 5; round++) {
      makeFlows(socket, flows(500, 50_000, b))
      // The sweep that this causes is under way while the other change is made.
      await world.endpoints('busy', [a], busy.made.spec.ports)
      loud.push(await change())
      await eventually(async () => (await counted()).b, 0, 10_000)
      await world.endpoints('busy', [a, b], busy.made.spec.ports)
      // Flows that come to an endpoint before the proxy knows of it would be stale.
      await eventually(() => client.agent.spread('udp', ip, 53), ['a', 'b'])
    }
    const left = await counted()
    assert.ok((left.a ?? 0) >= 49_500, JSON.stringify(left))
    t.diagnostic(
      `one change, median of 5: ${median(quiet).toFixed(1)} ms, with sweeps of 50,000 flows ${median(loud).toFixed(1)} ms`,
    )
    assert.ok(median(loud) < median(quiet) * 2 + 100, `${median(loud)} ms after ${median(quiet)} ms`)
  })

  test('notice nothing of a restart, but reach what has changed while the proxy was away', async () => {
    const kept = await service('kept')
    const moved = await service('moved')
    const removed = await service('removed')
    for (const [label, { made }] of Object.entries({ kept, moved, removed })) {
      await world.endpoints(label, [a], made.spec.ports)
    }
    const sendTo = (ips: readonly string[]) => Promise.all(ips.map((ip) => send(client.place.namespace, ip, 53)))
    const [toKept, toMoved, toRemoved] = await Promise.all([kept, moved, removed].map(({ ips }) => sendTo(ips)))
    assert.ok(toKept && toMoved && toRemoved)
    await allHear([...toKept, ...toMoved, ...toRemoved], 'a', Date.now())
    // Two endpoints: without its flow a client would go to the other one half of the times.
    await world.endpoints('kept', [a, b], kept.made.spec.ports)
    await sleep(1300)
    const from = toKept.map((sender) => sender.heard.length)
    await proxy.end('SIGKILL')
    await world.endpoints('moved', [b], moved.made.spec.ports)
    await world.remove('removed')
    await sleep(300)
    for (const sender of toRemoved) assert.equal(sender.now(), 'a')
    proxy = await world.startProxy('node-1', ...mode.flags)
    await allHear(toMoved, 'b', Date.now())
    await allHear(toRemoved, /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|nobody/, Date.now())
    await sleep(1300)
    assert.deepEqual(
      toKept.map((sender) => sender.heard.length),
      from,
    )
    await stopAll()
  })
})
