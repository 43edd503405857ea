import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CloudError } from '../contract.ts'
import { actions } from './cloud.ts'
import type { AwsCloud } from './cloud.ts'
import { paced } from './paced.ts'

const signal = new AbortController().signal

/** A cloud whose every call does the same, and buckets that write down what happens. */
function setup(answer: () => Promise<unknown>, rate?: number) {
  const log: string[] = []
  const cloud = Object.fromEntries(Object.keys(actions).map((action) => [action, () => (log.push(action), answer())]))
  let made = 0
  const calls = paced(
    cloud as unknown as AwsCloud,
    ({ burst }) => {
      const name = `bucket ${++made} of ${burst}`
      return {
        take: async () => void log.push(name),
        throttled: (after) => void log.push(`${name} throttled ${after}`),
      }
    },
    rate,
  )
  return { calls, log }
}

test('each call takes a token of its own bucket first', async () => {
  const { calls, log } = setup(() => Promise.resolve({}))
  await calls.describeLoadBalancers({}, signal)
  await calls.registerTargets({ targetGroupArn: 'a', targets: [] }, signal)
  assert.deepEqual(log, ['bucket 1 of 38', 'describeLoadBalancers', 'bucket 3 of 18', 'registerTargets'])
})

test('a throttle answer slows its bucket and reaches the caller', async () => {
  const { calls, log } = setup(() =>
    Promise.reject(new CloudError('throttled', 'Rate exceeded', { retryAfterSeconds: 3 })),
  )
  await assert.rejects(calls.describeTags({ resourceArns: [] }, signal), CloudError)
  assert.equal(log.at(-1), 'bucket 1 of 38 throttled 3')
})

test('an account with raised limits', async () => {
  const { calls, log } = setup(() => Promise.resolve({}), 10)
  await calls.describeLoadBalancers({}, signal)
  assert.equal(log[0], 'bucket 1 of 380')
})
