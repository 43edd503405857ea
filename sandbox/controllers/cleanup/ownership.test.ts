import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { KubeObject, OwnerReference } from '../../../kube/objects.ts'
import { blocks, type OwnerState, pendingDeletion, verdict } from './ownership.ts'

const owner = (uid: string): OwnerReference => ({ apiVersion: 'v1', kind: 'Service', name: uid, uid })

function owned(states: OwnerState[], finalizers: string[] = []): KubeObject {
  return {
    metadata: { name: 'x', finalizers, ownerReferences: states.map((state, index) => owner(`${state}-${index}`)) },
  }
}

function judged(states: OwnerState[], hasDependents = false, finalizers: string[] = []) {
  return verdict(owned(states, finalizers), ({ uid }) => uid.split('-')[0] as OwnerState, hasDependents)
}

describe('what becomes of an object', () => {
  const cases: [states: OwnerState[], kind: string][] = [
    [[], 'keep'],
    [['present'], 'keep'],
    [['unknown'], 'keep'],
    [['present', 'unknown'], 'keep'],
    [['absent'], 'remove'],
    [['absent', 'absent'], 'remove'],
    [['waiting'], 'remove'],
    [['present', 'absent'], 'release'],
    [['unknown', 'absent'], 'release'],
    [['present', 'waiting'], 'release'],
  ]
  for (const [states, kind] of cases) {
    test(`owners ${states.join(', ') || 'none'}: ${kind}`, () => assert.equal(judged(states).kind, kind))
  }

  test('a release keeps the references to those who stay', () => {
    assert.deepEqual(judged(['absent', 'present']), { kind: 'release', ownerReferences: [owner('present-1')] })
  })

  test('foreground deletion goes down the tree', () => {
    assert.deepEqual(judged(['waiting'], true), { kind: 'remove', propagationPolicy: 'Foreground' })
    assert.deepEqual(judged(['absent'], true), { kind: 'remove', propagationPolicy: 'Background' })
  })

  test('the object’s own finalizer says how its dependents go', () => {
    assert.deepEqual(judged(['absent'], true, ['orphan']), { kind: 'remove', propagationPolicy: 'Orphan' })
  })
})

describe('deletions that wait for dependents', () => {
  const going = (finalizers: string[]): KubeObject => ({
    metadata: { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers },
  })
  test('by finalizer', () => {
    assert.equal(pendingDeletion(going(['foregroundDeletion'])), 'foreground')
    assert.equal(pendingDeletion(going(['orphan'])), 'orphan')
    assert.equal(pendingDeletion(going(['roadstead.dev/load-balancer'])), undefined)
    assert.equal(pendingDeletion({ metadata: { finalizers: ['orphan'] } }), undefined)
  })
  test('only blocking dependents hold them up', () => {
    const dependent = (block: boolean): KubeObject => ({
      metadata: { ownerReferences: [{ ...owner('u'), blockOwnerDeletion: block }] },
    })
    assert.deepEqual(
      [blocks(dependent(true), 'u'), blocks(dependent(false), 'u'), blocks(dependent(true), 'v')],
      [true, false, false],
    )
  })
})
