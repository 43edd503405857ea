import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  array,
  boolean,
  constantFrom,
  integer,
  nat,
  property,
  record,
  tuple,
  uniqueArray,
  assert as checkProperty,
} from 'fast-check'
import type { Owner, Resource, Step } from './contract.ts'
import { jsonEqual } from './json-equal.ts'
import { plan, progress } from './plan.ts'

const owner: Owner = { cluster: 'c', namespace: 'shop', name: 'web', uid: 'u1' }

function resource(key: string, more: Partial<Resource> = {}): Resource {
  return { kind: 'thing', key, owner, needs: [], immutable: {}, mutable: {}, state: 'ready', ...more }
}

const seen = (key: string, more: Partial<Resource> = {}) => resource(key, { id: `id-${key}`, ...more })
const lines = (steps: readonly Step[]) => steps.map((step) => `${step.verb} ${step.resource.id ?? step.resource.key}`)

describe('plan', () => {
  test('nothing to do when equal, whatever the order and the observations', () => {
    const wanted = [resource('lb'), resource('listener', { needs: ['lb'], mutable: { a: 1, b: [2] } })]
    const observed = [seen('listener', { needs: ['lb'], mutable: { b: [2], a: 1 }, observed: { x: 1 } }), seen('lb')]
    assert.deepEqual(plan(wanted, observed), [])
  })

  test('creates follow needs, deletes go against them', () => {
    const chain = [resource('a-listener', { needs: ['z-lb', 'm-group'] }), resource('m-group'), resource('z-lb')]
    assert.deepEqual(lines(plan(chain, [])), ['create m-group', 'create z-lb', 'create a-listener'])
    const standing = chain.map((one) => ({ ...one, id: `id-${one.key}` }))
    assert.deepEqual(lines(plan([], standing)), ['delete id-a-listener', 'delete id-z-lb', 'delete id-m-group'])
  })

  test('a difference in mutable is an update in place', () => {
    const steps = plan(
      [resource('group', { mutable: { targets: ['a'] } })],
      [seen('group', { mutable: { targets: [] } })],
    )
    assert.deepEqual(lines(steps), ['update group'])
    assert.equal(steps[0]?.verb === 'update' && steps[0].from.id, 'id-group')
  })

  test('a difference in immutable creates the replacement, repoints what needs it, then removes the old one', () => {
    const wanted = [resource('group', { immutable: { port: 2 } }), resource('listener', { needs: ['group'] })]
    const observed = [seen('group', { immutable: { port: 1 } }), seen('listener', { needs: ['group'] })]
    assert.deepEqual(lines(plan(wanted, observed)), ['create group', 'update listener', 'delete id-group'])
  })

  test('an old object stays while its replacement is pending', () => {
    const wanted = [resource('group', { immutable: { port: 2 } })]
    const old = seen('group', { immutable: { port: 1 }, id: 'old' })
    const fresh = seen('group', { immutable: { port: 2 }, id: 'new', state: 'pending' })
    assert.deepEqual(plan(wanted, [old, fresh]), [])
    assert.deepEqual(lines(plan(wanted, [old, { ...fresh, state: 'ready' }])), ['delete old'])
  })

  test('a duplicate left by a crash is removed and the ready one kept', () => {
    const observed = [seen('lb', { id: 'a', state: 'pending' }), seen('lb', { id: 'b' })]
    assert.deepEqual(lines(plan([resource('lb')], observed)), ['delete a'])
  })

  test('a key that is being deleted is waited for, and so is what needs it', () => {
    const wanted = [resource('lb'), resource('listener', { needs: ['lb'] }), resource('other')]
    const result = progress(wanted, [seen('lb', { state: 'deleting' })])
    assert.deepEqual(lines(result.steps), ['create other'])
    assert.deepEqual(
      result.waiting.map((one) => one.id),
      ['id-lb'],
    )
  })

  test('what a deleting object needs is not deleted before it is gone', () => {
    const observed = [
      seen('lb', { state: 'deleting', needs: ['group'] }),
      seen('group', { needs: ['net'] }),
      seen('net'),
    ]
    assert.deepEqual(plan([], observed), [])
    assert.deepEqual(lines(plan([], observed.slice(1))), ['delete id-group', 'delete id-net'])
  })

  test('a pending wanted object is no difference, but is waited for', () => {
    const result = progress([resource('lb')], [seen('lb', { state: 'pending' })])
    assert.deepEqual(result.steps, [])
    assert.deepEqual(
      result.waiting.map((one) => one.key),
      ['lb'],
    )
  })
})

