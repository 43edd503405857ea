import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { createBalancer } from './balancer.ts'
import type { Clock } from './clock.ts'
import type { Route } from './data-plane.ts'
import { createDataPlane, routeLines } from './data-plane.ts'
import { check, listener, loadBalancer, settings, tags, targetGroup } from './fixtures.ts'
import type { ProbeResult } from './health.ts'
import type { BalancerState } from './model.ts'
import { emptyState } from './model.ts'
import type { Ruleset } from './rules.ts'

interface Applied {
  rules: readonly Ruleset[]
  routes: readonly Route[]
}

function world(initial: BalancerState = emptyState) {
  let time = 1000
  const timers = new Map<object, { at: number; run: () => void }>()
  const clock: Clock = {
    now: () => time,
    after(ms, run) {
      const key = {}
      timers.set(key, { at: time + ms, run })
      return () => void timers.delete(key)
    },
  }
  const seen = {
    applied: [] as Applied[],
    saved: [] as BalancerState[],
    broken: 0,
    slow: undefined as Promise<void> | undefined,
  }
  const answers = new Map<string, ProbeResult>()
  const balancer = createBalancer({
    initial,
    settings,
    insideInterfaces: ['eth0'],
    firstZone: 65_535,
    clock,
    log: { info: () => {}, warn: () => {} },
    probe: async (address) => answers.get(address) ?? { healthy: true },
    dataPlane: {
      async apply(rules, routes) {
        await seen.slow
        if (seen.broken-- > 0) throw new Error('nft: no')
        seen.applied.push({ rules, routes })
      },
      clear: async () => {},
    },
    save: async (state) => void seen.saved.push(state),
  })
  const pass = async (ms: number) => {
    time += ms
    for (const [key, { at, run }] of timers) {
      if (at > time) continue
      timers.delete(key)
      run()
    }
    await turn()
    await balancer.settled()
  }
  return { balancer, seen, answers, pass, timers }
}

const serve = (changes = {}) =>
  [loadBalancer(), targetGroup(), listener(changes)].map((request) => ({ verb: 'create' as const, request }))
const elements = ({ applied }: { applied: Applied[] }, set: string) => [
  ...(applied.at(-1)?.rules[0]?.elements.get(set)?.values() ?? []),
]
const zoneOf = ({ applied }: { applied: Applied[] }) => applied.at(-1)?.rules[0]?.chains.get('move')?.at(-1)

test('changes that arrive together share one flush: saved first, then in the kernel', async () => {
  const { balancer, seen } = world()
  await balancer.settled()
  for (const change of serve()) balancer.core.change(change)
  await balancer.settled()
  assert.equal(seen.applied.length, 2)
  assert.equal(seen.saved.at(-1), balancer.core.state())
  await balancer.stop()
})

test('nodes get traffic when they have passed', async () => {
  const { balancer, seen, pass } = world()
  for (const change of serve()) balancer.core.change(change)
  await balancer.settled()
  assert.deepEqual(elements(seen, 'choose'), ['drop'])
  await pass(0)
  assert.deepEqual(elements(seen, 'choose'), ['goto spread-2'])
  await balancer.stop()
})

test('connections of a removed target are cut by the clock when the drain time is over', async () => {
  const { balancer, seen, pass } = world()
  for (const change of serve()) balancer.core.change(change)
  await pass(0)
  balancer.core.change({ verb: 'update', request: targetGroup([2]) })
  await balancer.settled()
  const kept = () => [...(seen.applied.at(-1)?.rules[0]?.elements.get('kept')?.keys() ?? [])].length
  assert.equal(kept(), 4)
  await pass(10_000)
  assert.equal(kept(), 2)
  await balancer.stop()
})

test('a target that comes back before it has drained is judged again at once', async () => {
  const { balancer, seen, pass } = world()
  for (const change of serve()) balancer.core.change(change)
  await pass(0)
  balancer.core.change({ verb: 'update', request: targetGroup([2]) })
  await pass(0)
  balancer.core.change({ verb: 'update', request: targetGroup([1, 2]) })
  await pass(0)
  assert.deepEqual(elements(seen, 'choose'), ['goto spread-2'])
  await balancer.stop()
})

