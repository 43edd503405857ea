/** The conformance suite on shared documents: what many owners write into one cloud object stays whole, whatever the order. */
import assert from 'node:assert/strict'
import type { Check, World } from './conformance-world.ts'
import { owner, signal, specOf } from './conformance-world.ts'
import type { DocumentKey, Fragment, Owner, Step } from './contract.ts'
import { ownerKey } from './contract.ts'
import { plan } from './plan.ts'

export function documents(check: Check): void {
  const other = { ...owner, name: 'zoo', uid: '7b6a9f0e-0000-4000-8000-000000000009' }
  const fragmentsFor = ({ provider, ...world }: World, of: Owner): readonly Fragment[] => {
    const lowered = provider.lower(specOf(world, { owner: of, parameters: { ...world.documentParameters } }))
    return lowered.kind === 'lowered' ? lowered.fragments : []
  }
  /** Brings the document of these fragments there; the steps. */
  const write = async ({ provider }: World, document: DocumentKey, fragments: readonly Fragment[]): Promise<Step[]> => {
    const observed = await provider.observe(document, signal())
    const steps = plan(provider.assemble(document, fragments, observed).resources, observed, provider.refine)
    for (const step of steps) await provider.execute(step, signal())
    return steps
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
    assert.equal((await write(world, document, [first])).length, 1)
    assert.deepEqual(await provider.documents?.('c1', signal()), [document])
    assert.deepEqual(await provider.documents?.('c2', signal()), [])
    assert.equal((await write(world, document, [second, first])).length, 1)
    assert.deepEqual(await held(), [first, second])
    assert.deepEqual(await write(world, document, [first, second]), [])
    await write(world, document, [second])
    assert.deepEqual(await held(), [second])
    await write(world, document, [])
    assert.deepEqual(await provider.documents?.('c1', signal()), [])
    assert.deepEqual(await world.inventory(), [])
  })
}
