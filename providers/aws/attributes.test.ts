/** The attributes of the escape hatches: what is no longer asked for goes back to AWS's own value, which some protocols and schemes differ in. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { converge, pass, specOf } from '../conformance-world.ts'
import type { SpecChanges } from '../conformance-world.ts'
import { fakeAwsWorld } from './world.ts'
import type { AwsWorld } from './world.ts'

const all = ({ aws: { account } }: AwsWorld) => [
  ...account.loadBalancers.values().map(({ attributes }) => attributes),
  ...account.targetGroups.values().map(({ attributes }) => attributes),
  ...account.listeners.values().map(({ attributes }) => attributes),
]

const health = 'target_group_health'
const cases: [string, SpecChanges][] = [
  ['dns_record.client_routing_policy=availability_zone_affinity', {}],
  ['ipv6.deny_all_igw_traffic=true', {}],
  ['ipv6.deny_all_igw_traffic=false', { scheme: 'internal' }],
  ['secondary_ips.auto_assigned.per_subnet=2', {}],
  ['zonal_shift.config.enabled=true', {}],
]
const groupCases = [
  'deregistration_delay.timeout_seconds=10',
  '80:deregistration_delay.connection_termination.enabled=true',
  'dns:deregistration_delay.connection_termination.enabled=false',
  'load_balancing.cross_zone.enabled=true',
  '80:target_health_state.unhealthy.connection_termination.enabled=false,80:target_health_state.unhealthy.draining_interval_seconds=60',
  `${health}.dns_failover.minimum_healthy_targets.count=2,${health}.dns_failover.minimum_healthy_targets.percentage=50`,
  `${health}.unhealthy_state_routing.minimum_healthy_targets.count=2,${health}.unhealthy_state_routing.minimum_healthy_targets.percentage=50`,
]

describe('attributes of the escape hatches', () => {
  const goesBack = async (parameters: Record<string, string>, changes: SpecChanges = {}) => {
    const world = fakeAwsWorld()
    await converge(world, specOf(world, changes))
    const before = all(world)
    await converge(world, specOf(world, { ...changes, parameters }))
    assert.notDeepEqual(all(world), before)
    await converge(world, specOf(world, changes))
    assert.deepEqual(all(world), before)
  }
  for (const [given, changes] of cases) {
    test(`${given} goes back`, () => goesBack({ 'load-balancer-attributes': given }, changes))
  }
  for (const given of groupCases) {
    test(`${given} goes back`, () => goesBack({ 'target-group-attributes': given }))
  }

  test('what AWS gives a UDP target group and an internal load balancer is nothing to change, at any look', async () => {
    for (const scheme of ['public', 'internal'] as const) {
      const world = fakeAwsWorld()
      await converge(world, specOf(world, { scheme }))
      const before = all(world)
      const provider = await world.restart()
      for (let look = 0; look < 4; look++) {
        assert.deepEqual(await pass(provider, specOf(world, { scheme })), [])
        await world.settle()
      }
      assert.ok(world.aws.calls.some(({ action }) => action === 'describeTargetGroupAttributes'))
      assert.deepEqual(all(world), before)
    }
  })
})
