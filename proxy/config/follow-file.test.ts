import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { silent } from '../../kube/log.ts'
import { createVirtualClock } from '../../kube/virtual-clock.ts'
import { followFile, lookEveryMs } from './follow-file.ts'

function following() {
  const clock = createVirtualClock()
  const stop = new AbortController()
  const given = { path: 'f', text: 'one', document: {} }
  const errors: unknown[] = []
  const state = { text: 'one', failure: undefined as Error | undefined, changed: false }
  void followFile({
    given,
    clock,
    log: { ...silent, error: (fields) => errors.push(fields['reason']) },
    signal: stop.signal,
    read: () => (state.failure ? Promise.reject(state.failure) : Promise.resolve({ ...given, text: state.text })),
  }).then(() => (state.changed = true))
  return { clock, stop, state, errors }
}

describe('the configuration file', () => {
  test('another content is noticed, the same one is not', async () => {
    const { clock, state } = following()
    await clock.advance(3 * lookEveryMs)
    assert.equal(state.changed, false)
    state.text = 'two'
    await clock.advance(lookEveryMs)
    assert.equal(state.changed, true)
    assert.equal(clock.pending, 0)
  })

  test('a content that would not start is said once and changes nothing', async () => {
    const { clock, state, errors, stop } = following()
    state.failure = new Error('conntrack.min: -1 is not')
    await clock.advance(3 * lookEveryMs)
    assert.deepEqual([state.changed, errors], [false, ['conntrack.min: -1 is not']])
    stop.abort()
    await clock.advance(1)
    assert.equal(clock.pending, 0)
  })
})
