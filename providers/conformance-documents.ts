/** The conformance suite on shared documents: what many owners write into one cloud object stays whole, whatever the order. */
import assert from 'node:assert/strict'
import type { Check, World } from './conformance-world.ts'
import { owner, signal, specOf, stepsTo } from './conformance-world.ts'
import type { DocumentKey, Fragment, LoadBalancerSpec, Owner, Step } from './contract.ts'
import { ownerKey } from './contract.ts'
import { plan } from './plan.ts'

export function documents(check: Check): void {
  const other = { ...owner, name: 'zoo', uid: '7b6a9f0e-0000-4000-8000-000000000009' }
  const ports: Readonly<Record<string, LoadBalancerSpec['ports']>> = {
    [ownerKey(owner)]: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 }],
    [ownerKey(other)]: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 31080 }],
  }
  const specFor = (world: World, of: Owner): LoadBalancerSpec =>
    specOf(world, { owner: of, ports: ports[ownerKey(of)] ?? [], parameters: { ...world.documentParameters } })
  const fragmentsFor = (world: World, of: Owner): readonly Fragment[] => {
    const lowered = world.provider.lower(specFor(world, of))
    return lowered.kind === 'lowered' ? lowered.fragments : []
  }
  /** Brings the document of these fragments there; the steps. */
  const write = async (world: World, document: DocumentKey, fragments: readonly Fragment[]): Promise<Step[]> => {
    const { provider } = world
    await world.settle()
    const observed = await provider.observe(document, signal())
    const steps = plan(provider.assemble(document, fragments, observed).resources, observed, provider.refine)
    for (const step of steps) await provider.execute(step, signal())
    return steps
  }
  /** What an owner has alone, where a cloud reads from it whose fragments stand in a document; or nothing of it any more. */
  const own = async (world: World, of: Owner, goal: 'there' | 'gone'): Promise<void> => {
    for (let passes = 0; passes < 5; passes++) {
      const steps = await stepsTo(world.provider, goal === 'there' ? specFor(world, of) : undefined, of)
      for (const step of steps) await world.provider.execute(step, signal())
      await world.settle()
      if (steps.length === 0) return
    }
    assert.fail(`${of.name} is not ${goal} after five passes`)
  }

  check('a cloud answers fragments only when it can read them back and list their documents', async (world) => {
    const can = world.provider.fragments !== undefined && world.provider.documents !== undefined
    assert.equal(fragmentsFor(world, owner).length > 0, can)
  })

  check('a document holds every fragment in any order, is found, and goes with the last', async (world) => {
    const { provider } = world
    const [first] = fragmentsFor(world, owner)
    const [second] = fragmentsFor(world, other)
    if (!first || !second) return
    const document: DocumentKey = { kind: 'document', document: first.document }
    const held = async () =>
      (provider.fragments?.(document, await provider.observe(document, signal())) ?? []).toSorted((a, b) =>
        ownerKey(a.owner) < ownerKey(b.owner) ? -1 : 1,
      )
    const objects = provider.assemble(document, [first], await provider.observe(document, signal())).resources
    assert.equal((await write(world, document, [first])).length, objects.length)
    assert.deepEqual(await provider.documents?.('c1', signal()), [document])
    assert.deepEqual(await provider.documents?.('c2', signal()), [])
    await own(world, owner, 'there')
    assert.equal((await write(world, document, [second, first])).length, 1)
    await own(world, other, 'there')
    assert.deepEqual(await held(), [first, second])
    assert.deepEqual(await write(world, document, [first, second]), [])
    await own(world, owner, 'gone')
    await write(world, document, [second])
    assert.deepEqual(await held(), [second])
    await own(world, other, 'gone')
    await write(world, document, [])
    await world.settle()
    assert.deepEqual(await provider.documents?.('c1', signal()), [])
    assert.deepEqual(await world.inventory(), [])
  })
}
