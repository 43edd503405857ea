/** A node whose proxy is started again in another mode, under load; what each mode leaves behind; --cleanup; a mode that cannot be used. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { requires } from '../../scripts/requires.ts'
import { type TestedMode, testedModes } from './modes.ts'
import { eventually, type PodInWorld, type RunningProxy, startWorld, type World } from './world.ts'

const needs = testedModes.flatMap((mode) => mode.needs)

describe('a change of the mode', { skip: requires('root', 'linux', 'ip', 'nsenter', ...needs) }, () => {
  let world: World
  let pods: PodInWorld[]
  let proxy: RunningProxy
  const vip = '203.0.113.1'
  const node = 'rs-test-proxy-mode-node-1'
  const run = (...argv: string[]) => world.run(node, argv)
  /** Modes whose rules are there. */
  const present = async () => {
    const found: string[] = []
    for (const mode of testedModes) if ((await run(...mode.listing)).includes(mode.trace)) found.push(mode.name)
    return found
  }

  before(async () => {
    world = await startWorld('test-proxy-mode')
    pods = [await world.addPod('a', 'node-1'), await world.addPod('b', 'node-2')]
    proxy = await world.startProxy('node-1', ...(testedModes.at(-1) as TestedMode).flags)
    const service = await world.service('web', { type: 'LoadBalancer' })
    await world.status('web', { loadBalancer: { ingress: [{ ip: vip }] } })
    await world.endpoints('web', pods, service.spec.ports)
    await eventually(() => world.onNode['node-1']?.spread('tcp', vip, 80) ?? Promise.resolve([]), ['a', 'b'])
    await world.routeAddress(vip, 'node-1')
    await eventually(() => world.outside.spread('tcp', vip, 80), ['a', 'b'])
  })
  after(() => world?.close())

  for (const [index, mode] of testedModes.entries()) {
    const from = testedModes.at(index - 1) as TestedMode
    test(`from ${from.name} to ${mode.name}: 0 requests fail, and the rules of ${from.name} are gone`, async () => {
      assert.deepEqual(await present(), [from.name])
      const load = world.outside.load(vip, 80, { perSecond: 200, forMs: 3000 })
      await proxy.end('SIGTERM')
      proxy = await world.startProxy('node-1', ...mode.flags)
      await eventually(present, [mode.name])
      const { sent, failures, names } = await load
      assert.deepEqual(failures, [])
      assert.ok(sent > 400, `${sent} sent`)
      assert.deepEqual(Object.keys(names).sort(), ['a', 'b'])
      const status = await world.onNode['node-1']?.http('http://127.0.0.1:10249/proxyMode')
      assert.equal(status?.body, mode.name)
    })
  }

  test('--cleanup removes the rules of every mode, and may be repeated', async () => {
    const cli = new URL('../../cli/main.ts', import.meta.url).pathname
    const cleanup = () => run(process.execPath, cli, 'proxy', '--cleanup')
    for (const mode of testedModes) {
      await proxy.end('SIGKILL')
      proxy = await world.startProxy('node-1', ...mode.flags)
      await eventually(present, [mode.name])
      await proxy.end('SIGKILL')
      await cleanup()
      assert.deepEqual(await present(), [])
    }
    await cleanup()
  })

  const machines: [string, Record<string, string>, string, RegExp][] = [
    [
      'nftables without nft',
      {},
      'nftables',
      /mode nftables cannot be used: there is no program nft: install nftables [^\n]*\n$/,
    ],
    [
      'iptables without iptables',
      { nft: 'nft' },
      'iptables',
      /mode iptables cannot be used: there is no iptables [^\n]*\n$/,
    ],
    [
      'iptables with iptables-nft beside a working nft',
      { nft: 'nft', iptables: 'iptables-nft', 'iptables-restore': 'iptables-nft-restore' },
      'iptables',
      /iptables here is iptables-nft, [^\n]*--proxy-mode=nftables[^\n]*install iptables-legacy\n$/,
    ],
  ]
  for (const [name, programs, mode, message] of machines) {
    test(`${name}: the proxy ends at once with one line that says what to do`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'programs-'))
      for (const [link, program] of Object.entries(programs)) await symlink(`/usr/sbin/${program}`, join(folder, link))
      const cli = new URL('../../cli/main.ts', import.meta.url).pathname
      const argv = ['env', `PATH=${folder}`, process.execPath, cli, 'proxy', '--master=http://127.0.0.1:6443']
      await assert.rejects(
        world.run('rs-test-proxy-mode-node-2', [...argv, `--proxy-mode=${mode}`]),
        (error: Error) => (assert.match(error.message, message), true),
      )
      await rm(folder, { recursive: true })
    })
  }
})
