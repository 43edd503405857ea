import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { foreignAnnotations, foreignPrefix } from './foreign-annotations.ts'
import { hints } from './hints.ts'

const elb = `${foreignPrefix}aws-load-balancer-`
const told = (annotations: Record<string, string>) => hints(annotations)[0]?.message

describe('annotations of other controllers on a Service of ours', () => {
  test('are named with their equivalent and its value, sorted, in one message', () => {
    const message = told({ [`${elb}type`]: 'external', [`${elb}subnets`]: 'subnet-a, subnet-b', unrelated: 'x' })
    assert.match(message ?? '', /no effect/)
    const subnets = `${elb}subnets: use roadstead.dev/subnets: "subnet-a,subnet-b"`
    const type = `${elb}type: not needed: spec.loadBalancerClass decides`
    assert.ok(message?.endsWith(`${subnets}; ${type}`), message)
  })

  test('every one that the two controllers read is named, whatever its value', () => {
    for (const [name] of foreignAnnotations()) {
      if (name === `${foreignPrefix}load-balancer-source-ranges`) continue
      for (const value of ['', 'true', 'external', '5', 'a=b'])
        assert.ok(told({ [name]: value })?.includes(`${name}: `), `${name}: ${value}`)
    }
  })

  test('one that neither of them reads is named as that', () => {
    assert.match(told({ [`${elb}subnet`]: 'x' }) ?? '', /neither of the two AWS controllers reads it/)
  })

  test('nothing is said once the equivalent stands beside it, nor of what is read here too', () => {
    assert.deepEqual(hints({ [`${elb}subnets`]: 'subnet-a', 'roadstead.dev/subnets': 'subnet-a' }), [])
    assert.deepEqual(hints({ [`${foreignPrefix}load-balancer-source-ranges`]: '10.0.0.0/8' }), [])
    assert.deepEqual(hints({ 'roadstead.dev/subnets': 'subnet-a', 'example.org/x': 'y' }), [])
  })

  test('the same annotations in another order are the same text', () => {
    const one = { [`${elb}scheme`]: 'internal', [`${elb}name`]: 'x' }
    assert.deepEqual(hints(one), hints(Object.fromEntries(Object.entries(one).toReversed())))
  })
})