test('a target that leaves opens another zone for the flows that choose again; one that joins does not', async () => {
  const { balancer, seen, pass } = world()
  for (const change of serve()) balancer.core.change(change)
  await pass(0)
  const first = zoneOf(seen)
  balancer.core.change({ verb: 'update', request: targetGroup([1, 2, 3]) })
  await pass(0)
  assert.equal(zoneOf(seen), first)
  balancer.core.change({ verb: 'update', request: targetGroup([2, 3]) })
  await pass(0)
  assert.notEqual(zoneOf(seen), first)
  assert.match(zoneOf(seen) ?? '', / : 1 \} drop$/)
  await balancer.stop()
})

test('a kernel that refuses is tried again, and said to be in trouble until then', async () => {
  const { balancer, seen, pass } = world()
  seen.broken = 1
  await balancer.settled()
  assert.equal(balancer.trouble(), 'nft: no')
  await pass(1000)
  assert.equal(balancer.trouble(), undefined)
  await balancer.stop()
})

test('after a restart the saved verdicts route until new ones come', async () => {
  const first = world()
  for (const change of serve()) first.balancer.core.change(change)
  await first.pass(0)
  await first.balancer.stop()
  const second = world(structuredClone(first.seen.saved.at(-1)) ?? emptyState)
  await second.balancer.settled()
  assert.deepEqual(elements(second.seen, 'choose'), ['goto spread-2'])
  assert.deepEqual(elements(second.seen, 'slots'), elements(first.seen, 'slots'))
  await second.balancer.stop()
})

test('only passthrough needs routes, one for each node address', async () => {
  const { balancer, seen, pass } = world()
  for (const change of serve()) balancer.core.change(change)
  await pass(0)
  assert.deepEqual(seen.applied.at(-1)?.routes, [])
  balancer.core.change({ verb: 'update', request: listener({ forward: { mode: 'passthrough' } }) })
  await balancer.settled()
  assert.deepEqual(seen.applied.at(-1)?.routes, [
    { id: 1, family: 'IPv4', address: '172.18.0.11' },
    { id: 3, family: 'IPv4', address: '172.18.0.12' },
  ])
  await balancer.stop()
})

test('a stopped balancer leaves no timer and does not write any more', async () => {
  const { balancer, seen, pass, timers } = world()
  for (const change of serve()) balancer.core.change(change)
  await pass(0)
  await balancer.stop()
  const writes = seen.applied.length
  balancer.core.judge({ group: 'tg', target: 'node-1@172.18.0.11,fd00:18::11', check: check(), healthy: false })
  await balancer.settled()
  assert.equal(seen.applied.length, writes)
  assert.equal(timers.size, 0)
  assert.deepEqual(tags.cluster, 'c1')
})

test('routes come before the rules that lead to them and go after them', () => {
  const one: Route = { id: 1, family: 'IPv4', address: '172.18.0.11' }
  const two: Route = { id: 2, family: 'IPv4', address: '172.18.0.12' }
  assert.deepEqual(routeLines([one], [two]).trim().split('\n'), [
    'route replace default via 172.18.0.12 table 22002',
    'rule add fwmark 2/0xffff lookup 22002 priority 22000',
    'rule del fwmark 1/0xffff lookup 22001 priority 22000',
    'route flush table 22001',
  ])
  assert.equal(routeLines([one, two], [two, one]), '')
  assert.equal(routeLines([{ ...one, address: '' }], [one]), 'route replace default via 172.18.0.11 table 22001\n')
})

test('a start finds the rules of an earlier process and removes what is not wanted', async () => {
  const calls: string[] = []
  const plane = createDataPlane(async (argv, input) => {
    calls.push(`${argv.join(' ')}|${input}`)
    return argv.includes('show') && argv.includes('-4') ? '22000:\tfrom all fwmark 0x9/0xffff lookup 22009\n' : ''
  }, 't')
  await plane.apply([], [])
  assert.ok(
    calls.includes('ip -4 -batch -|rule del fwmark 9/0xffff lookup 22009 priority 22000\nroute flush table 22009\n'),
  )
})

test('a table of another version is replaced as a whole', async () => {
  const texts: string[] = []
  const plane = createDataPlane(async (argv, input) => {
    if (argv[0] === 'nft') texts.push(input)
    if (argv[0] === 'nft' && texts.length === 1) throw new Error('nft: File exists')
    return ''
  }, 't')
  const rules: Ruleset = { family: 'ip', chains: new Map(), elements: new Map() }
  await plane.apply([rules], [])
  assert.ok(texts[1]?.startsWith('add table ip t\ndelete table ip t\n'))
})
