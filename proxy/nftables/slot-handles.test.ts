import assert from 'node:assert/strict'
import { test } from 'node:test'
import { slotBase, withHandle, withSlot } from './slot-handles.ts'

test('slots are handles to nft, and come back', () => {
  assert.equal(withHandle('10.96.0.1 . tcp . 80 . 0'), '10.96.0.1 . tcp . 80 . 5ead:1')
  assert.equal(withHandle('fd00::1 . udp . 53 . 999'), 'fd00::1 . udp . 53 . 5ead:3e8')
  for (const slot of [0, 1, 9, 15, 16, 255, 999]) {
    const key = `fd00:96::1 . tcp . 80 . ${slot}`
    assert.equal(withSlot(withHandle(key)), key)
  }
  assert.equal(slotBase, Number.parseInt('5ead0001', 16))
})
