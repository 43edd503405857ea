import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Owner, Resource, Step } from './contract.ts'
import { progress } from './plan.ts'

const owner: Owner = { cluster: 'c', namespace: 'shop', name: 'web', uid: 'u1' }
const now = 1_800_000_000_000

function seen(key: string, more: Partial<Resource> = {}): Resource {
  return { kind: 'thing', key, owner, needs: [], immutable: {}, mutable: {}, state: 'ready', id: key, ...more }
}

/** A load balancer in a security group, with a listener that forwards to a group. */
const group = seen('targets')
const firewall = seen('firewall')
const balancer = seen('balancer', { needs: ['firewall'], drain: { seconds: 60 } })
const listener = seen('listener', { needs: ['balancer', 'targets'] })
const all = [group, firewall, balancer, listener]
const since = (at: number) => ({ ...balancer, drain: { seconds: 60, since: at } })

const lines = (steps: readonly Step[]) => steps.map(({ verb, resource }) => `${verb} ${resource.key}`)
const at = (observed: readonly Resource[], time = now, more: { seconds?: number; keep?: boolean } = {}) =>
  progress([], observed, undefined, { now: time, ...more })

test('what leads connections to it goes first, and nothing else', () => {
  const { steps, draining, leaving } = at(all)
  assert.deepEqual(lines(steps), ['delete listener'])
  assert.deepEqual(
    draining.map(({ resource, until }) => [resource.key, until]),
    [['balancer', undefined]],
  )
  assert.equal(leaving.length, 4)
})

test('its time begins when they are gone, not when their deletion was asked for', () => {
  assert.deepEqual(lines(at([...all.slice(0, 3), { ...listener, state: 'deleting' }]).steps), [])
  const { steps, draining } = at(all.slice(0, 3))
  assert.deepEqual(lines(steps), ['update balancer'])
  assert.deepEqual(steps[0]?.resource.drain, { seconds: 60, since: now })
  assert.equal(draining[0]?.until, now + 60_000)
})

test('until it is over nothing goes, then everything in order', () => {
  const marked = [group, firewall, since(now)]
  assert.deepEqual(lines(at(marked, now + 59_999).steps), [])
  assert.deepEqual(lines(at(marked, now + 60_000).steps), ['delete targets', 'delete balancer', 'delete firewall'])
})

test('the present word goes before the one in the cloud, in both directions', () => {
  const marked = [group, firewall, since(now)]
  assert.deepEqual(lines(at(marked, now + 60_000, { seconds: 90 }).steps), [])
  assert.equal(lines(at(marked, now + 1, { seconds: 0 }).steps).length, 3)
  assert.equal(lines(at([{ ...balancer, drain: { seconds: 0 } }], now, { seconds: 9 }).steps)[0], 'update balancer')
})

test('a mark of the future, from a clock that was wrong, is made anew instead of waited for', () => {
  const { steps } = at([since(now + 3_600_000)])
  assert.deepEqual(steps[0]?.resource.drain, { seconds: 60, since: now })
})

test('one that never was in service is not waited for', () => {
  const steps = at([group, firewall, { ...balancer, state: 'pending' }, { ...listener, state: 'pending' }]).steps
  assert.equal(lines(steps).filter((line) => line.startsWith('delete')).length, 4)
})

test('an object that goes alone, beside a load balancer that stays, does not wait', () => {
  const want = (resource: Resource): Resource => ({ ...resource, state: 'ready' })
  const { steps } = progress([group, firewall, balancer].map(want), all, undefined, { now })
  assert.deepEqual(lines(steps), ['delete listener'])
})

test('while everything is to be kept, what would go is told and nothing goes', () => {
  const { steps, leaving } = at(all, now, { keep: true })
  assert.deepEqual([lines(steps), leaving.length], [[], 4])
})

test('what is wanted again loses its mark', () => {
  const { steps } = progress([balancer], [since(now)], undefined, { now: now + 1 })
  assert.deepEqual(lines(steps), ['update balancer'])
  assert.equal(steps[0]?.resource.drain?.since, undefined)
})
