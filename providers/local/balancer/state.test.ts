import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { CloudRequest } from '../wire.ts'
import { Refusal } from '../wire.ts'
import { parsePool } from './addresses.ts'
import { check, listener, loadBalancer, otherTags, settings, tags, targetGroup } from './fixtures.ts'
import { frontendsOf, nextDeadline } from './frontends.ts'
import type { BalancerState } from './model.ts'
import { emptyState } from './model.ts'
import { create, expire, list, remove, update } from './state.ts'
import { judge, targetKey } from './targets.ts'

const now = 1_000_000

function made(...requests: CloudRequest[]): BalancerState {
  return requests.reduce((state, request) => create(state, request, settings, now), emptyState)
}

/** Load balancer, group and listener, both targets healthy. */
function serving(): BalancerState {
  return healthy(made(loadBalancer(), targetGroup(), listener()))
}

function healthy(state: BalancerState): BalancerState {
  let group = state.targetGroups['tg']
  assert.ok(group)
  for (const target of group.targets) group = judge(group, targetKey(target), check(), { healthy: true, since: now })
  return { ...state, targetGroups: { tg: group } }
}

const refusal = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code
const addressOf = (state: BalancerState, name = 'lb') => state.loadBalancers[name]?.addresses

test('a create repeated is the same; with other properties it is refused', () => {
  const state = made(loadBalancer())
  assert.equal(create(state, loadBalancer(), settings, now + 5), state)
  assert.throws(() => create(state, loadBalancer({ families: ['IPv6'] }), settings, now), refusal('AlreadyExists'))
})

test("another owner's object is neither taken over, changed, used nor deleted", () => {
  const state = made(loadBalancer(), targetGroup())
  const theirs = loadBalancer({ tags: otherTags })
  assert.throws(() => create(state, theirs, settings, now), refusal('OwnedByOther'))
  assert.throws(() => update(state, theirs, settings, now), refusal('OwnedByOther'))
  assert.throws(() => remove(state, 'load-balancer', 'lb', otherTags, now), refusal('OwnedByOther'))
  assert.throws(() => create(state, listener({ tags: otherTags }), settings, now), refusal('OwnedByOther'))
})

test('what is missing is not found', () => {
  assert.throws(() => update(emptyState, loadBalancer(), settings, now), refusal('NotFound'))
  assert.throws(() => remove(emptyState, 'listener', 'http', tags, now), refusal('NotFound'))
  assert.throws(() => made(loadBalancer(), listener()), refusal('NotFound'))
  assert.throws(() => made(targetGroup(), listener()), refusal('NotFound'))
})

test('what a listener uses is in use', () => {
  const state = made(loadBalancer(), targetGroup(), listener())
  for (const [kind, name] of [
    ['load-balancer', 'lb'],
    ['target-group', 'tg'],
  ] as const) {
    assert.throws(() => remove(state, kind, name, tags, now), refusal('InUse'))
  }
})

test('a port of a load balancer has one listener; another protocol is another port', () => {
  const state = made(loadBalancer(), targetGroup(), listener())
  assert.throws(() => create(state, listener({ name: 'twin' }), settings, now), refusal('DuplicateListener'))
  create(state, listener({ name: 'udp', protocol: 'UDP' }), settings, now)
})

test('immutable properties cannot change', () => {
  const state = made(loadBalancer(), targetGroup(), listener())
  assert.throws(() => update(state, loadBalancer({ scheme: 'internal' }), settings, now), refusal('InvalidRequest'))
  assert.throws(() => update(state, listener({ port: 81 }), settings, now), refusal('InvalidRequest'))
})

test('a wish for an address is granted, or refused with the reason', () => {
  const wish = (address: string) => loadBalancer({ requestedAddresses: [address] })
  assert.deepEqual(addressOf(made(wish('203.0.113.77'))), ['203.0.113.77'])
  assert.throws(() => made(wish('192.0.2.1')), refusal('AddressNotInPool'))
  assert.throws(() => made(wish('2001:db8:113::5')), refusal('InvalidRequest'))
  assert.throws(() => made(loadBalancer({ name: 'first' }), wish('203.0.113.1')), refusal('AddressInUse'))
})

test('addresses stay when a family is added or taken away', () => {
  const both = update(made(loadBalancer()), loadBalancer({ families: ['IPv4', 'IPv6'] }), settings, now)
  assert.deepEqual(addressOf(both), ['203.0.113.1', '2001:db8:113::1'])
  const one = update(both, loadBalancer({ families: ['IPv6'] }), settings, now)
  assert.deepEqual(addressOf(one), ['2001:db8:113::1'])
})

test('an exhausted pool and a used-up quota say so', () => {
  const tiny = { ...settings, pools: { ...settings.pools, public: [parsePool('192.0.2.9/32')] } }
  const one = create(emptyState, loadBalancer(), tiny, now)
  assert.throws(() => create(one, loadBalancer({ name: 'b' }), tiny, now), refusal('AddressPoolExhausted'))
  const quota = { ...settings, loadBalancerQuota: 1 }
  assert.throws(() => create(one, loadBalancer({ name: 'b' }), quota, now), refusal('TooManyLoadBalancers'))
  assert.throws(
    () => create(emptyState, loadBalancer({ scheme: 'internal' }), settings, now),
    refusal('InvalidRequest'),
  )
})

