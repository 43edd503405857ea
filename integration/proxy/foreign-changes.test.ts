/** Somebody else changes our tables under a running proxy: everything is back within a second, and nobody else's tables matter. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { choiceHandle } from '../../proxy/nftables/choices.ts'
import { requires } from '../../scripts/requires.ts'
import { firstDifference, inOrder } from './listings.ts'
import { type PodInWorld, type RunningProxy, startWorld, type World } from './world.ts'

describe('changes made by others', { skip: requires('root', 'linux', 'nft', 'ip', 'nsenter') }, () => {
  let world: World
  let pods: PodInWorld[]
  let proxy: RunningProxy
  let clusterIp = ''
  const node = 'rs-test-proxy-foreign-node-1'
  const nft = (...argv: string[]) => world.run(node, ['nft', ...argv])
  /** Without what the kernel learned by itself. */
  const ours = async () => {
    const tables = await Promise.all([
      nft('list', 'table', 'ip', 'roadstead'),
      nft('list', 'table', 'ip6', 'roadstead'),
    ])
    const text = tables.join('').replaceAll(/\n\t\telements = \{ [^}]* (?:timeout|expires) [^}]*\}/g, '')
    return inOrder(text)
  }
  const writes = () => proxy.log().split('rules written').length - 1
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

  before(async () => {
    world = await startWorld('test-proxy-foreign')
    pods = [await world.addPod('a', 'node-1'), await world.addPod('b', 'node-2')]
    // The look every now and then must not be what finds it.
    proxy = await world.startProxy('node-1', '--sync-period=10m')
    const service = await world.service('web', { sessionAffinity: 'ClientIP', ipFamilyPolicy: 'PreferDualStack' })
    clusterIp = service.spec.clusterIP ?? ''
    await world.endpoints('web', pods, service.spec.ports)
    const until = Date.now() + 5000
    const element = `${clusterIp} . tcp . 80 : ${choiceHandle('goto n2')}`
    while (!(await ours()).includes(element) && Date.now() < until) await pause(50)
    assert.ok((await ours()).includes(element))
  })
  after(() => world?.close())

  const tampering: Record<string, () => string[][]> = {
    'an element that is deleted': () => [
      ['delete', 'element', 'ip', 'roadstead', 'ep', `{ ${clusterIp} . tcp . 80 . 5ead:2 }`],
    ],
    'an element that is added': () => [['add', 'element', 'ip', 'roadstead', 'cluster-ips', '{ 10.96.77.77 }']],
    'an element with another target': () => [
      ['delete', 'element', 'ip', 'roadstead', 'ep', `{ ${clusterIp} . tcp . 80 . 5ead:1 }`],
      ['add', 'element', 'ip', 'roadstead', 'ep', `{ ${clusterIp} . tcp . 80 . 5ead:1 : 10.244.7.7 . 77 }`],
    ],
    'a flushed map': () => [['flush', 'map', 'ip', 'roadstead', 'svc']],
    'a way to a chain that is deleted': () => [['delete', 'element', 'ip6', 'roadstead', 'choices', '{ 5eae:2 }']],
    'a way to another chain': () => [
      ['delete', 'element', 'ip', 'roadstead', 'choices', '{ 5eae:2 }'],
      ['add', 'element', 'ip', 'roadstead', 'choices', '{ 5eae:2 : goto n1 }'],
    ],
    'a deleted map': () => [['delete', 'map', 'ip6', 'roadstead', 'health-ports']],
    'a flushed chain': () => [['flush', 'chain', 'ip', 'roadstead', 'services']],
    'a flushed chain of IPv6': () => [['flush', 'chain', 'ip6', 'roadstead', 'n2']],
    'a flushed chain that was made later': () => [['flush', 'chain', 'ip', 'roadstead', 't10800']],
    'a rule that is inserted': () => [
      ['insert', 'rule', 'ip', 'roadstead', 'services', 'tcp', 'dport', '80', 'accept'],
    ],
    'a rule in place of ours': () => [
      ['flush', 'chain', 'ip', 'roadstead', 'reject-it'],
      ['add', 'rule', 'ip', 'roadstead', 'reject-it', 'drop'],
      ['add', 'rule', 'ip', 'roadstead', 'reject-it', 'drop'],
    ],
    'a policy': () => [['chain', 'ip', 'roadstead', 'before-in', '{ policy drop ; }']],
    'a chain that is added': () => [['add', 'chain', 'ip', 'roadstead', 'stranger']],
    'a table that is put to sleep': () => [['add', 'table', 'ip', 'roadstead', '{ flags dormant ; }']],
    'a deleted table': () => [['delete', 'table', 'ip', 'roadstead']],
    'a flushed ruleset': () => [['flush', 'ruleset']],
  }
  for (const [name, commands] of Object.entries(tampering)) {
    // Best of three: the bound is on the proxy, not on what else the machine does at the moment.
    test(`${name} is undone within a second`, async (t) => {
      const before = await ours()
      let seconds = Infinity
      for (let attempt = 0; attempt < 3 && seconds >= 1; attempt++) {
        for (const command of commands()) await nft(...command)
        const started = performance.now()
        const until = started + 10_000
        let now = ''
        do now = await ours().catch(() => '')
        while (now !== before && performance.now() < until)
        seconds = (performance.now() - started) / 1000
        assert.ok(now === before, `the listing is another one: ${firstDifference(before, now)}`)
        t.diagnostic(`${Math.round(seconds * 1000)} ms, listing included`)
      }
      assert.ok(seconds < 1, `${seconds} s`)
      assert.match(await (pods[0] as PodInWorld).agent.tcp(clusterIp, 80), /^[ab]$/)
    })
  }

  test('changes of tables that are not ours cost nothing', async () => {
    const before = proxy.log()
    await nft('add', 'table', 'ip', 'other')
    await nft('add', 'set', 'ip', 'other', 'svc', '{ type ipv4_addr ; }')
    await nft('add', 'element', 'ip', 'other', 'svc', '{ 10.0.0.1 }')
    await nft('add', 'table', 'inet', 'roadstead')
    await nft('delete', 'table', 'inet', 'roadstead')
    await pause(500)
    assert.equal(proxy.log(), before)
  })

  test('what the proxy writes itself is not taken for somebody else', async () => {
    const restored = () => proxy.log().split('changed by somebody else').length
    const before = { restored: restored(), writes: writes() }
    await world.endpoints('web', [pods[0] as PodInWorld])
    await world.edit('web', { spec: { sessionAffinityConfig: { clientIP: { timeoutSeconds: 77 } } } })
    await pause(1000)
    assert.ok(writes() > before.writes)
    assert.equal(restored(), before.restored)
    assert.match(await ours(), /chain t77/)
  })
})
