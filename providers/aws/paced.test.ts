import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CloudError } from '../contract.ts'
import { around } from './cloud.ts'
import { createFakeAws } from './fake.ts'
import { paced } from './paced.ts'

const signal = new AbortController().signal

/** An account and buckets that write down what happens; `refused`: what every call is answered with. */
function setup({ refused, rate }: { refused?: CloudError; rate?: number } = {}) {
  const log: string[] = []
  const cloud = around(createFakeAws().cloud, ({ action }, go) => {
    log.push(action)
    return refused === undefined ? go() : Promise.reject(refused)
  })
  let made = 0
  const calls = paced(
    cloud,
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
  const { calls, log } = setup()
  await calls.describeLoadBalancers({}, signal)
  await assert.rejects(calls.registerTargets({ targetGroupArn: 'not there', targets: [] }, signal), CloudError)
  assert.deepEqual(log, ['bucket 1 of 38', 'describeLoadBalancers', 'bucket 3 of 18', 'registerTargets'])
})

test('a throttle answer slows its bucket and reaches the caller', async () => {
  const { calls, log } = setup({ refused: new CloudError('throttled', 'Rate exceeded', { retryAfterSeconds: 3 }) })
  await assert.rejects(calls.describeTags({ resourceArns: [] }, signal), CloudError)
  assert.equal(log.at(-1), 'bucket 1 of 38 throttled 3')
})

test('an account with raised limits', async () => {
  const { calls, log } = setup({ rate: 10 })
  await calls.describeLoadBalancers({}, signal)
  assert.equal(log[0], 'bucket 1 of 380')
})
