import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createSessionIds } from './sessions.ts'

describe('ids of sessions', () => {
  test('are the same in another process', () => {
    const [a, b] = [createSessionIds(), createSessionIds()]
    b.of('x/y TCP http cluster')
    const id = a.of('x/z TCP http cluster')
    assert.equal(b.of('x/z TCP http cluster'), id)
    assert.match(id, /^[1-9a-f][\da-f]{0,3}:[1-9a-f][\da-f]{0,3}$/)
  })

  test('are different where fingerprints are the same, and free again after a release', () => {
    const ids = createSessionIds(() => 0x1234_ffff)
    assert.deepEqual(
      ['a', 'b', 'a'].map((name) => ids.of(name)),
      ['1234:ffff', '1235:1', '1234:ffff'],
    )
    ids.release('a')
    assert.equal(ids.of('c'), '1234:ffff')
    ids.release('never')
  })

  test('avoid what nft writes in another way', () => {
    assert.equal(createSessionIds(() => 0).of('a'), '1:1')
    assert.equal(createSessionIds(() => 0xfffe_ffff).of('a'), 'fffe:ffff')
    assert.equal(createSessionIds(() => 0xffff_0001).of('a'), '1:1')
  })

  test('of a previous process go on; nobody else gets them', () => {
    const ids = createSessionIds(() => 0x0001_0001)
    ids.reserve(['1:1', '1:2'])
    assert.equal(ids.of('new'), '1:3')
    ids.adopt('old', '1:2')
    ids.adopt('new', '1:1')
    assert.deepEqual(
      ['old', 'new'].map((name) => ids.of(name)),
      ['1:2', '1:3'],
    )
    ids.reserve([])
    assert.equal(ids.of('later'), '1:1')
  })
})
