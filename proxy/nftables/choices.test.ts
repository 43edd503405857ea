import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { choiceHandle, choiceNumber, choiceTexts, chosenVerdict, verdictOfHandle } from './choices.ts'

describe('verdicts of frontends', () => {
  test('are handles to nft and numbers to the kernel, and come back', () => {
    assert.equal(choiceHandle('goto n3'), '5eae:3')
    assert.equal(choiceHandle('goto l1000'), '5eaf:3e8')
    for (const verdict of ['drop', 'goto n1', 'goto l1', 'goto n1000', 'goto l65535']) {
      assert.equal(verdictOfHandle(choiceHandle(verdict)), verdict)
      assert.equal(chosenVerdict(choiceNumber(verdict) ?? 0), verdict)
    }
  })

  test('are those and no others', () => {
    for (const verdict of ['accept', 'goto t60', 'goto n', 'goto n0', 'goto n65536', 'goto nine', 'jump n1', '']) {
      assert.equal(choiceNumber(verdict), undefined, verdict)
    }
    assert.throws(() => choiceHandle('goto t60'), RangeError)
    assert.equal(chosenVerdict(0x5ead_0001), undefined)
    assert.equal(verdictOfHandle('5ead:1'), '5ead:1')
  })

  test('each has its element in the map that leads to chains', () => {
    assert.equal(choiceTexts(['drop', 'goto n1', 'goto l1']), '5eb0:1 : drop, 5eae:1 : goto n1, 5eaf:1 : goto l1')
  })
})
