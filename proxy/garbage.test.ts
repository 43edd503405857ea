import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { silent } from '../kube/log.ts'
import { createVirtualClock } from '../kube/virtual-clock.ts'
import { collectGarbageSoon } from './garbage.ts'

describe('garbage of the start', () => {
  test('is collected once, after a moment', async () => {
    const clock = createVirtualClock()
    const collections: string[] = []
    collectGarbageSoon(clock, silent, ({ flavor }) => collections.push(flavor))
    await clock.advance(1000)
    assert.deepEqual(collections, [])
    await clock.advance(60_000)
    assert.deepEqual(collections, ['last-resort'])
  })

  test('is not collected when the proxy ends before', async () => {
    const clock = createVirtualClock()
    let collections = 0
    collectGarbageSoon(clock, silent, () => collections++)()
    await clock.advance(60_000)
    assert.equal(collections, 0)
  })
})