/** A tiny cloud: what execute would do, with ids, asynchronous deletion and new objects that may be pending for a while. */
function model(start: readonly Resource[]) {
  const objects = new Map(start.map((one) => [one.id ?? one.key, one]))
  let made = 0
  return {
    observe: () => [...objects.values()],
    execute(step: Step, slow: boolean) {
      const { resource } = step
      if (step.verb === 'create') {
        const dependencies = resource.needs.every((need) => [...objects.values()].some((one) => one.key === need))
        assert.ok(dependencies, `${resource.key} created before what it needs`)
        const id = `new-${made++}-${resource.key}`
        objects.set(id, { ...resource, id, state: slow ? 'pending' : 'ready' })
      } else if (step.verb === 'update') {
        const id = step.from.id ?? ''
        objects.set(id, { ...resource, id, state: step.from.state })
      } else {
        const id = resource.id ?? ''
        if (slow) objects.set(id, { ...resource, state: 'deleting' })
        else objects.delete(id)
      }
    },
    settle() {
      for (const [id, one] of objects) {
        if (one.state === 'deleting') objects.delete(id)
        else objects.set(id, { ...one, state: 'ready' })
      }
    },
  }
}

const keys = ['a', 'b', 'c', 'd', 'e']
const one = record({
  key: constantFrom(...keys),
  immutable: record({ v: integer({ min: 0, max: 1 }) }),
  mutable: record({ w: integer({ min: 0, max: 1 }) }),
  needs: uniqueArray(constantFrom(...keys), { maxLength: 3 }),
})
/** Needs only point at earlier letters that are in the set: an acyclic, closed graph. */
const wantedSet = uniqueArray(one, { selector: (it) => it.key }).map((items) =>
  items.map((it) =>
    resource(it.key, { ...it, needs: it.needs.filter((need) => need < it.key && items.some((x) => x.key === need)) }),
  ),
)
const seenSet = array(tuple(one, constantFrom('ready' as const, 'pending' as const, 'deleting' as const)), {
  maxLength: 7,
}).map((items) =>
  items.map(([it, state], n) =>
    resource(it.key, { ...it, needs: it.needs.filter((need) => need < it.key), id: `${it.key}${n}`, state }),
  ),
)

describe('plan, for any wanted and observed state', () => {
  test('equal states give no step', () => {
    checkProperty(
      property(wantedSet, (wanted) => {
        assert.deepEqual(plan(wanted, wanted.map((it) => ({ ...it, id: it.key })).toReversed()), [])
      }),
    )
  })

  test('the order of the inputs does not matter', () => {
    checkProperty(
      property(wantedSet, seenSet, (wanted, observed) => {
        assert.deepEqual(plan(wanted.toReversed(), observed.toReversed()), plan(wanted, observed))
      }),
    )
  })

  test('planning and applying, cut anywhere and with a slow cloud, reaches the goal and stays there', () => {
    checkProperty(
      property(wantedSet, seenSet, array(nat(4), { maxLength: 6 }), boolean(), (wanted, observed, cuts, slow) => {
        const cloud = model(observed)
        for (const cut of cuts)
          for (const step of plan(wanted, cloud.observe()).slice(0, cut)) cloud.execute(step, slow)
        for (let round = 0; round < 12; round++) {
          cloud.settle()
          for (const step of plan(wanted, cloud.observe())) cloud.execute(step, slow)
        }
        cloud.settle()
        const end = cloud.observe()
        assert.deepEqual(end.map((it) => it.key).sort(), wanted.map((it) => it.key).sort())
        for (const want of wanted) {
          const got = end.find((it) => it.key === want.key)
          assert.ok(jsonEqual(got?.immutable, want.immutable) && jsonEqual(got?.mutable, want.mutable), want.key)
        }
        assert.deepEqual(plan(wanted, end), [])
      }),
    )
  })

  test('a wanted object that stands and fits is never deleted', () => {
    checkProperty(
      property(wantedSet, seenSet, (wanted, observed) => {
        for (const want of wanted) {
          const fits = (it: Resource) =>
            it.key === want.key && it.state === 'ready' && jsonEqual(it.immutable, want.immutable)
          if (!observed.some(fits)) continue
          const deleted = plan(wanted, observed)
            .filter((step) => step.verb === 'delete')
            .map((step) => step.resource.id)
          assert.ok(observed.some((it) => fits(it) && !deleted.includes(it.id)))
        }
      }),
    )
  })
})
