/** The AWS provider on the fake: the conformance suite, and that a plan announces exactly the calls that are made. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { conformance } from '../conformance.ts'
import { asMutation, converge, describeStep, healthCheck, owner, pass, specOf } from '../conformance-world.ts'
import type { LoadBalancerSpec } from '../contract.ts'
import { fakeAwsWorld } from './world.ts'

conformance('aws', { start: fakeAwsWorld, fewestNodes: 1 })

const certificate = (name: string) => `arn:aws:acm:eu-central-1:111122223333:certificate/${name}`

/** Whatever a Service may ask of AWS, as far as it can be asked together. */
const change = fc.record({
  ports: fc
    .record({
      pairs: fc.uniqueArray(
        fc.tuple(fc.constantFrom('TCP' as const, 'TCP' as const, 'UDP' as const), fc.constantFrom(53, 80, 443, 8443)),
        { minLength: 1, maxLength: 4, selector: ([protocol, port]) => `${protocol}/${port}` },
      ),
      shift: fc.constantFrom(0, 0, 1000),
    })
    .map(({ pairs, shift }) =>
      pairs.map(([protocol, port]) => ({ name: '', protocol, port, nodePort: 30_000 + (port % 1000) + shift })),
    ),
  nodes: fc.uniqueArray(
    fc.integer({ min: 1, max: 9 }).map((number) => `node-${number}`),
    { maxLength: 5 },
  ),
  sourceRanges: fc.uniqueArray(fc.constantFrom('10.0.0.0/8', '192.0.2.0/24', '2001:db8::/32'), { maxLength: 3 }),
  families: fc.constantFrom<LoadBalancerSpec['families']>(['IPv4'], ['IPv4'], ['IPv4', 'IPv6']),
  scheme: fc.constantFrom('public' as const, 'public' as const, 'internal' as const),
  policy: fc.constantFrom('Cluster' as const, 'Local' as const),
  healthCheck: fc.constantFrom(10_256, 31_000, 31_001).map(healthCheck),
  drainSeconds: fc.constantFrom(0, 30, 300),
  affinity: fc.constantFrom<LoadBalancerSpec['affinity']>({ kind: 'None' }, { kind: 'ClientIP', timeoutSeconds: 60 }),
  parameters: fc
    .record(
      {
        'cross-zone': fc.constantFrom('true', 'false'),
        'proxy-protocol': fc.constantFrom('all', '80'),
        'idle-timeout-seconds': fc.constantFrom('60', '400'),
        'deletion-protection': fc.constant('false'),
        tags: fc.constantFrom('team=shop', 'team=shop,stage=test'),
        'icmp-path-mtu': fc.constant('true'),
        tls: fc.constantFrom(certificate('a'), `${certificate('a')},${certificate('b')}`, certificate('c')),
        'private-link-rules': fc.constantFrom('on', 'off'),
        'keep-foreign-targets': fc.constant('true'),
        'capacity-units': fc.constant('3000'),
        'health-check-traffic-port': fc.constantFrom('true', 'HTTP'),
      },
      { requiredKeys: [] },
    )
    .map(({ tls, ...parameters }): Record<string, string> => {
      return tls === undefined ? parameters : { ...parameters, 'tls-certificates': tls, 'tls-ports': '8443' }
    }),
})

describe('plan and calls on AWS', () => {
  test('over 250 edits of every kind: the calls made are the calls planned, and then there is silence', async () => {
    let edits = 0
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 5, maxLength: 5 }), async (changes) => {
        const world = fakeAwsWorld()
        // One machine there is always: the VPC is told by the nodes.
        world.providerId('node-1')
        for (const each of changes) {
          const spec = specOf(world, each)
          if (world.provider.lower(spec).kind === 'unsupported') continue
          edits++
          const before = (await world.mutations()).length
          const steps = await converge(world, spec)
          const calls = (await world.mutations()).slice(before)
          assert.deepEqual(calls, steps.map(asMutation), steps.map(describeStep).join('\n'))
          assert.deepEqual((await pass(await world.restart(), spec)).map(describeStep), [])
        }
        await converge(world, undefined, { of: owner })
        assert.deepEqual(await world.inventory(), [])
      }),
      { numRuns: 450 },
    )
    assert.ok(edits >= 250, `${edits} edits`)
  })
})
