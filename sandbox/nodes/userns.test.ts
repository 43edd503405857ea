import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { outerUid } from './userns.ts'

describe('outer user number', () => {
  test('on the machine itself it is the same', () =>
    assert.equal(outerUid(1000, '         0          0 4294967295\n'), 1000))
  test('root of a user namespace is its maker', () =>
    assert.equal(outerUid(0, '         0       1000          1\n'), 1000))
})
