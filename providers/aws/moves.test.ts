import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { converge, specOf } from '../conformance-world.ts'
import type { SpecChanges } from '../conformance-world.ts'
import type { LoadBalancerPort } from '../contract.ts'
import { progress } from '../plan.ts'
import { awsCore } from './core.ts'
import { cloudErrorOf } from './errors.ts'
import { ofAction } from './fake/faults.ts'
import { aws } from './resources.ts'
import type { AwsResource } from './resources.ts'
import { fakeAwsWorld } from './world.ts'

const core = awsCore()
const providerId = (node: string) => `aws:///eu-west-1a/i-${node.replace('node-', '0')}`
const tcp: LoadBalancerPort = { name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 }
const udp: LoadBalancerPort = { ...tcp, name: 'quic', protocol: 'UDP' }

function wanted(changes: SpecChanges): AwsResource[] {
  const lowered = core.lower(specOf({ providerId }, changes))
  assert.ok(lowered.kind === 'lowered')
  return lowered.own.map(aws)
}

/** As it stands, with `states` of the targets of its target groups. */
function standing(changes: SpecChanges, states: readonly string[]): AwsResource[] {
  return wanted(changes).map((one) => {
    if (one.kind !== 'target-group') return { ...one, id: one.key }
    const health = one.mutable.targets.map((target, at) => ({ target, state: states[at] ?? 'healthy', reason: '' }))
    return { ...one, id: one.key, observed: { vpcId: '', loadBalancers: [], health } }
  })
}

const groupsIn = (resources: readonly AwsResource[]) => resources.filter((one) => one.kind === 'target-group')

/** The steps of the listener and of target groups that go, in words; of a TCP listener that waits beside `states` of the new group. */
function stepsFrom(seen: readonly AwsResource[], to: SpecChanges): string[] {
  return progress(wanted(to), seen, core.refine).steps.flatMap(({ verb, resource }) => {
    const one = aws(resource)
    if (one.kind === 'listener') {
      const { protocol, targetGroup, standby } = one.mutable
      const isNew = wanted(to).some((each) => each.immutable['name'] === targetGroup)
      return [
        `${protocol} to the ${isNew ? 'new' : 'old'} group${standby === undefined ? '' : ', the new one beside it'}`,
      ]
    }
    return verb === 'delete' ? [`delete ${one.key}`] : []
  })
}

const before: SpecChanges = { ports: [tcp] }
const after: SpecChanges = { ports: [tcp, udp] }

/** The listener waits beside a new group whose targets have these states. */
function waiting(oldStates: readonly string[], newStates: readonly string[]): AwsResource[] {
  const fresh = standing(after, newStates)
  const [group] = groupsIn(fresh)
  const old = standing(before, oldStates).map((one) =>
    one.kind === 'listener'
      ? { ...one, state: 'pending' as const, mutable: { ...one.mutable, standby: group?.immutable.name ?? '' } }
      : one,
  )
  return [...old, ...groupsIn(fresh)]
}

describe('a listener that moves to a target group of another protocol', () => {
  test('first has the new group beside the old one, which stays', () => {
    assert.deepEqual(stepsFrom(standing(before, []), after), ['TCP to the old group, the new one beside it'])
  })

  test('waits while fewer of the new targets are healthy, and moves when as many are', () => {
    assert.deepEqual(stepsFrom(waiting([], ['initial', 'initial']), after), [])
    assert.deepEqual(stepsFrom(waiting([], ['healthy', 'initial']), after), [])
    const moved = ['TCP_UDP to the new group', 'delete target-group/80']
    assert.deepEqual(stepsFrom(waiting([], []), after), moved)
    assert.deepEqual(stepsFrom(waiting(['healthy', 'unhealthy'], ['initial', 'healthy']), after), moved)
  })

  test('waits no longer when AWS has judged them all and one is healthy; with none it stays', () => {
    assert.deepEqual(stepsFrom(waiting([], ['healthy', 'unhealthy']), after), [
      'TCP_UDP to the new group',
      'delete target-group/80',
    ])
    const stuck = waiting([], ['unhealthy', 'unhealthy'])
    assert.deepEqual(stepsFrom(stuck, after), [])
    assert.deepEqual(
      core.notes(stuck, []).map(({ reason }) => reason),
      ['ListenerUnhealthy'],
    )
    assert.deepEqual(core.notes(waiting([], ['initial', 'unhealthy']), []), [])
  })

  test('moves at once where nothing is healthy, and where no listener can have both groups', () => {
    const moved = ['TCP_UDP to the new group', 'delete target-group/80']
    assert.deepEqual(stepsFrom(standing(before, ['unhealthy', 'unhealthy']), after), moved)
    assert.deepEqual(stepsFrom(standing(before, []), { ports: [udp] }), [
      'UDP to the new group',
      'delete target-group/80',
    ])
  })

  test('back from TCP and UDP it carries TCP alone from the first moment', () => {
    assert.deepEqual(stepsFrom(standing(after, []), before), ['TCP to the old group, the new one beside it'])
  })

  test('an edit that is taken back takes the second group away', () => {
    assert.deepEqual(stepsFrom(waiting([], ['initial', 'initial']), before), [
      'TCP to the new group',
      'delete target-group/80',
    ])
  })

  test('where AWS takes no second group, it moves at once', async () => {
    const world = fakeAwsWorld()
    await converge(world, specOf(world, before))
    const error = cloudErrorOf('InvalidLoadBalancerAction', 'You cannot specify a target group weight')
    world.aws.faults.list.push({ match: ofAction('modifyListener'), error, times: 1 })
    await converge(world, specOf(world, after))
    assert.deepEqual(
      world.aws.account.listeners.values().map(({ protocol, standby }) => [protocol, standby]),
      [['TCP_UDP', []]],
    )
    assert.equal(world.aws.account.targetGroups.values().length, 1)
  })
})
