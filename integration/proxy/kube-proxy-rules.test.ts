/** What kube-proxy has left in the kernel is told at start, whatever mode it ran in and this proxy runs in, and left alone. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { requires } from '../../scripts/requires.ts'
import { startWorld, type World } from './world.ts'

interface Left {
  make: readonly string[]
  /** Prints `trace` while it is there. */
  show: readonly string[]
  trace: string
  remove: readonly string[]
}

const nft = (family: string): Left => ({
  make: ['nft', 'add', 'table', family, 'kube-proxy'],
  show: ['nft', 'list', 'tables'],
  trace: `table ${family} kube-proxy\n`,
  remove: ['nft', 'delete', 'table', family, 'kube-proxy'],
})
const chain = (program: string, name: string): Left => ({
  make: [program, '-t', 'nat', '-N', name],
  show: [`${program}-save`, '-t', 'nat'],
  trace: `:${name} `,
  remove: [program, '-t', 'nat', '-X', name],
})
const lefts: Readonly<Record<string, Left>> = {
  'nft table ip kube-proxy': nft('ip'),
  'nft table ip6 kube-proxy': nft('ip6'),
  'nft chain ip nat KUBE-SERVICES': chain('iptables-nft', 'KUBE-SERVICES'),
  'nft chain ip6 nat KUBE-NODEPORTS': chain('ip6tables-nft', 'KUBE-NODEPORTS'),
  'iptables-legacy chain nat KUBE-NODEPORTS': chain('iptables-legacy', 'KUBE-NODEPORTS'),
  'ip6tables-legacy chain nat KUBE-SERVICES': chain('ip6tables-legacy', 'KUBE-SERVICES'),
  'interface kube-ipvs0': {
    // Its name says it all, and not every kernel has the type `dummy`.
    make: ['ip', 'link', 'add', 'kube-ipvs0', 'type', 'bridge'],
    show: ['ip', '-oneline', 'link'],
    trace: 'kube-ipvs0',
    remove: ['ip', 'link', 'delete', 'kube-ipvs0'],
  },
}

describe('what kube-proxy has left', { skip: requires('root', 'linux', 'nft', 'iptables', 'ip', 'nsenter') }, () => {
  let world: World
  const node = 'rs-test-proxy-left-node-1'
  /** Of a proxy that was ended after its first rules. */
  const toldBy = async (...flags: string[]) => {
    const proxy = await world.startProxy('node-1', ...flags)
    assert.equal(await proxy.end('SIGTERM'), 0)
    const lines = proxy.log().split('\n')
    const warnings = lines.filter((line) => line.includes('rules of kube-proxy are still in the kernel'))
    return warnings.map((line) => (JSON.parse(line) as { found: string[] }).found)
  }

  before(async () => {
    world = await startWorld('test-proxy-left')
  })
  after(() => world?.close())

  test('is not spoken of where there is nothing but chains of the kubelet', async () => {
    for (const program of ['iptables-nft', 'iptables-legacy']) {
      for (const name of ['KUBE-POSTROUTING', 'KUBE-KUBELET-CANARY'])
        await world.run(node, [program, '-t', 'nat', '-N', name])
    }
    for (const mode of ['nftables', 'iptables']) assert.deepEqual(await toldBy(`--proxy-mode=${mode}`), [])
  })

  for (const [name, { make, show, trace, remove }] of Object.entries(lefts)) {
    test(`${name}: is named once and stays`, async () => {
      await world.run(node, make)
      assert.deepEqual(await toldBy(), [[name]])
      assert.ok((await world.run(node, show)).includes(trace))
      await world.run(node, remove)
    })
  }

  test('everything at once is one line, in mode iptables too', async () => {
    for (const { make } of Object.values(lefts)) await world.run(node, make)
    const told = await toldBy('--proxy-mode=iptables')
    assert.deepEqual(
      told.map((found) => found.toSorted()),
      [Object.keys(lefts).toSorted()],
    )
    for (const { show, trace } of Object.values(lefts)) assert.ok((await world.run(node, show)).includes(trace), trace)
  })
})
