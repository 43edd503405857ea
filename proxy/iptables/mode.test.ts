import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { describe, test } from 'node:test'
import { silent } from '../../kube/log.ts'
import { createVirtualClock } from '../../kube/virtual-clock.ts'
import type { Mode, ModeOptions } from '../mode.ts'
import { ProgramMissing, type Run } from '../program.ts'
import { WriteError } from '../writer.ts'
import { type FakeIptables, fakeIptables } from './fake.ts'
import { iptablesMode } from './mode.ts'
import { options as skeleton } from './testing.ts'

interface Machine {
  /** What `-V` prints, by program. */
  versions?: Record<string, string>
  /** Complaint of restore programs, by the beginning of their name. */
  broken?: Record<string, string>
  missing?: string[]
  kernels?: Record<string, FakeIptables>
}

const legacy = 'iptables v1.8.9 (legacy)'
const slow = 'iptables v1.8.9 (nf_tables)'

function setup({ versions = {}, broken = {}, missing = [], kernels = {} }: Machine, nftables?: string) {
  const calls: string[] = []
  const run: Run = async (program, args, input = '') => {
    calls.push([program, ...args].join(' '))
    const version = versions[program.replace('ip6', 'ip').replace(/-(save|restore)$/, '')]
    if (version === undefined || missing.some((name) => program.startsWith(name))) throw new ProgramMissing(program)
    if (args[0] === '-V') return { code: 0, stdout: `${version}\n`, stderr: '' }
    const [, complaint] = Object.entries(broken).find(([name]) => program.startsWith(`${name}-restore`)) ?? []
    if (complaint !== undefined) return { code: 3, stdout: '', stderr: complaint }
    const kernel = kernels[program.replace(/-(save|restore)$/, '')]
    if (program.endsWith('-save')) return { code: 0, stdout: (await kernel?.save()) ?? '', stderr: '' }
    if (!args.includes('--test')) await kernel?.restore(input)
    return { code: 0, stdout: '', stderr: '' }
  }
  const twin: Mode = {
    name: 'nftables',
    detect: () => Promise.resolve(nftables),
    open: () => Promise.reject(new Error('not asked for')),
    remove: () => Promise.resolve(),
  }
  const told: string[] = []
  const log = { ...silent, warn: (_: object, text: string) => void told.push(text) }
  const options: ModeOptions = { skeleton, writer: 'auto', log }
  return { mode: iptablesMode(run, createVirtualClock(), twin), options, calls, told }
}

