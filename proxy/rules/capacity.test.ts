import assert from 'node:assert/strict'
import { test } from 'node:test'
import { capacityWatch } from './capacity.ts'

test('too many endpoints are told once, and again after they were fewer', () => {
  const told: string[] = []
  const watch = capacityWatch((service, message) => told.push(`${service}: ${message}`))
  watch(new Map())
  watch(new Map([['a/b', 1001]]))
  watch(new Map([['a/b', 1002]]))
  assert.deepEqual(told, ['a/b: 1001 endpoints are ready, of which 1000 get traffic: a Service port can have no more'])
  watch(new Map())
  watch(new Map([['a/b', 1003]]))
  assert.equal(told.length, 2)
})
