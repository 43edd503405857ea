/** Changes of externalTrafficPolicy step by step in virtual time. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TrafficPolicy } from '../../kube/objects.ts'
import { type FlipState, flip, type PolicyView, policyView } from './flip.ts'
import { service } from './testing.ts'

const grace = 60_000
const port = 32_000

const view = (spec: TrafficPolicy, inEffect?: TrafficPolicy, more: Partial<PolicyView> = {}): PolicyView => ({
  spec,
  inEffect,
  healthCheckNodePort: spec === 'Local' ? port : 0,
  announced: true,
  ...more,
})

/** Feeds views at times; gives `policy ports` after each. */
function play(...steps: [at: number, view: PolicyView][]): string[] {
  let state: FlipState | undefined
  return steps.map(([at, seen]) => {
    const decision = flip(state, seen, at, grace)
    state = decision.state
    return `${decision.forward} ${decision.healthPorts.join()}`.trim()
  })
}

describe('a change of policy', () => {
  test('Cluster to Local waits for the announcement with the port open', () => {
    assert.deepEqual(
      play([0, view('Cluster', 'Cluster')], [1000, view('Local', 'Cluster')], [2000, view('Local', 'Local')]),
      ['Cluster', 'Cluster 32000', 'Local 32000'],
    )
  })

  test('Local to Cluster forwards at once and keeps the old port until the announcement', () => {
    assert.deepEqual(
      play([0, view('Local', 'Local')], [1000, view('Cluster', 'Local')], [2000, view('Cluster', 'Cluster')]),
      ['Local 32000', 'Cluster 32000', 'Cluster'],
    )
  })

  test('the grace time ends both waits', () => {
    assert.deepEqual(
      play([0, view('Cluster', 'Cluster')], [1000, view('Local', 'Cluster')], [1000 + grace, view('Local', 'Cluster')]),
      ['Cluster', 'Cluster 32000', 'Local 32000'],
    )
    assert.deepEqual(
      play([0, view('Local', 'Local')], [1000, view('Cluster', 'Local')], [1000 + grace, view('Cluster', 'Local')]),
      ['Local 32000', 'Cluster 32000', 'Cluster'],
    )
  })

  test('it asks to be woken when the grace time ends, and not when nothing waits', () => {
    const before = flip(undefined, view('Cluster', 'Cluster'), 0, grace)
    assert.equal(before.wakeAt, undefined)
    assert.equal(flip(before.state, view('Local', 'Cluster'), 1000, grace).wakeAt, 1000 + grace)
  })

  test('once over, it stays over though the announcement still says otherwise', () => {
    const fates = play(
      [0, view('Cluster', 'Cluster')],
      [1000, view('Local', 'Cluster')],
      [1000 + grace, view('Local', 'Cluster')],
      [5000 + grace, view('Local', 'Cluster')],
    )
    assert.equal(fates.at(-1), 'Local 32000')
  })

  test('there and back again before anybody noticed changes nothing', () => {
    assert.deepEqual(
      play([0, view('Local', 'Local')], [1000, view('Cluster', 'Local')], [2000, view('Local', 'Local')]),
      ['Local 32000', 'Cluster 32000', 'Local 32000'],
    )
  })

  test('a new port beside a dropped one: both answer for the grace time', () => {
    const other = view('Local', 'Local', { healthCheckNodePort: 32_001 })
    assert.deepEqual(play([0, view('Local', 'Local')], [1000, other], [1000 + grace, other]), [
      'Local 32000',
      'Local 32001,32000',
      'Local 32001',
    ])
  })

  test('without an announcer the spec counts at once', () => {
    const alone = (spec: TrafficPolicy) => view(spec, undefined, { announced: false })
    assert.deepEqual(play([0, alone('Cluster')], [1, alone('Local')], [2, alone('Cluster')]), [
      'Cluster',
      'Local 32000',
      'Cluster',
    ])
  })

  test('a fresh Service of our class with policy Local starts Local', () => {
    assert.deepEqual(play([0, view('Local')]), ['Local 32000'])
  })

  test('a restarted proxy derives where it was from the announcement and from the ports it had open', () => {
    const opening = flip(undefined, view('Local', 'Cluster'), 0, grace, [port])
    assert.deepEqual([opening.forward, opening.healthPorts], ['Cluster', [port]])
    const closing = flip(undefined, view('Cluster', 'Local'), 0, grace, [port])
    assert.deepEqual([closing.forward, closing.healthPorts], ['Cluster', [port]])
    const over = flip(undefined, view('Cluster', 'Cluster'), 0, grace, [port])
    assert.deepEqual(over.healthPorts, [])
  })
})

describe('what is read from a Service', () => {
  test('the condition, or one of our classes, means that somebody announces', () => {
    const seen = (loadBalancerClass?: string, status?: 'True' | 'False') =>
      policyView({
        ...service({ type: 'LoadBalancer', ...(loadBalancerClass && { loadBalancerClass }) }),
        status: {
          conditions: status
            ? [
                {
                  type: 'roadstead.dev/ExternalTrafficPolicy',
                  status,
                  reason: 'Local',
                  message: '',
                  lastTransitionTime: '',
                },
              ]
            : [],
        },
      })
    assert.equal(seen()?.announced, false)
    assert.equal(seen('example.com/x')?.announced, false)
    assert.equal(seen('roadstead.dev/local')?.announced, true)
    assert.deepEqual([seen(undefined, 'True')?.announced, seen(undefined, 'True')?.inEffect], [true, 'Local'])
    assert.equal(seen(undefined, 'False')?.inEffect, undefined)
    assert.equal(policyView(service()), undefined)
  })
})
