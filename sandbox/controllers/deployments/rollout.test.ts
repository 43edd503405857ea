import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { Deployment, Pod } from '../../../kube/objects.ts'
import { deployment } from '../testing.ts'
import { availableIn, firstToGo, isActive } from './availability.ts'
import { limitsOf, rolloutStep, wantedReplicas } from './rollout.ts'
import { podFor, templateHash } from './template.ts'

const now = Date.parse('2026-01-01T00:00:00Z')

interface PodState {
  ready?: boolean
  image?: string
  node?: string
  readySince?: string
  created?: string
  cost?: number
  deleted?: boolean
}

function withImage(image: string, replicas = 4, spec: Partial<Deployment['spec']> = {}): Deployment {
  const wanted = deployment('web', replicas, spec)
  return {
    ...wanted,
    spec: { ...wanted.spec, template: { ...wanted.spec.template, spec: { containers: [{ name: 'c', image }] } } },
  }
}

function pod(state: PodState = {}, name = 'p'): Pod {
  const { ready = true, image = 'one', node = 'node-1', readySince = '2025-12-31T23:00:00Z', cost, deleted } = state
  const made = podFor(withImage(image))
  return {
    ...made,
    metadata: {
      ...made.metadata,
      name,
      uid: name,
      creationTimestamp: state.created ?? '2025-12-31T23:00:00Z',
      ...(cost !== undefined && { annotations: { 'controller.kubernetes.io/pod-deletion-cost': String(cost) } }),
      ...(deleted && { deletionTimestamp: '2026-01-01T00:00:00Z' }),
    },
    spec: { ...made.spec, ...(node && { nodeName: node }) },
    status: {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: readySince }],
    },
  }
}

const pods = (count: number, state: PodState = {}) => Array.from({ length: count }, () => pod(state))

function step(wanted: Deployment, present: Pod[]) {
  const { create, remove } = rolloutStep(wanted, present, now)
  return { create: create.length, remove: remove.length }
}

describe('the limits of a rollout', () => {
  const cases: [replicas: number, surge: number | string, unavailable: number | string, limits: [number, number]][] = [
    [4, '25%', '25%', [1, 1]],
    [10, '25%', '25%', [3, 2]],
    [1, '25%', '25%', [1, 0]],
    [3, 0, 0, [0, 1]],
    [3, 2, '50%', [2, 1]],
    [2, 0, 5, [0, 2]],
  ]
  for (const [replicas, maxSurge, maxUnavailable, [surge, unavailable]] of cases) {
    test(`${maxSurge} and ${maxUnavailable} of ${replicas}`, () => {
      const wanted = deployment('web', replicas, { strategy: { rollingUpdate: { maxSurge, maxUnavailable } } })
      assert.deepEqual(limitsOf(wanted), { maxSurge: surge, maxUnavailable: unavailable })
    })
  }
})

describe('one step of a rolling update', () => {
  const cases: [what: string, present: Pod[], step: { create: number; remove: number }][] = [
    ['nothing there: all at once', [], { create: 4, remove: 0 }],
    ['complete: nothing', pods(4), { create: 0, remove: 0 }],
    ['too many', pods(6), { create: 0, remove: 2 }],
    ['a lost Pod is replaced', pods(3), { create: 1, remove: 0 }],
    ['finished and terminating Pods do not count', [...pods(3), pod({ deleted: true })], { create: 1, remove: 0 }],
    ['a new template: one more and one less', pods(4, { image: 'old' }), { create: 1, remove: 1 }],
    [
      'no further while the new ones start',
      [...pods(3, { image: 'old' }), ...pods(2, { ready: false })],
      { create: 0, remove: 0 },
    ],
    ['on when they are ready', [...pods(3, { image: 'old' }), ...pods(2)], { create: 0, remove: 2 }],
    ['broken old Pods first', [...pods(4, { image: 'old', ready: false })], { create: 1, remove: 1 }],
    ['the rest at the end', [...pods(4), pod({ image: 'old' })], { create: 0, remove: 1 }],
  ]
  for (const [what, present, wanted] of cases) {
    test(what, () => assert.deepEqual(step(withImage('one'), present), wanted))
  }

  test('a Pod counts as available after minReadySeconds', () => {
    const wanted = withImage('one', 4, { minReadySeconds: 10 })
    const fresh = pods(2, { readySince: '2025-12-31T23:59:55Z' })
    assert.deepEqual(step(wanted, [...pods(3, { image: 'old' }), ...fresh]), { create: 0, remove: 0 })
    assert.equal(availableIn(fresh[0] ?? pod(), 10, now), 5000)
  })
})