test('a frontend per address and listener, with the healthy targets of its family', () => {
  const state = healthy(made(loadBalancer({ families: ['IPv4', 'IPv6'] }), targetGroup(), listener()))
  const found = frontendsOf(state, now).map(({ address, port, targets }) => [
    address,
    port,
    targets.map((target) => target.address),
  ])
  assert.deepEqual(found, [
    ['203.0.113.1', 80, ['172.18.0.11', '172.18.0.12']],
    ['2001:db8:113::1', 80, ['fd00:18::11', 'fd00:18::12']],
  ])
})

test('callers wait for first verdicts and are refused when there is no target', () => {
  assert.equal(frontendsOf(made(loadBalancer(), targetGroup(), listener()), now)[0]?.waiting, true)
  assert.equal(frontendsOf(made(loadBalancer(), targetGroup([]), listener()), now)[0]?.waiting, false)
})

test('a deleted listener leaves its connections the drain time, and its address rests until then', () => {
  const gone = remove(remove(serving(), 'listener', 'http', tags, now), 'load-balancer', 'lb', tags, now)
  assert.deepEqual(
    gone.retired.map(({ address, nodes, until }) => ({ address, nodes, until })),
    [{ address: '203.0.113.1', nodes: [1, 3], until: now + 10_000 }],
  )
  assert.equal(nextDeadline(gone, now), now + 10_000)
  assert.deepEqual(addressOf(create(gone, loadBalancer({ name: 'next' }), settings, now), 'next'), ['203.0.113.2'])
  const later = expire(gone, now + 10_000)
  assert.deepEqual(later.retired, [])
  assert.deepEqual(addressOf(create(later, loadBalancer({ name: 'next' }), settings, now), 'next'), ['203.0.113.1'])
})

test('the connections of a load balancer that drains before it is deleted live as long as that', () => {
  const slow = loadBalancer({ drain: { seconds: 60 } })
  const gone = remove(healthy(made(slow, targetGroup(), listener())), 'listener', 'http', tags, now)
  assert.deepEqual(
    gone.retired.map(({ until }) => until),
    [now + 60_000],
  )
})

test('an address given up keeps its connections too', () => {
  const moved = update(serving(), loadBalancer({ requestedAddresses: ['203.0.113.50'] }), settings, now)
  assert.deepEqual(
    moved.retired.map(({ address }) => address),
    ['203.0.113.1'],
  )
  assert.deepEqual(addressOf(moved), ['203.0.113.50'])
})

test('a node keeps its number when it leaves and comes back', () => {
  const before = serving()
  const without = update(before, targetGroup([2]), settings, now)
  const after = update(without, targetGroup([3, 1, 2]), settings, now)
  assert.equal(after.nodeIds['172.18.0.11'], before.nodeIds['172.18.0.11'])
  const ids = Object.values(after.nodeIds)
  assert.equal(new Set(ids).size, ids.length)
})

test('a node listed twice is refused', () => {
  const twice = targetGroup([1])
  const request = { ...twice, spec: { ...twice.spec, targets: [...twice.spec.targets, ...twice.spec.targets] } }
  assert.throws(() => made(request), refusal('InvalidRequest'))
})

test('a list shows the wanted owners, and no address before the load balancer is provisioned', () => {
  const state = made(loadBalancer(), loadBalancer({ name: 'theirs', tags: otherTags }))
  const [object, ...rest] = list(state, ({ uid }) => uid === tags.uid, now + 50, 100)
  assert.deepEqual(rest, [])
  assert.deepEqual(object?.status, { state: 'pending' })
  assert.deepEqual(
    list(state, () => true, now + 100, 100).map(({ status }) => status.state),
    ['ready', 'ready'],
  )
})

test('no address is ever given twice, whatever comes and goes', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'e')
  const families = fc.constantFrom<('IPv4' | 'IPv6')[]>(['IPv4'], ['IPv6'], ['IPv4', 'IPv6'])
  const wish = fc.constantFrom<string[]>([], ['203.0.113.1'], ['203.0.113.3'])
  fc.assert(
    fc.property(
      fc.array(fc.record({ verb: fc.constantFrom('create', 'update', 'delete'), name, families, wish })),
      (events) => {
        let state = emptyState
        for (const { verb, name, families, wish } of events) {
          const request = loadBalancer({ name, families, requestedAddresses: wish })
          try {
            if (verb === 'create') state = create(state, request, settings, now)
            else if (verb === 'update') state = update(state, request, settings, now)
            else state = remove(state, 'load-balancer', name, tags, now)
          } catch (error) {
            assert.ok(error instanceof Refusal)
          }
          const given = Object.values(state.loadBalancers).flatMap(({ addresses }) => addresses)
          assert.equal(new Set(given).size, given.length)
        }
      },
    ),
  )
})
