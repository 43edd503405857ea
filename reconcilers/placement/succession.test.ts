import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Owner, Resource } from '../../providers/contract.ts'
import { createPlacements } from './placements.ts'
import { drainingReason, succession } from './succession.ts'

const owner: Owner = { cluster: 'c', namespace: 'shop', name: 'web', uid: 'u1' }
const now = 1_800_000_000_000

function balancer(id: string, healthy: number, more: Partial<Resource> = {}): Resource {
  const observed = { healthy }
  return { kind: 'lb', key: 'lb', owner, needs: [], immutable: {}, mutable: {}, state: 'ready', id, observed, ...more }
}

const provider = {
  addresses: ([one]: readonly Resource[]) =>
    one === undefined
      ? { kind: 'pending' as const, reason: 'Provisioning', message: '' }
      : { kind: 'ready' as const, addresses: [{ hostname: one.id ?? '' }] },
  targets: (of: readonly Resource[]) =>
    of.flatMap(({ observed }) =>
      Array.from({ length: Number(observed?.['healthy']) }, () => ({ node: 'n', healthy: true })),
    ),
}

/** Looks at an old and a new load balancer with so many healthy targets, at each of the times in seconds. */
function looks(
  before: number,
  after: number,
  seconds: readonly number[],
  waitSeconds?: number,
  old: Partial<Resource> = {},
) {
  const placements = createPlacements()
  placements.want('here', owner, undefined)
  const [placement] = placements.all()
  assert.ok(placement)
  const leaving = balancer('old', before, old)
  const own = [balancer('new', 0, { graceSeconds: 120 })]
  return seconds.map((second) => {
    const at = { provider, now: now + second * 1000 }
    const goal = { own, drainSeconds: 0, waitSeconds, nodes: [] }
    const { keep, held, notes } = succession(at, placement, goal, [leaving], [balancer('new', after), leaving])
    return [keep ? 'keep' : 'go', held?.reason ?? notes[0]?.reason ?? ''].join(' ').trim()
  })
}

test('as healthy as the old one it is published at once, and the old one goes after the grace time', () => {
  assert.deepEqual(looks(3, 3, [0, 119, 120]), ['keep', 'keep', 'go'])
  assert.deepEqual(looks(0, 0, [0, 120]), ['keep', 'go'])
})

test('less healthy it waits for the time that is given, then goes on with what it has, and only then the grace time begins', () => {
  assert.deepEqual(looks(3, 2, [0, 59, 60, 179, 180], 60), [
    'keep WaitingForHealthyTargets',
    'keep WaitingForHealthyTargets',
    'keep ReplacementLessHealthy',
    'keep ReplacementLessHealthy',
    'go ReplacementLessHealthy',
  ])
  assert.deepEqual(looks(3, 2, [0, 599, 600]).at(-2), 'keep WaitingForHealthyTargets')
})

test('without any healthy target it never goes on, unless it is told not to wait', () => {
  assert.deepEqual(looks(3, 0, [0, 60, 86_400], 60), [
    'keep WaitingForHealthyTargets',
    'keep ReplacementUnhealthy',
    'keep ReplacementUnhealthy',
  ])
  assert.deepEqual(looks(3, 0, [0, 120], 0), ['keep ReplacementLessHealthy', 'go ReplacementLessHealthy'])
})

test('an old one that drains already is waited for by its mark alone, whatever this process remembers', () => {
  assert.deepEqual(looks(3, 0, [0], 600, { drain: { seconds: 60, since: now } }), ['go'])
})

test('of several that drain the last one tells when; whose time has not begun is said so', () => {
  const draining = [
    { resource: balancer('a', 0), seconds: 60, until: now },
    { resource: balancer('b', 0), seconds: 60, until: now + 1500 },
  ]
  assert.match(drainingReason(draining)?.message ?? '', /^Draining until 2027-01-15T08:00:02Z: /)
  assert.match(drainingReason([{ resource: balancer('a', 0), seconds: 60 }])?.message ?? '', /drains for 60 s/)
  assert.equal(drainingReason([]), undefined)
})
