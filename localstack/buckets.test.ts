/** Token buckets by a clock that is moved by hand. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { elbv2Buckets, strictBuckets, tokenBuckets } from './buckets.ts'

describe('token buckets', () => {
  function world(buckets = elbv2Buckets) {
    let time = 0
    const bucket = tokenBuckets(buckets, () => time)
    return {
      pass: (ms: number) => (time += ms),
      admitted: (action: string, calls: number, service: 'elbv2' | 'ec2' = 'elbv2') =>
        Array.from({ length: calls }, () => bucket.admit(service, action)).filter(Boolean).length,
    }
  }

  test('a full bucket lets its burst through, then as much as flows in, never more than its burst', () => {
    const { admitted, pass } = world()
    assert.equal(admitted('DescribeTags', 50), 40)
    pass(1000)
    assert.equal(admitted('DescribeTags', 50), 10)
    pass(3_600_000)
    assert.equal(admitted('DescribeTags', 50), 40)
  })

  test('300 mutations take 93.3 seconds: 20 at once, 3 a second', () => {
    const { admitted, pass } = world()
    let done = admitted('CreateListener', 300)
    let seconds = 0
    while (done < 300) {
      pass(100)
      seconds += 0.1
      done += admitted('CreateListener', 300 - done)
    }
    assert.ok(Math.abs(seconds - 280 / 3) < 0.2, `${seconds} s`)
  })

  test('describe, register and mutate have one each; ec2 has none', () => {
    const { admitted } = world()
    assert.equal(admitted('DeleteListener', 30), 20)
    assert.equal(admitted('RegisterTargets', 30), 20)
    assert.equal(admitted('DeregisterTargets', 30), 0)
    assert.equal(admitted('DescribeTargetHealth', 30), 30)
    assert.equal(admitted('DescribeSecurityGroups', 500, 'ec2'), 500)
  })

  test('the strict table has a small one for load balancers, and ec2 ones', () => {
    const { admitted } = world(strictBuckets)
    assert.equal(admitted('CreateLoadBalancer', 30), 10)
    assert.equal(admitted('CreateTargetGroup', 30), 20)
    assert.equal(admitted('AuthorizeSecurityGroupIngress', 80, 'ec2'), 50)
  })
})
