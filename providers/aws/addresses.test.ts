import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { specOf } from '../conformance-world.ts'
import { addresses } from './addresses.ts'
import { awsCore } from './core.ts'
import { aws } from './resources.ts'
import type { AwsResource } from './resources.ts'

/** What stands for a Service with one port; `dnsName` tells the load balancers apart. */
function standing(
  dnsName: string,
  {
    scheme = 'public',
    state = 'active',
    early = false,
  }: { scheme?: 'public' | 'internal'; state?: string; early?: boolean } = {},
): AwsResource[] {
  const spec = specOf(
    { providerId: (node) => `aws:///a/i-${node}` },
    {
      scheme,
      ports: [{ name: '', protocol: 'TCP', port: 80, nodePort: 30080 }],
      parameters: early ? { 'early-address': 'true' } : {},
    },
  )
  const lowered = awsCore().lower(spec)
  assert.ok(lowered.kind === 'lowered')
  return lowered.own.map(aws).map((one) =>
    one.kind === 'load-balancer'
      ? {
          ...one,
          state: state === 'active' ? 'ready' : 'pending',
          observed: { dnsName, zoneId: '', vpcId: '', state, reason: '', subnetIds: [] },
        }
      : one,
  )
}

const without = (kind: string, all: readonly AwsResource[]) => all.filter((one) => one.kind !== kind)

describe('the published address', () => {
  test('is the host name once the load balancer is active and its listeners stand', () => {
    assert.deepEqual(addresses(standing('a.elb')), { kind: 'ready', addresses: [{ hostname: 'a.elb' }] })
    assert.equal(addresses(standing('a.elb', { state: 'provisioning' })).kind, 'pending')
    assert.equal(addresses(without('listener', standing('a.elb'))).kind, 'pending')
    assert.equal(addresses(without('target-group', standing('a.elb'))).kind, 'pending')
  })

  test('comes early where that is asked for', () => {
    const early = standing('a.elb', { state: 'provisioning', early: true })
    assert.equal(addresses(without('listener', early)).kind, 'ready')
  })

  test('stays while a replacement is being made', () => {
    const both = [...standing('old.elb'), ...standing('new.elb', { scheme: 'internal', state: 'provisioning' })]
    assert.deepEqual(addresses(both), { kind: 'ready', addresses: [{ hostname: 'old.elb' }] })
  })

  test('a failed load balancer says what AWS says', () => {
    const found = addresses(standing('a.elb', { state: 'failed' }))
    assert.ok(found.kind === 'pending')
    assert.deepEqual([found.reason, /AWS could not make/.test(found.message)], ['ProvisioningFailed', true])
  })
})