describe('the mode iptables on a machine', () => {
  const lacks: [string, Machine, string | undefined, RegExp][] = [
    ['without iptables', {}, undefined, /no iptables 1\.6\.2 or later: install it/],
    ['with an old one', { versions: { iptables: 'iptables v1.6.1' } }, undefined, /no iptables 1\.6\.2/],
    [
      'where iptables is iptables-nft and nftables works',
      { versions: { iptables: slow } },
      undefined,
      /iptables-nft, which does slowly what --proxy-mode=nftables does/,
    ],
    [
      'whose kernel has no ip_tables',
      { versions: { iptables: legacy }, broken: { iptables: "can't initialize iptables table `nat'" } },
      undefined,
      /ip_tables, iptable_nat and iptable_filter are needed \(.*can't initialize/,
    ],
    [
      'whose kernel has no ip_tables and has nftables, with both flavours',
      { versions: { 'iptables-legacy': legacy, iptables: slow }, broken: { 'iptables-legacy': 'no table nat' } },
      undefined,
      /iptables-legacy does not work here \(.*no table nat.*\), and there is iptables-nft, .*: use that, or load ip_tables/,
    ],
    [
      'where iptables-nft does not work either',
      { versions: { iptables: slow }, broken: { iptables: 'Protocol not supported' } },
      'no nft',
      /iptables-nft does not work here: .*Protocol not supported/,
    ],
  ]
  for (const [name, machine, nftables, reason] of lacks) {
    test(`${name}: it says so and what to do`, async () => {
      const { mode, options, calls } = setup(machine, nftables)
      assert.match((await mode.detect(options)) ?? 'nothing', reason)
      await assert.rejects(mode.open(options), WriteError)
      assert.deepEqual(
        calls.filter((call) => call.includes('-restore') && !call.includes('--test')),
        [],
      )
    })
  }

  test('with both flavours: legacy is used, whatever the plain name means', async () => {
    const { mode, options, calls } = setup({ versions: { 'iptables-legacy': legacy, iptables: slow } })
    assert.equal(await mode.detect(options), undefined)
    await mode.open(options)
    assert.ok(calls.filter((call) => call.includes('--test')).every((call) => /^ip6?tables-legacy-restore /.test(call)))
  })

  test('where nftables does not work, iptables-nft is better than nothing; so it is where legacy does not work', async () => {
    const versions = { 'iptables-legacy': legacy, iptables: slow }
    const { mode, options } = setup({ versions, broken: { 'iptables-legacy': 'no table nat' } }, 'no nft')
    assert.equal(await mode.detect(options), undefined)
    assert.equal((await mode.open(options)).name, 'iptables')
    const { mode: alone, options: same } = setup({ versions: { iptables: slow } }, 'no nft')
    assert.equal(await alone.detect(same), undefined)
  })

  test('where both names mean the same programs, they are asked once', async () => {
    const { mode, calls } = setup({ versions: { 'iptables-legacy': legacy, iptables: legacy } })
    await mode.remove()
    assert.deepEqual(
      calls.filter((call) => call.endsWith('-save')),
      ['iptables-legacy-save', 'ip6tables-legacy-save'],
    )
  })

  test('without ip6tables IPv4 works, and it is told', async () => {
    const { mode, options, told } = setup({ versions: { iptables: legacy }, missing: ['ip6tables'] })
    const writer = await mode.open(options)
    assert.deepEqual(told, ['no rules are written for IPv6'])
    assert.deepEqual(writer.families, ['ip'])
  })

  test('what either flavour holds of ours is taken away', async () => {
    const kernels = {
      iptables: fakeIptables('ip'),
      ip6tables: fakeIptables('ip6'),
      'iptables-legacy': fakeIptables('ip'),
      'ip6tables-legacy': fakeIptables('ip6'),
    }
    const { mode } = setup({ versions: { 'iptables-legacy': legacy, iptables: slow }, kernels })
    const empty = await kernels.iptables.save()
    for (const kernel of Object.values(kernels)) {
      kernel.tables.get('nat')?.set('ROADSTEAD-SERVICES', [])
      kernel.tables.get('nat')?.get('OUTPUT')?.push('-j ROADSTEAD-SERVICES')
    }
    await mode.remove()
    for (const kernel of Object.values(kernels)) assert.equal(await kernel.save(), empty)
  })

  test('a proxy that changes to the other flavour takes away what the one before has written, after its own are in place', async () => {
    const kernels = {
      iptables: fakeIptables('ip'),
      ip6tables: fakeIptables('ip6'),
      'iptables-legacy': fakeIptables('ip'),
      'ip6tables-legacy': fakeIptables('ip6'),
    }
    const empty = await kernels.iptables.save()
    const before = setup({ versions: { iptables: slow }, kernels }, 'no nft')
    await (await before.mode.open(before.options)).replace(new Map())
    assert.notEqual(await kernels.iptables.save(), empty)
    const now = setup({ versions: { 'iptables-legacy': legacy, iptables: slow }, kernels })
    await (await now.mode.open(now.options)).replace(new Map())
    assert.equal(await kernels.iptables.save(), empty)
    assert.notEqual(await kernels['iptables-legacy'].save(), empty)
    const writes = now.calls.filter((call) => call.includes('-restore') && !call.includes('--test'))
    assert.deepEqual(
      writes.map((call) => call.split(' ')[0]),
      ['iptables-legacy-restore', 'ip6tables-legacy-restore', 'iptables-restore', 'ip6tables-restore'],
    )
  })

  test('what full privileges are needed for is to load a module with room for more clients, where it is not loaded', async () => {
    const { mode, options, calls } = setup({ versions: { iptables: legacy, modprobe: '' } })
    await mode.prepare?.(options)
    const loaded = existsSync('/sys/module/xt_recent/parameters/ip_list_tot')
    assert.deepEqual(calls, loaded ? [] : ['modprobe xt_recent ip_list_tot=10000 ip_list_hash_size=512'])
  })

  test('with no iptables at all there is nothing to take away', async () => {
    await setup({}).mode.remove()
    await setup({ versions: { iptables: legacy }, missing: ['ip6tables'] }).mode.remove()
  })
})
