import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EndpointSlice } from '../kube/objects.ts'
import { createVirtualClock } from '../kube/virtual-clock.ts'
import { createProgramming } from './programming.ts'
import { slice } from './rules/testing.ts'
import { createCommon, trimSlice } from './trimmed.ts'

function setup() {
  const clock = createVirtualClock()
  const seen: string[] = []
  const programming = createProgramming(clock, (family, seconds) => seen.push(`${family} ${seconds}`))
  const at = (ms: number, more: Partial<EndpointSlice> = {}): EndpointSlice => {
    const made = slice([{ ip: '10.244.1.5' }], more)
    const trigger = new Date(ms).toISOString()
    made.metadata.annotations = { 'endpoints.kubernetes.io/last-change-trigger-time': trigger }
    return programming.noted(made, trimSlice(made, createCommon()))
  }
  return { clock, seen, programming, at, start: clock.now() }
}

describe('network programming latency', () => {
  test('runs from the trigger to the write, by family', async () => {
    const { clock, seen, programming, at, start } = setup()
    programming.changed(undefined, at(start + 500))
    programming.changed(undefined, at(start + 1000, { addressType: 'IPv6' }))
    await clock.advance(2000)
    programming.settled()
    await clock.advance(250)
    programming.wrote()
    assert.deepEqual(seen, ['ip 1.75', 'ip6 1.25'])
    programming.wrote()
    assert.equal(seen.length, 2)
  })

  test('a change after the batch began belongs to the next one, a refused batch to the one that is written', async () => {
    const { clock, seen, programming, at, start } = setup()
    programming.changed(undefined, at(start + 1))
    programming.settled()
    programming.changed(undefined, at(start + 2))
    programming.settled()
    await clock.advance(1001)
    programming.changed(undefined, at(start + 3))
    programming.wrote()
    assert.deepEqual(seen, ['ip 1', 'ip 0.999'])
  })

  test('what is older than this process, comes again, goes, or says nothing is not measured', () => {
    const { seen, programming, at, start } = setup()
    programming.changed(undefined, at(start - 1))
    const first = at(start + 1)
    programming.changed(first, at(start + 1))
    programming.changed(first, undefined)
    programming.changed(undefined, trimSlice(slice([]), createCommon()))
    programming.settled()
    programming.wrote()
    assert.deepEqual(seen, [])
  })
})
