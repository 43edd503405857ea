/**
 * Slow deletes, the same in every cloud: listeners go first, the load balancer and what its connections run over stay for the drain time,
 * the beginning of which is read from the cloud by whoever comes later. The time is the operator's: the suite says when it is.
 */
import assert from 'node:assert/strict'
import type { Check, World } from './conformance-world.ts'
import { converge, isCloudError, owner, ownOf, published, signal, specOf } from './conformance-world.ts'
import type { LoadBalancerSpec, Provider, Resource } from './contract.ts'
import type { DrainTime } from './drain.ts'
import { progress } from './plan.ts'

const begin = 1_800_000_000_000
const drainSeconds = 60
const end = begin + drainSeconds * 1000

export function slowDeletes(check: Check): void {
  check(
    'a load balancer that drains loses its listeners, stays for its time, and then everything goes',
    async (world) => {
      await converge(world, draining(world))
      const before = await seen(world.provider)
      const steps = await bring(world, undefined, { now: begin })
      assert.deepEqual([...new Set(steps)].sort(), ['delete listener', 'update load-balancer'])
      assert.equal(steps.at(-1), 'update load-balancer')
      const left = await seen(world.provider)
      assert.deepEqual(kinds(left), kinds(before.filter(({ kind }) => kind !== 'listener')))
      assert.deepEqual(await bring(world, undefined, { now: end - 1 }), [])
      assert.deepEqual(await seen(world.provider), left)
      const last = await bring(world, undefined, { now: end })
      assert.ok(last.every((step) => step.startsWith('delete ')))
      assert.deepEqual(await seen(world.provider), [])
      await converge(world, undefined)
      assert.deepEqual(await world.inventory(), [])
    },
  )

  check('a process that starts while a load balancer drains waits for the rest of its time', async (world) => {
    await converge(world, draining(world))
    await bring(world, undefined, { now: begin })
    const provider = await world.restart()
    const { draining: waiting } = progress([], await seen(provider), provider.refine, { now: begin + 20_000 })
    assert.deepEqual(
      waiting.map(({ resource, until }) => ({ kind: resource.kind, until })),
      [{ kind: 'load-balancer', until: end }],
    )
    assert.deepEqual(await bring(world, undefined, { now: end - 1 }, provider), [])
    await bring(world, undefined, { now: end }, provider)
    assert.deepEqual(await seen(provider), [])
  })

  check('without a drain time nothing waits, and the present word goes before the one in the cloud', async (world) => {
    await converge(world, specOf(world))
    await bring(world, undefined, { now: begin })
    assert.deepEqual(await seen(world.provider), [])
    await converge(world, draining(world))
    await bring(world, undefined, { now: begin, seconds: 600 })
    assert.deepEqual(await bring(world, undefined, { now: end, seconds: 600 }), [])
    await bring(world, undefined, { now: end, seconds: 0 })
    assert.deepEqual(await seen(world.provider), [])
  })

  check('another drain time is an edit of the load balancer alone, and is quiet after it', async (world) => {
    await converge(world, specOf(world))
    const lines = await world.inventory()
    assert.deepEqual(await bring(world, draining(world), { now: begin }), ['update load-balancer'])
    assert.deepEqual(await bring(world, draining(world), { now: begin }, await world.restart()), [])
    await bring(world, specOf(world), { now: begin })
    assert.deepEqual(await world.inventory(), lines)
  })

  check('what is wanted again while it drains is taken back, with its address', async (world) => {
    await converge(world, draining(world))
    const address = await published(world.provider)
    const lines = await world.inventory()
    await bring(world, undefined, { now: begin })
    await converge(world, draining(world))
    assert.deepEqual(await published(world.provider), address)
    assert.deepEqual(await world.inventory(), lines)
  })

  check('a replaced load balancer drains beside its replacement, which serves', async (world) => {
    const inside = draining(world, { scheme: 'internal' })
    await converge(world, inside)
    await world.settle()
    const address = await published(world.provider)
    const fresh = await world.inventory()
    await converge(world, undefined)
    await converge(world, draining(world))
    await bring(world, inside, { now: begin })
    assert.equal((await seen(world.provider)).filter(({ kind }) => kind === 'load-balancer').length, 2)
    const meanwhile = await published(world.provider)
    assert.equal(meanwhile.kind, address.kind)
    assert.deepEqual(await bring(world, inside, { now: end - 1 }), [])
    await bring(world, inside, { now: end })
    await world.settle()
    assert.deepEqual(await published(world.provider), meanwhile)
    assert.deepEqual((await world.inventory()).length, fresh.length)
  })

  for (const last of ['done', 'not-done'] as const) {
    const how = last === 'done' ? 'answer lost' : 'call lost'
    check(`a slow delete killed at every call, ${how}: never too early, nothing left`, async (world) => {
      await converge(world, draining(world))
      const total =
        (await bring(world, undefined, { now: begin })).length + (await bring(world, undefined, { now: end })).length
      await converge(world, undefined)
      for (let call = 1; call <= total; call++) {
        await converge(world, draining(world))
        world.interrupt(call, last)
        const late = begin + 5000
        const released = async (now: number, provider: Provider) => {
          await bring(world, undefined, { now }, provider)
          return (await seen(provider)).every(({ kind }) => kind !== 'load-balancer')
        }
        const crashed = await released(begin, world.provider).then(
          () => false,
          (error) => isCloudError(error),
        )
        if (crashed) {
          const provider = await world.restart()
          assert.equal(await released(late, provider), false, `killed at call ${call}`)
          assert.equal(await released(end - 1, provider), false, `killed at call ${call}`)
          assert.equal(await released(late + drainSeconds * 1000, provider), true, `killed at call ${call}`)
        } else {
          await assert.rejects(released(end, world.provider), isCloudError, `call ${call} did not fail`)
          await released(end, await world.restart())
        }
        await converge(world, undefined)
        assert.deepEqual(await world.inventory(), [], `killed at call ${call}`)
      }
    })
  }
}

function draining(world: World, more: Parameters<typeof specOf>[1] = {}): LoadBalancerSpec {
  return specOf(world, { deleteDrainSeconds: drainSeconds, ...more })
}

/** Own objects only; until nothing may be done at that time. What was done. */
async function bring(
  world: World,
  spec: LoadBalancerSpec | undefined,
  time: DrainTime,
  provider = world.provider,
): Promise<string[]> {
  const done: string[] = []
  for (let round = 0; round < 10; round++) {
    const { steps } = progress(ownOf(provider, spec), await seen(provider), provider.refine, time)
    if (steps.length === 0) return done
    for (const step of steps) {
      await provider.execute(step, signal())
      done.push(`${step.verb} ${step.resource.kind}`)
    }
  }
  throw new Error(`no end: ${done.join(', ')}`)
}

function seen(provider: Provider): Promise<Resource[]> {
  return provider.observe(owner, signal())
}

function kinds(resources: readonly Resource[]): string[] {
  return resources.map(({ kind, key }) => `${kind} ${key}`).sort()
}
