import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { check, targetGroup } from './fixtures.ts'
import type { TargetGroup } from './model.ts'
import {
  createGroup,
  eligible,
  isPending,
  judge,
  lingering,
  targetKey,
  targetStatuses,
  updateGroup,
} from './targets.ts'

const now = 1_000_000

function verdict(group: TargetGroup, node: number, healthy: boolean, port = 10256, at = now): TargetGroup {
  const target = group.targets.find((each) => each.node === `node-${node}`)
  assert.ok(target)
  return judge(group, targetKey(target), check(port), {
    healthy,
    since: at,
    ...(healthy ? {} : { reason: 'HTTP status 503' }),
  })
}

function judged(verdicts: Readonly<Record<number, boolean>>): TargetGroup {
  const nodes = Object.keys(verdicts).map(Number)
  return nodes.reduce((group, node) => verdict(group, node, verdicts[node] === true), createGroup(targetGroup(nodes)))
}

const names = (targets: readonly { node: string }[]) => targets.map(({ node }) => node)

describe('target group', () => {
  test('a new group is pending until every target has a verdict', () => {
    const group = createGroup(targetGroup([1, 2]))
    assert.ok(isPending(group))
    assert.deepEqual(eligible(group), [])
    const half = verdict(group, 1, true)
    assert.ok(isPending(half))
    assert.deepEqual(eligible(half), [])
    const whole = verdict(half, 2, false)
    assert.ok(!isPending(whole))
    assert.deepEqual(names(eligible(whole)), ['node-1'])
  })

  test('a group without targets is ready', () => {
    assert.ok(!isPending(createGroup(targetGroup([]))))
  })

  test('a registered target waits for its verdict, the others go on', () => {
    const group = updateGroup(judged({ 1: true }), targetGroup([1, 2]), now)
    assert.ok(isPending(group))
    assert.deepEqual(names(eligible(group)), ['node-1'])
    assert.deepEqual(names(eligible(verdict(group, 2, true))), ['node-1', 'node-2'])
  })

  test('when no target is healthy all that were judged get traffic', () => {
    assert.deepEqual(names(eligible(judged({ 1: false, 2: false }))), ['node-1', 'node-2'])
  })

  test('a removed target gets nothing new and drains', () => {
    const group = updateGroup(judged({ 1: true, 2: true }), targetGroup([2]), now)
    assert.deepEqual(names(eligible(group)), ['node-2'])
    assert.deepEqual(
      lingering(group, 'TCP', now + 9999).map(({ until }) => until),
      [now + 10_000],
    )
    assert.deepEqual(lingering(group, 'TCP', now + 10_000), [])
    assert.deepEqual(
      targetStatuses(group).map(({ state }) => state),
      ['healthy', 'draining'],
    )
  })

  test('a target that comes back does not drain and is judged again', () => {
    const gone = updateGroup(judged({ 1: true, 2: true }), targetGroup([2]), now)
    const back = updateGroup(gone, targetGroup([1, 2]), now)
    assert.deepEqual(lingering(back, 'TCP', now), [])
    assert.deepEqual(names(eligible(back)), ['node-2'])
  })

  test('an unhealthy target keeps TCP for the drain time, UDP leaves at once', () => {
    const group = judged({ 1: false, 2: true })
    assert.equal(lingering(group, 'TCP', now).length, 1)
    assert.deepEqual(lingering(group, 'UDP', now), [])
  })

  test('UDP leaves a draining target that fails its health check, TCP does not', () => {
    const draining = updateGroup(judged({ 1: true, 2: true }), targetGroup([2]), now)
    assert.equal(lingering(draining, 'UDP', now).length, 1)
    const gone = judge(draining, 'node-1@172.18.0.11,fd00:18::11', check(), {
      healthy: false,
      reason: 'silent',
      since: now,
    })
    assert.deepEqual(lingering(gone, 'UDP', now), [])
    assert.equal(lingering(gone, 'TCP', now).length, 1)
  })

  test('the same verdict again does not prolong the drain time', () => {
    const group = verdict(judged({ 1: false, 2: true }), 1, false, 10256, now + 5000)
    assert.deepEqual(
      lingering(group, 'TCP', now).map(({ until }) => until),
      [now + 10_000],
    )
  })
})

describe('change of the health check', () => {
  const flipped = () =>
    updateGroup(judged({ 1: true, 2: true }), targetGroup([1, 2], { healthCheck: check(32100) }), now)

  test('routing goes by the old verdicts until every target has a new one, then switches at once', () => {
    const first = verdict(flipped(), 1, false, 32100)
    assert.ok(isPending(first))
    assert.deepEqual(names(eligible(first)), ['node-1', 'node-2'])
    const both = verdict(first, 2, true, 32100)
    assert.ok(!isPending(both))
    assert.deepEqual(names(eligible(both)), ['node-2'])
  })

  test('the old check still finds a node that dies in between', () => {
    assert.deepEqual(names(eligible(verdict(flipped(), 1, false))), ['node-2'])
  })

  test('going back before the end keeps what is in effect', () => {
    const back = updateGroup(verdict(flipped(), 1, false, 32100), targetGroup([1, 2]), now)
    assert.ok(!isPending(back))
    assert.deepEqual(names(eligible(back)), ['node-1', 'node-2'])
  })

  test('a verdict of a check that is no longer wanted changes nothing', () => {
    const group = judged({ 1: true })
    assert.equal(verdict(group, 1, false, 9999), group)
  })

  test('another interval is in effect at once', () => {
    const group = updateGroup(
      judged({ 1: true }),
      targetGroup([1], { healthCheck: { ...check(), intervalSeconds: 1 } }),
      now,
    )
    assert.ok(!isPending(group))
    assert.equal(group.check?.intervalSeconds, 1)
  })

  test('a target removed while it was the last without a verdict completes the change', () => {
    const group = updateGroup(verdict(flipped(), 1, true, 32100), targetGroup([1], { healthCheck: check(32100) }), now)
    assert.ok(!isPending(group))
    assert.equal(group.check?.port, 32100)
  })
})

test('whatever happens, only judged targets that are registered get traffic, and enough verdicts make it ready', () => {
  const nodes = fc.uniqueArray(fc.integer({ min: 1, max: 5 }), { maxLength: 5 })
  const event = fc.oneof(
    fc.record({ nodes, port: fc.constantFrom(10256, 32100) }),
    fc.record({ node: fc.integer({ min: 1, max: 5 }), healthy: fc.boolean(), port: fc.constantFrom(10256, 32100) }),
  )
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      let group = createGroup(targetGroup([1, 2]))
      for (const each of events) {
        const request = 'nodes' in each ? targetGroup(each.nodes, { healthCheck: check(each.port) }) : undefined
        if (request) group = updateGroup(group, request, now)
        else if ('node' in each && names(group.targets).includes(`node-${each.node}`)) {
          group = verdict(group, each.node, each.healthy, each.port)
        }
        const registered = names(group.targets)
        assert.ok(eligible(group).every(({ node, verdict }) => verdict && registered.includes(node)))
        assert.ok(group.draining.every(({ node }) => !registered.includes(node)))
      }
      const port = group.request.spec.healthCheck.port
      for (const { node } of group.targets) group = verdict(group, Number(node.split('-')[1]), true, port)
      assert.ok(!isPending(group))
      assert.deepEqual(names(eligible(group)), names(group.targets))
    }),
  )
})
