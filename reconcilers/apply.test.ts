import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Owner, Resource } from '../providers/contract.ts'
import { progress } from '../providers/plan.ts'
import { describePlan } from './apply.ts'

const owner: Owner = { cluster: 'c', namespace: 'shop', name: 'web', uid: 'u1' }
const now = Date.parse('2026-01-01T00:00:00Z')

function seen(kind: string, more: Partial<Resource> = {}): Resource {
  return { kind, key: `${kind}/1`, owner, needs: [], immutable: {}, mutable: {}, state: 'ready', id: kind, ...more }
}

const balancer = seen('load-balancer', { drain: { seconds: 60 } })
const all = [seen('target-group'), balancer, seen('listener', { needs: ['load-balancer/1', 'target-group/1'] })]

test('a plan tells what is done now, how long is waited for what, and what is deleted after that', () => {
  assert.deepEqual(describePlan(progress([], all, undefined, { now })), [
    'delete listener listener/1',
    'wait 60 s for connections over load-balancer load-balancer/1 to run out',
    'delete target-group target-group/1',
    'delete load-balancer load-balancer/1',
  ])
  const marked = { ...balancer, drain: { seconds: 60, since: now } }
  assert.deepEqual(describePlan(progress([], [marked], undefined, { now: now + 1000 })), [
    'wait 60 s (until 2026-01-01T00:01:00.000Z) for connections over load-balancer load-balancer/1 to run out',
    'delete load-balancer load-balancer/1',
  ])
})

test('a plan without anything that drains is its steps', () => {
  assert.deepEqual(describePlan(progress([], [seen('target-group')], undefined, { now })), [
    'delete target-group target-group/1',
  ])
})
