/**
 * The conformance suite's long runs: the crash matrix (killed after every call of every scenario, with and without the call having
 * happened) and random edits. Both ask the same: does the end state depend on the way there?
 */
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import type { Check, World } from './conformance-world.ts'
import { converge, edits, healthCheck, isCloudError, pass, specOf } from './conformance-world.ts'
import type { LoadBalancerSpec } from './contract.ts'

export function crashMatrix(check: Check): void {
  type Pick = (world: World) => LoadBalancerSpec | undefined
  const rich = { ...edits['another port number'], ...edits['other nodes'], ...edits['the policy and its health check'] }
  const scenarios: Readonly<Record<string, readonly [from: Pick, to: Pick]>> = {
    create: [() => undefined, (world) => specOf(world)],
    'update of ports, nodes and policy': [(world) => specOf(world), (world) => specOf(world, rich)],
    'replacement of everything by another scheme': [
      (world) => specOf(world),
      (world) => specOf(world, { scheme: 'internal' }),
    ],
    delete: [(world) => specOf(world), () => undefined],
  }
  for (const [title, [from, to]] of Object.entries(scenarios)) {
    for (const last of ['done', 'not-done'] as const) {
      const how = last === 'done' ? 'answer lost' : 'call lost'
      check(`${title}, killed at every call, ${how}: the same end state`, async (world) => {
        await converge(world, from(world))
        const steps = await converge(world, to(world))
        const goal = await world.inventory()
        assert.ok(steps.length > 1)
        for (let call = 1; call <= steps.length; call++) {
          await converge(world, undefined)
          await converge(world, from(world))
          world.interrupt(call, last)
          await assert.rejects(converge(world, to(world)), isCloudError, `call ${call} did not fail`)
          const provider = await world.restart()
          await converge(world, to(world), { provider })
          assert.deepEqual(await world.inventory(), goal, `killed at call ${call}`)
          await converge(world, undefined, { provider })
          assert.deepEqual(await world.inventory(), [], `killed at call ${call}, then deleted`)
        }
      })
    }
  }
}

export function properties(check: Check, runs: number, fewestNodes: number): void {
  const portNumber = fc.integer({ min: 1, max: 65_535 })
  const ports = fc.uniqueArray(
    // As an API server allocates them: equal port numbers of two protocols get one node port.
    fc
      .record({ name: fc.constant(''), protocol: fc.constantFrom('TCP' as const, 'UDP' as const), port: portNumber })
      .map((port) => ({ ...port, nodePort: 30_000 + (port.port % 2768) })),
    { minLength: 1, maxLength: 5, selector: ({ protocol, port }) => `${protocol}/${port}` },
  )
  const change = fc.record({
    ports,
    nodes: fc.uniqueArray(
      fc.integer({ min: 1, max: 20 }).map((number) => `node-${number}`),
      { minLength: fewestNodes, maxLength: 6 },
    ),
    sourceRanges: fc.uniqueArray(fc.constantFrom('10.0.0.0/8', '192.0.2.0/24', '203.0.113.7/32'), { maxLength: 3 }),
    healthCheck: portNumber.map(healthCheck),
    drainSeconds: fc.integer({ min: 0, max: 600 }),
    deleteDrainSeconds: fc.integer({ min: 0, max: 3600 }),
  })

  check('the order of ports, nodes and source ranges does not matter', async (world) => {
    fc.assert(
      fc.property(change, fc.infiniteStream(fc.nat()), (values, random) => {
        const shuffle = <T>(items: readonly T[]) =>
          items
            .map((item) => ({ item, rank: random.next().value ?? 0 }))
            .sort((a, b) => a.rank - b.rank)
            .map(({ item }) => item)
        const shuffled = {
          ...values,
          ports: shuffle(values.ports),
          nodes: shuffle(values.nodes),
          sourceRanges: shuffle(values.sourceRanges),
        }
        assert.deepEqual(world.provider.lower(specOf(world, shuffled)), world.provider.lower(specOf(world, values)))
      }),
      { numRuns: runs },
    )
  })

  check('any edit converges, is quiet after it, and ends like a fresh create', async (world) => {
    await fc.assert(
      fc.asyncProperty(change, change, async (first, second) => {
        await converge(world, specOf(world, second))
        const fresh = await world.inventory()
        await converge(world, undefined)
        await converge(world, specOf(world, first))
        await converge(world, specOf(world, second))
        const edited = await world.inventory()
        assert.deepEqual(await pass(world.provider, specOf(world, second)), [])
        await converge(world, undefined)
        assert.deepEqual(edited, fresh)
        assert.deepEqual(await world.inventory(), [])
      }),
      { numRuns: runs },
    )
  })
}
