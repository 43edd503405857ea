import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Deployment, Pod } from '../../../kube/objects.ts'
import { deployment } from '../testing.ts'
import { deploymentStatus } from './status.ts'
import { podFor } from './template.ts'

const start = Date.parse('2026-01-01T00:00:00Z')

function generation(wanted: Deployment, number: number): Deployment {
  return { ...wanted, metadata: { ...wanted.metadata, generation: number } }
}

function pods(wanted: Deployment, count: number, ready = true): Pod[] {
  return Array.from({ length: count }, (_, number) => ({
    ...podFor(wanted),
    status: {
      phase: 'Running' as const,
      conditions: [
        {
          type: 'Ready',
          status: ready ? ('True' as const) : ('False' as const),
          lastTransitionTime: '2025-12-31T23:59:58Z',
        },
      ],
      podIP: `10.0.0.${number}`,
    },
  }))
}

/** The Deployment after its status was written. */
function looked(wanted: Deployment, present: Pod[], now: number): Deployment {
  return { ...wanted, status: deploymentStatus(wanted, present, now).status }
}

function reasons({ status }: Deployment): Record<string, string> {
  return Object.fromEntries((status?.conditions ?? []).map(({ type, status, reason }) => [type, `${status} ${reason}`]))
}

const web = generation(deployment('web', 2), 1)

describe('the status of a Deployment', () => {
  test('counts Pods by revision, readiness and availability', () => {
    const old = pods({ ...web, spec: { ...web.spec, template: { spec: { containers: [] } } } }, 1)
    const { status } = deploymentStatus(web, [...pods(web, 1), ...pods(web, 1, false), ...old], start)
    const { conditions: _, ...counts } = status
    assert.deepEqual(counts, {
      observedGeneration: 1,
      replicas: 3,
      updatedReplicas: 2,
      readyReplicas: 2,
      availableReplicas: 2,
      unavailableReplicas: 1,
      terminatingReplicas: 0,
    })
  })

  test('starts unavailable and progressing', () => {
    assert.deepEqual(reasons(looked(web, [], start)), {
      Available: 'False MinimumReplicasUnavailable',
      Progressing: 'True ReplicaSetUpdated',
    })
  })

  test('ends available and complete', () => {
    assert.deepEqual(reasons(looked(web, pods(web, 2), start)), {
      Available: 'True MinimumReplicasAvailable',
      Progressing: 'True NewReplicaSetAvailable',
    })
  })

  test('does not change by being looked at', () => {
    const once = looked(web, pods(web, 2), start)
    assert.deepEqual(deploymentStatus(once, pods(web, 2), start + 60_000).status, once.status)
  })

  test('times out after the progress deadline without a sign of progress', () => {
    const stuck = generation(deployment('web', 2, { progressDeadlineSeconds: 30 }), 1)
    const first = looked(stuck, pods(stuck, 2, false), start)
    assert.ok((deploymentStatus(first, pods(stuck, 2, false), start).againMs ?? 0) >= 30_000)
    const before = looked(first, pods(stuck, 2, false), start + 29_000)
    assert.equal(reasons(before)['Progressing'], 'True ReplicaSetUpdated')
    const late = looked(before, pods(stuck, 2, false), start + 31_000)
    assert.equal(reasons(late)['Progressing'], 'False ProgressDeadlineExceeded')
    const healed = looked(late, pods(stuck, 2), start + 32_000)
    assert.equal(reasons(healed)['Progressing'], 'True NewReplicaSetAvailable')
  })

  test('a ready Pod puts the deadline off', () => {
    const slow = generation(deployment('web', 2, { progressDeadlineSeconds: 30 }), 1)
    const first = looked(slow, pods(slow, 2, false), start)
    const second = looked(first, [...pods(slow, 1), ...pods(slow, 1, false)], start + 29_000)
    const third = looked(second, [...pods(slow, 1), ...pods(slow, 1, false)], start + 40_000)
    assert.equal(reasons(third)['Progressing'], 'True ReplicaSetUpdated')
  })

  test('a Pod lost after completion is no new rollout', () => {
    const done = looked(web, pods(web, 2), start)
    const later = looked(done, pods(web, 1), start + 3_600_000)
    assert.equal(reasons(later)['Progressing'], 'True NewReplicaSetAvailable')
  })

  test('a new template is', () => {
    const done = looked(web, pods(web, 2), start)
    const changed = generation({ ...done, spec: { ...done.spec, template: { spec: { containers: [] } } } }, 2)
    assert.equal(reasons(looked(changed, pods(web, 2), start))['Progressing'], 'True ReplicaSetUpdated')
  })

  test('paused says so', () => {
    const paused = generation(deployment('web', 2, { paused: true }), 1)
    assert.equal(reasons(looked(paused, pods(paused, 1), start))['Progressing'], 'Unknown DeploymentPaused')
  })

  test('a refused Pod is a condition while it lasts', () => {
    const { status } = deploymentStatus(web, [], start, 'exceeded quota')
    const failed = { ...web, status }
    assert.equal(reasons(failed)['ReplicaFailure'], 'True FailedCreate')
    assert.equal(reasons(looked(failed, pods(web, 2), start))['ReplicaFailure'], undefined)
  })

  test('looks again when minReadySeconds are over', () => {
    const slow = generation(deployment('web', 1, { minReadySeconds: 10 }), 1)
    const { status, againMs } = deploymentStatus(slow, pods(slow, 1), start)
    assert.deepEqual([status.availableReplicas, againMs], [0, 8001])
  })
})