describe('Recreate', () => {
  const wanted = withImage('one', 2, { strategy: { type: 'Recreate' } })
  test('removes all old Pods first', () =>
    assert.deepEqual(step(wanted, pods(2, { image: 'old' })), { create: 0, remove: 2 }))
  test('waits until they are really gone', () => {
    assert.deepEqual(step(wanted, pods(2, { image: 'old', deleted: true })), { create: 0, remove: 0 })
  })
  test('then makes the new ones', () => assert.deepEqual(step(wanted, []), { create: 2, remove: 0 }))
})

describe('a paused Deployment', () => {
  const wanted = withImage('two', 4, { paused: true })
  test('keeps to the old template', () => assert.deepEqual(step(wanted, pods(4)), { create: 0, remove: 0 }))
  test('grows with Pods like those it has', () => {
    const { create } = rolloutStep(wanted, pods(3), now)
    assert.deepEqual(
      create.map(({ spec }) => spec.containers[0]?.image),
      ['one'],
    )
    assert.deepEqual(create[0]?.spec.nodeName, undefined)
  })
  test('shrinks', () => assert.deepEqual(step(wanted, pods(5)), { create: 0, remove: 1 }))
  test('makes none when it was born paused', () => assert.deepEqual(step(wanted, []), { create: 0, remove: 0 }))
})

describe('which Pods go first', () => {
  const order: [what: string, first: PodState, second: PodState][] = [
    ['without node', { node: '' }, { ready: false }],
    ['not ready', { ready: false }, { cost: -5 }],
    ['lower deletion cost', { cost: -5 }, { readySince: '2025-12-31T23:59:00Z' }],
    ['younger in readiness', { readySince: '2025-12-31T23:59:00Z' }, {}],
    ['younger', { created: '2025-12-31T23:59:00Z' }, {}],
  ]
  for (const [what, first, second] of order) {
    test(what, () => {
      const both = [pod(second, 'second'), pod(first, 'first')]
      assert.deepEqual(
        firstToGo(both, 1, both).map(({ metadata }) => metadata.name),
        ['first'],
      )
    })
  }
  test('on the more crowded node', () => {
    const all = [pod({ node: 'a' }, 'a1'), pod({ node: 'b' }, 'b1'), pod({ node: 'b' }, 'b2')]
    assert.deepEqual(
      firstToGo(all, 1, all).map(({ metadata }) => metadata.name),
      ['b1'],
    )
  })
})

describe('the template hash', () => {
  test('does not depend on the order of keys', () => {
    const container = { name: 'c', image: 'i' }
    const swapped = { image: 'i', name: 'c' }
    assert.equal(templateHash({ spec: { containers: [container] } }), templateHash({ spec: { containers: [swapped] } }))
  })
  test('changes with an annotation, as kubectl rollout restart makes one', () => {
    const spec = { containers: [{ name: 'c' }] }
    const restarted = { metadata: { annotations: { 'kubectl.kubernetes.io/restartedAt': 'now' } }, spec }
    assert.notEqual(templateHash({ spec }), templateHash(restarted))
  })
})

test('any rollout stays within its limits and arrives, whatever Pods become ready when', () => {
  const scenario = fc.record({
    replicas: fc.integer({ min: 1, max: 8 }),
    maxSurge: fc.constantFrom(0, 1, 3, '25%', '100%'),
    maxUnavailable: fc.constantFrom(0, 1, 2, '25%', '50%'),
    readiness: fc.array(fc.nat(3), { minLength: 1, maxLength: 20 }),
  })
  fc.assert(
    fc.property(scenario, ({ replicas, maxSurge, maxUnavailable, readiness }) => {
      const wanted = withImage('two', replicas, { strategy: { rollingUpdate: { maxSurge, maxUnavailable } } })
      const limits = limitsOf(wanted)
      let present = pods(replicas)
      const isNew = (one: Pod) => one.spec.containers[0]?.image === 'two'
      for (let turn = 0; turn < 200; turn++) {
        const { create, remove } = rolloutStep(wanted, present, now)
        const going = new Set(remove)
        present = [
          ...present.filter((one) => !going.has(one)),
          ...create.map(() => pod({ image: 'two', ready: false })),
        ]
        const available = present.filter((one) => availableIn(one, 0, now) === 0).length
        assert.ok(present.length <= replicas + limits.maxSurge, 'surge')
        assert.ok(available >= wantedReplicas(wanted) - limits.maxUnavailable, 'availability')
        let rising = (readiness[turn % readiness.length] ?? 0) + (turn % 3 === 0 ? 1 : 0)
        present = present.map((one) => {
          if (rising === 0 || availableIn(one, 0, now) === 0) return one
          rising--
          return pod({ image: one.spec.containers[0]?.image ?? '', ready: true })
        })
        if (
          present.length === replicas &&
          present.every((one) => isNew(one) && isActive(one) && availableIn(one, 0, now) === 0)
        ) {
          assert.deepEqual(step(wanted, present), { create: 0, remove: 0 })
          return
        }
      }
      assert.fail('the rollout did not end')
    }),
  )
})
