/** Session affinity by client address: sticks, expires, ends when switched off, and lets go of endpoints that leave. */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { describeEachMode } from './modes.ts'
import { eventually, type PodInWorld, startWorld, type World } from './world.ts'

describeEachMode('session affinity', (mode, test) => {
  let world: World
  let pods: PodInWorld[]
  let client: PodInWorld

  before(async () => {
    world = await startWorld('test-proxy-aff')
    pods = await Promise.all(['a', 'b', 'c', 'd'].map((name, index) => world.addPod(name, `node-${1 + (index % 2)}`)))
    client = await world.addPod('client', 'node-1')
    await Promise.all([world.startProxy('node-1', ...mode.flags), world.startProxy('node-2', ...mode.flags)])
  })
  after(() => world?.close())

  const sticky = async (name: string, timeoutSeconds: number, spec = {}) => {
    const service = await world.service(name, {
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds } },
      ipFamilyPolicy: 'PreferDualStack',
      ...spec,
    })
    await world.endpoints(name, pods, service.spec.ports)
    const [ip = '', ip6 = ''] = service.spec.clusterIPs ?? []
    return { ip, ip6, service }
  }
  const answered = async (ip: string) => /^[a-d]$/.test(await client.agent.tcp(ip, 80))

  test('one client keeps one endpoint, over IPv4, IPv6 and UDP', async () => {
    const ports = [
      { name: 'tcp', port: 80, targetPort: 8080 },
      { name: 'udp', port: 80, targetPort: 8080, protocol: 'UDP' as const },
    ]
    const { ip, ip6 } = await sticky('keep', 60, { ports })
    await eventually(() => answered(ip), true)
    await eventually(() => answered(ip6), true)
    // The very first packets may race each other to be remembered.
    for (const address of [ip, ip6]) {
      for (const protocol of ['tcp', 'udp'] as const) {
        await client.agent[protocol](address, 80)
        assert.equal((await client.agent.spread(protocol, address, 80, 20)).length, 1, `${protocol} ${address}`)
      }
    }
  })

  test('the memory ends after its time without connections', async () => {
    const { ip, ip6 } = await sticky('expire', 1)
    for (const address of [ip, ip6]) {
      await eventually(() => answered(address), true)
      const seen = new Set<string>()
      for (let round = 0; round < 8 && seen.size < 2; round++) {
        seen.add(await client.agent.tcp(address, 80))
        await sleep(1150)
      }
      assert.ok(seen.size > 1, `always the same endpoint at ${address}`)
    }
  })

  test('connections keep the memory alive', async () => {
    const { ip, ip6 } = await sticky('alive', 2)
    for (const address of [ip, ip6]) await eventually(() => answered(address), true)
    const kept = await Promise.all([client.agent.tcp(ip, 80), client.agent.tcp(ip6, 80)])
    for (let round = 0; round < 4; round++) {
      await sleep(900)
      assert.deepEqual(await Promise.all([client.agent.tcp(ip, 80), client.agent.tcp(ip6, 80)]), kept)
    }
  })

  test('an endpoint that leaves is forgotten, one that stays is kept, and so is what other Services remember', async () => {
    const { ip, ip6 } = await sticky('leave', 600)
    const other = await sticky('leave-not', 600)
    const addresses = [ip, ip6] as const
    for (const address of [...addresses, other.ip, other.ip6]) await eventually(() => answered(address), true)
    const ask = (...list: string[]) => Promise.all(list.map((address) => client.agent.tcp(address, 80)))
    const kept = await ask(...addresses)
    const before = await ask(other.ip, other.ip6)
    const rest = pods.filter((pod) => !kept.includes(pod.name))
    await world.endpoints('leave', rest)
    const names = rest.map((pod) => pod.name)
    await eventually(async () => (await ask(...addresses)).every((name) => names.includes(name)), true)
    const next = await ask(...addresses)
    await world.endpoints('leave', pods)
    for (const [index, address] of addresses.entries()) {
      assert.deepEqual(await client.agent.spread('tcp', address, 80, 10), [next[index]])
    }
    assert.deepEqual(await ask(other.ip, other.ip6), before)
  })

  test('a client keeps its endpoint across the addresses of a Service port', async () => {
    const { ip, ip6, service } = await sticky('across', 600, { type: 'LoadBalancer' })
    const [vip, vip6] = ['203.0.113.77', '2001:db8:113::77']
    await world.status('across', { loadBalancer: { ingress: [{ ip: vip }, { ip: vip6 }] } })
    const nodePort = service.spec.ports?.[0]?.nodePort ?? 0
    for (const [own, balancer, family] of [
      [ip, vip, 'IPv4'],
      [ip6, vip6, 'IPv6'],
    ] as const) {
      await eventually(() => answered(balancer), true)
      const kept = await client.agent.tcp(own, 80)
      assert.deepEqual(await client.agent.spread('tcp', own, 80, 5), [kept])
      assert.deepEqual(await client.agent.spread('tcp', balancer, 80, 10), [kept], balancer)
      assert.deepEqual(await client.agent.spread('tcp', world.nodeIp('node-1', family), nodePort, 10), [kept], family)
    }
  })

  test('it can be switched off and on while the Service lives', async () => {
    const { ip } = await sticky('switch', 600)
    await eventually(() => answered(ip), true)
    await client.agent.tcp(ip, 80)
    assert.equal((await client.agent.spread('tcp', ip, 80, 20)).length, 1)
    await world.edit('switch', { spec: { sessionAffinity: 'None' } })
    await eventually(async () => (await client.agent.spread('tcp', ip, 80, 60)).length > 1, true)
    await world.edit('switch', {
      spec: { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 600 } } },
    })
    await eventually(async () => (await client.agent.spread('tcp', ip, 80, 20)).length, 1)
  })

  test('with policy Local the client keeps an endpoint of the node', async () => {
    const { service } = await sticky('local', 600, { type: 'NodePort', externalTrafficPolicy: 'Local' })
    const nodePort = service.spec.ports?.[0]?.nodePort ?? 0
    await eventually(async () => (await world.outside.tcp(world.nodeIp('node-1'), nodePort)).length, 1)
    const kept = await world.outside.tcp(world.nodeIp('node-1'), nodePort)
    assert.deepEqual(await world.outside.spread('tcp', world.nodeIp('node-1'), nodePort, 20), [kept])
    assert.ok(['a', 'c'].includes(kept), kept)
  })
})
