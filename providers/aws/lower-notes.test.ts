import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { healthCheck, specOf } from '../conformance-world.ts'
import type { SpecChanges } from '../conformance-world.ts'
import { awsCore } from './core.ts'

const providerId = (node: string) => `aws:///eu-west-1a/i-${node.replace('node-', '0')}`
const core = awsCore({ tags: Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`all-${index}`, 'x'])) })

/** What is said, refused or not. */
function said(changes: SpecChanges): string {
  const result = core.lower(specOf({ providerId }, changes))
  const reasons = result.kind === 'lowered' ? (result.notes ?? []) : result.reasons
  return `${result.kind}\n${reasons.map(({ reason, message }) => `${reason}: ${message}`).join('\n')}`
}

describe('wishes that AWS does not take as they are', () => {
  test('source ranges of no family of the load balancer: nobody may come in, which is said with what to do', () => {
    const foreign = { families: ['IPv4' as const], sourceRanges: ['2001:db8::/32'] }
    assert.match(
      said(foreign),
      /^lowered\nSourceRangesOfOtherFamily: nobody may come in.*2001:db8::\/32.*all IPv6; add ranges of IPv4/,
    )
    assert.equal(said({ ...foreign, sourceRanges: ['2001:db8::/32', '10.0.0.0/8'] }), 'lowered\n')
    assert.equal(said({ ...foreign, families: ['IPv4', 'IPv6'] }), 'lowered\n')
    assert.equal(said({ ...foreign, parameters: { 'security-groups': 'sg-1' } }), 'lowered\n')
    assert.equal(said({ ...foreign, parameters: { 'source-prefix-lists': 'pl-1' } }), 'lowered\n')
  })

  test('a health check that is faster or waits longer than AWS allows: the values used are said', () => {
    const check = {
      ...healthCheck(10_256),
      intervalSeconds: 5,
      timeoutSeconds: 3,
      healthyThreshold: 2,
      unhealthyThreshold: 2,
    }
    assert.equal(said({ healthCheck: check }), 'lowered\n')
    assert.match(
      said({ healthCheck: { ...check, intervalSeconds: 3, timeoutSeconds: 9, healthyThreshold: 1 } }),
      /^lowered\nHealthCheckAdjusted: health check: interval-seconds is 5 instead of 3, timeout-seconds is 5 instead of 9, healthy-threshold is 2 instead of 1;/,
    )
  })

  test('tags of the Service, the operator and the record of targets are counted together, an object at a time', () => {
    const tags = (count: number) => Array.from({ length: count }, (_, index) => `k${index}=v`).join(',')
    const nodes = Array.from({ length: 160 }, (_, index) => `node-${index}`)
    assert.equal(said({ parameters: { tags: tags(35) } }), 'lowered\n')
    assert.match(
      said({ parameters: { tags: tags(38) } }),
      /^unsupported\nTooManyTags: the load-balancer would have 53 tags, and AWS allows 50: 46 of yours.*remove 3 from roadstead\.dev\/tags/,
    )
    assert.match(
      said({ nodes, parameters: { tags: tags(30), 'keep-foreign-targets': 'true' } }),
      /^unsupported\nTooManyTags: the target-group\/\d+ would have 57 tags.*38 of yours and 12 that remember targets/,
    )
    assert.equal(said({ nodes, parameters: { tags: tags(20), 'keep-foreign-targets': 'true' } }), 'lowered\n')
  })
})
