import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { compileCel } from './cel.ts'

const self = { from: 3, to: 5, name: 'web', list: [1, 2], map: { a: 'x' } }
const holds = (source: string, scope: object = { self }) => compileCel(source)?.({ ...scope })

describe('validation rules', () => {
  test('compare, combine and choose', () => {
    assert.equal(holds('self.from <= self.to'), true)
    assert.equal(holds('self.from == 3 && !(self.to < 5) || false'), true)
    assert.equal(holds("self.name in ['web', 'db'] ? size(self.list) == 2 : false"), true)
    assert.equal(holds('self.from + 2 == self.to'), true)
  })

  test('look for members', () => {
    assert.equal(holds('has(self.name) && !has(self.other)'), true)
    assert.equal(holds("self.map['a'] == 'x' && 'a' in self.map"), true)
    assert.throws(() => holds('self.other == 1'), { message: 'no such key: other' })
  })

  test('test lists and texts', () => {
    assert.equal(holds('self.list.all(x, x > 0) && self.list.exists(x, x == 2)'), true)
    assert.equal(holds("self.name.startsWith('w') && self.name.matches('^[a-z]+$')"), true)
  })

  test('do not compile outside of what is understood', () => {
    assert.equal(compileCel('self.list.map(x, x * 2)'), undefined)
    assert.equal(compileCel('quantity(self.x).isGreaterThan(1)'), undefined)
  })
})
