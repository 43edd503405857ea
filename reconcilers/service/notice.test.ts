import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { freshNotes, nodesWithoutCloud, noticeOf, notesOf } from './notice.ts'

const note = (message: string, reason = 'Odd') => ({ reason, message })
const standing = {
  type: 'roadstead.dev/Notice',
  status: 'True' as const,
  reason: 'Odd',
  message: 'no a; no b',
  lastTransitionTime: '',
}

describe('what people should know', () => {
  test('is one condition, each matter once, in an order that does not change', () => {
    const clouds = [{ cloud: 'aws', outcome: { notes: [note('no a', 'First'), note('no b')] } }]
    const notes = notesOf(clouds, [note('no b'), note('no c')])
    const [finding] = noticeOf(clouds, notes, undefined)
    assert.deepEqual([finding?.status, finding?.reason, finding?.message], ['True', 'First', 'no a; no b; no c'])
  })

  test('names the cloud where there are several', () => {
    const clouds = ['x', 'y'].map((cloud) => ({ cloud, outcome: { notes: [note('no a')] } }))
    assert.deepEqual(
      notesOf(clouds, []).map(({ message }) => message),
      ['x: no a', 'y: no a'],
    )
  })

  test('is absent when there is nothing, and stays while a cloud has not answered', () => {
    assert.deepEqual(noticeOf([{ cloud: 'aws', outcome: { notes: [] } }], [], standing), [])
    const [kept] = noticeOf([{ cloud: 'aws', outcome: undefined }], [], standing)
    assert.equal(kept?.message, 'no a; no b')
  })

  test('is told by an event when it comes: not again with the others, nor by a restart', () => {
    const notes = [note('no a'), note('no b'), note('no c')]
    const findings = noticeOf([], notes, undefined)
    assert.deepEqual(freshNotes([standing], findings, notes), [note('no c')])
    const kept = noticeOf([{ cloud: 'aws', outcome: undefined }], notes, standing)
    assert.deepEqual(freshNotes([standing], kept, notes), [])
  })

  test('nodes of no cloud are named, a few of many, and the text is not another one for each further node', () => {
    const names = (count: number) => Array.from({ length: count }, (_, index) => `n${String(index).padStart(2, '0')}`)
    assert.deepEqual(nodesWithoutCloud([], ['aws']), [])
    assert.match(
      nodesWithoutCloud(['b', 'a'], ['aws'])[0]?.message ?? '',
      /node a, b: spec\.providerID .*\(aws\).*roadstead\.dev\/cloud/,
    )
    assert.deepEqual(nodesWithoutCloud(names(30), ['aws']), nodesWithoutCloud(names(31), ['aws']))
  })
})
