import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { servedFamilies } from './served-families.ts'

describe('the families that a node serves', () => {
  test('are both where the kernel and the programs can do both', () => {
    assert.deepEqual(servedFamilies({}, true), ['ip', 'ip6'])
    assert.deepEqual(servedFamilies({ families: ['ip', 'ip6'] }, true), ['ip', 'ip6'])
  })

  test('do not include IPv6 where the kernel was started without it, though its rules can be written', () => {
    assert.deepEqual(servedFamilies({}, false), ['ip'])
    assert.deepEqual(servedFamilies({ families: ['ip', 'ip6'] }, false), ['ip'])
  })

  test('do not include one that the programs cannot do', () => {
    assert.deepEqual(servedFamilies({ families: ['ip'] }, true), ['ip'])
  })
})
