/** Against the plainest ledger there is: everything worked out anew from all claims. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { difference } from './elements.ts'
import { createLedger } from './ledger.ts'
import type { Claims } from './rules.ts'

const small = fc.array(fc.tuple(fc.constantFrom('1', '2', '3'), fc.constantFrom('x', 'y')), { maxLength: 3 })
/** The same group has the same ids in whatever Service, and no id is in two groups. */
const claims: fc.Arbitrary<Claims> = fc
  .array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), small), { maxLength: 4 })
  .map(
    (groups) =>
      new Map(
        groups.map(([group, elements]) => [group, new Map(elements.map(([id, value]) => [`${group}${id}`, value]))]),
      ),
  )
const settings = fc.array(
  fc.record({
    owner: fc.constantFrom('default/a', 'default/b', 'default/c'),
    rank: fc.constantFrom('', '2026-01-01', '2026-01-02'),
    claims,
    isWritten: fc.boolean(),
  }),
  { maxLength: 20 },
)

function ofLowest(owners: ReadonlyMap<string, { rank: string; claims: Claims }>): Map<string, string> {
  const elements = new Map<string, string>()
  const inOrder = [...owners].sort(([a, { rank: ofA }], [b, { rank: ofB }]) =>
    `${ofA}\0${a}` < `${ofB}\0${b}` ? -1 : 1,
  )
  const taken = new Set<string>()
  for (const [, { claims: all }] of inOrder) {
    for (const [group, own] of all) {
      if (!taken.has(group)) for (const [id, value] of own) elements.set(id, value)
      taken.add(group)
    }
  }
  return elements
}

describe('the ledger', () => {
  test('gives a group to the claimant of the lowest rank, whatever came before, and knows what is not written', () => {
    fc.assert(
      fc.property(settings, (steps) => {
        const ledger = createLedger()
        const owners = new Map<string, { rank: string; claims: Claims }>()
        let written = new Map<string, string>()
        for (const { owner, rank, claims: own, isWritten } of steps) {
          ledger.set(owner, rank, own)
          if (own.size === 0) owners.delete(owner)
          else owners.set(owner, { rank, claims: own })
          const wanted = ofLowest(owners)
          assert.deepEqual(ledger.desired, wanted)
          assert.deepEqual(ledger.pending(), difference(written, wanted))
          if (isWritten) {
            ledger.written()
            written = wanted
          }
        }
      }),
    )
  })

  const wide = (groups: number, value: string): Claims =>
    new Map(Array.from({ length: groups }, (_, at) => [`group ${at}`, new Map([[`ip svc ${at}`, value]])]))

  // A search of the owner's groups for each of them took more than 8 s here.
  test('thousands of groups of a Service take their number, also where two Services claim all of them', () => {
    const ledger = createLedger()
    const started = performance.now()
    ledger.set('default/a', '1', wide(20_000, 'x'))
    ledger.set('default/b', '2', wide(20_000, 'y'))
    ledger.set('default/a', '1', wide(20_000, 'z'))
    ledger.set('default/a', '1', new Map())
    const took = performance.now() - started
    assert.equal(ledger.desired.get('ip svc 19999'), 'y')
    assert.ok(took < 3000, `${took} ms`)
  })
})
