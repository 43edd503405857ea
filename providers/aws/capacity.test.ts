import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { converge, pass, signal, specOf, stepsTo } from '../conformance-world.ts'
import type { SpecChanges } from '../conformance-world.ts'
import { CloudError } from '../contract.ts'
import { lower } from './lower.ts'
import { capacityTag } from './tags.ts'
import { fakeAwsWorld } from './world.ts'
import type { AwsWorld } from './world.ts'

const units = (count: number): SpecChanges => ({ parameters: { 'capacity-units': String(count) } })
const balancer = ({ aws: { account } }: AwsWorld) => {
  const [first] = account.loadBalancers.values()
  assert.ok(first)
  return first
}
const reserved = (world: AwsWorld) => balancer(world).capacity.units
const asked = (world: AwsWorld) => world.aws.take().filter(({ action }) => action.endsWith('CapacityReservation'))

describe('reserved capacity', () => {
  test('stands as asked for, changes in place, and is given back with the wish', async () => {
    const world = fakeAwsWorld()
    for (const count of [3000, 5000]) {
      await converge(world, specOf(world, units(count)))
      assert.equal(reserved(world), count)
    }
    await converge(world, specOf(world))
    assert.equal(reserved(world), 0)
    assert.equal(balancer(world).tags[capacityTag], undefined)
    assert.deepEqual(await pass(await world.restart(), specOf(world)), [])
  })

  test('one that somebody changed is put back', async () => {
    const world = fakeAwsWorld()
    await converge(world, specOf(world, units(3000)))
    const loadBalancerArn = balancer(world).arn
    await world.aws.cloud.modifyCapacityReservation({ loadBalancerArn, resetCapacityReservation: true }, signal())
    await world.restart()
    await converge(world, specOf(world, units(3000)))
    assert.equal(reserved(world), 3000)
  })

  test('load balancers that never asked for any are never asked, not after a restart either', async () => {
    const world = fakeAwsWorld()
    await converge(world, specOf(world))
    await pass(await world.restart(), specOf(world))
    assert.deepEqual(asked(world), [])
  })

  test('it is asked for when the load balancer is active, after everything else', async () => {
    const world = fakeAwsWorld()
    world.hold()
    await pass(world.provider, specOf(world, units(3000)))
    assert.equal(reserved(world), 0)
    await world.settle()
    await converge(world, specOf(world, units(3000)))
    assert.equal(reserved(world), 3000)
  })

  test('it comes last in a plan, so that what waits for the end of TLS waits for nobody', async () => {
    const world = fakeAwsWorld()
    const tls = { 'tls-certificates': 'arn:aws:acm:eu-central-1:111122223333:certificate/a', 'tls-ports': '443' }
    await converge(world, specOf(world, { parameters: tls }))
    const steps = await stepsTo(world.provider, specOf(world, units(3000)))
    const at = steps.findIndex(
      (step) => step.verb === 'update' && step.resource.mutable['capacityUnits'] !== step.from.mutable['capacityUnits'],
    )
    assert.equal(at, steps.length - 1)
    await converge(world, specOf(world, units(3000)))
    assert.equal(reserved(world), 3000)
  })

  test('a request that AWS still works on makes the next one wait, in the words of AWS', async () => {
    const world = fakeAwsWorld()
    await converge(world, specOf(world, units(3000)))
    world.aws.account.timing = { ...world.aws.account.timing, capacityMs: 3_600_000_000 }
    await assert.rejects(
      pass(world.provider, specOf(world, units(5000))),
      (error) =>
        error instanceof CloudError && error.kind === 'in-use' && error.reason === 'CapacityReservationPending',
    )
  })

  test('AWS lets it be decreased twice a day; the third is a quota, not a fault', async () => {
    const world = fakeAwsWorld()
    for (const count of [5000, 4000, 3000]) await converge(world, specOf(world, units(count)))
    await assert.rejects(
      pass(world.provider, specOf(world, units(2000))),
      (error) => error instanceof CloudError && error.kind === 'quota' && error.reason === 'CapacityDecreaseLimit',
    )
    assert.equal(reserved(world), 3000)
  })

  test('is refused with TLS listeners, and where it is no number', () => {
    const reasons = (parameters: Record<string, string>) => {
      const lowered = lower(specOf({ providerId: (node) => `aws:///a/i-${node}` }, { parameters }))
      return lowered.kind === 'unsupported' ? lowered.reasons.map(({ message }) => message).join() : 'none'
    }
    const tls = { 'tls-certificates': 'arn:aws:acm:eu-central-1:111122223333:certificate/a' }
    assert.match(reasons({ ...tls, 'capacity-units': '3000' }), /none for load balancers with TLS listeners/)
    for (const value of ['0', '-1', 'many', '1.5']) {
      assert.match(reasons({ 'capacity-units': value }), /parameter capacity-units is .* it must be/)
    }
  })
})
