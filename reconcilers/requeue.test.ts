import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CloudError } from '../providers/contract.ts'
import { interpret } from './requeue.ts'

describe('what a refusal means', () => {
  test('Retry-After is obeyed, and a throttled call makes no event', () => {
    const { waitMs, event, reason } = interpret(new CloudError('throttled', 'slow down', { retryAfterSeconds: 42 }))
    assert.deepEqual([waitMs, event, reason], [42_000, 'never', 'CloudThrottled'])
  })

  test('a reason of the cloud goes before the general one and gets an event of its own', () => {
    const { reason, event } = interpret(new CloudError('quota', 'none left', { reason: 'AddressPoolExhausted' }))
    assert.deepEqual([reason, event], ['AddressPoolExhausted', 'specific'])
  })

  test('what a person has to lift is asked for again soon, then once a minute or two, and never by all at once', () => {
    const paceOf = (kind: 'denied' | 'quota' | 'invalid') => interpret(new CloudError(kind, 'no')).pace
    for (const kind of ['denied', 'quota', 'invalid'] as const) {
      const { initialMs, maxMs, jitter } = paceOf(kind)
      assert.ok(
        initialMs >= 10_000 && initialMs <= 30_000 && maxMs >= 60_000 && maxMs <= 120_000 && jitter >= 0.5,
        kind,
      )
    }
    assert.deepEqual([paceOf('denied').initialMs, paceOf('denied').maxMs], [10_000, 60_000])
  })

  test('an outage that is over is noticed within 40 s, however long it was', () => {
    const { maxMs, jitter } = interpret(new CloudError('unavailable', 'no')).pace
    assert.ok(maxMs * (1 + jitter / 2) <= 40_000)
  })

  test('the message is the same for every try: no request id', () => {
    const error = (requestId: string) => new CloudError('denied', 'no', { code: 'AccessDenied', requestId })
    assert.equal(interpret(error('1')).message, interpret(error('2')).message)
    assert.equal(interpret(error('1')).message, "no (AccessDenied); give the operator's identity this permission")
  })

  test('the request id is told where people may need it to ask for more', () => {
    const of = (kind: 'quota' | 'in-use') => interpret(new CloudError(kind, 'no', { requestId: 'r-1' })).requestId
    assert.deepEqual([of('quota'), of('in-use')], ['r-1', undefined])
  })
})
