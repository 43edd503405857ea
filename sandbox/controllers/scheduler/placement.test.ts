import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Node, Pod, Taint, Toleration } from '../../../kube/objects.ts'
import { evictionDelay } from '../cleanup/eviction.ts'
import { type NodeLoad, place, refusal, tolerates } from './placement.ts'

function node(name: string, spec: Node['spec'] = {}, ready: 'True' | 'False' = 'True'): Node {
  return {
    metadata: { name, labels: { disk: name } },
    spec,
    status: { conditions: [{ type: 'Ready', status: ready }] },
  }
}

const pod = (spec: Partial<Pod['spec']> = {}): Pod => ({ metadata: { name: 'p' }, spec: { containers: [], ...spec } })
const load = (its: Node, siblings = 0, pods = 0, ports: string[] = []): NodeLoad => ({
  node: its,
  siblings,
  pods,
  hostPorts: new Set(ports),
})
const taint = (effect: Taint['effect'], value?: string): Taint => ({ key: 'k', effect, ...(value && { value }) })

describe('placing a Pod', () => {
  test('on the node with the fewest siblings, then the fewest Pods, then by name', () => {
    const [a, b, c] = [node('node-1'), node('node-2'), node('node-10')]
    assert.deepEqual(place(pod(), [load(a, 1, 1), load(b, 0, 5), load(c, 1, 0)]), { node: 'node-2' })
    assert.deepEqual(place(pod(), [load(a, 0, 2), load(b, 0, 1)]), { node: 'node-2' })
    assert.deepEqual(place(pod(), [load(c), load(b), load(a)]), { node: 'node-1' })
  })

  test('nowhere: the message counts the reasons in the words of kube-scheduler', () => {
    const loads = [
      load(node('a', { unschedulable: true })),
      load(node('b', { taints: [taint('NoSchedule', 'v')] })),
      load(node('c', {}, 'False')),
      load(node('d', { taints: [taint('NoExecute', 'v')] })),
    ]
    assert.deepEqual(place(pod(), loads), {
      unschedulable:
        '0/4 nodes are available: 1 node(s) were not ready, 1 node(s) were unschedulable, 2 node(s) had untolerated taint {k: v}.',
    })
    assert.deepEqual(place(pod(), []), { unschedulable: 'no nodes available to schedule pods' })
  })

  test('a port of the node is taken once, by number and protocol', () => {
    const containers = [{ name: 'c', ports: [{ containerPort: 53, hostPort: 5353, protocol: 'UDP' as const }] }]
    const loads = [load(node('a'), 0, 0, ['UDP/5353']), load(node('b'), 5, 5, ['TCP/5353', 'UDP/53'])]
    assert.deepEqual(place(pod({ containers }), loads), { node: 'b' })
    assert.deepEqual(place(pod({ containers, hostNetwork: true }), loads.slice(0, 1)), {
      unschedulable: "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
    })
    const shared = [{ name: 'c', ports: [{ containerPort: 53, protocol: 'UDP' as const }] }]
    assert.deepEqual(place(pod({ containers: shared, hostNetwork: true }), [load(node('b'), 0, 0, ['TCP/53'])]), {
      node: 'b',
    })
  })

  const refusals: [what: string, its: Pod, at: Node, refused: boolean][] = [
    ['a plain node', pod(), node('a'), false],
    ['a cordoned node', pod(), node('a', { unschedulable: true }), true],
    [
      'a cordoned node, tolerated',
      pod({ tolerations: [{ key: 'node.kubernetes.io/unschedulable', operator: 'Exists' }] }),
      node('a', { unschedulable: true }),
      false,
    ],
    ['PreferNoSchedule', pod(), node('a', { taints: [taint('PreferNoSchedule')] }), false],
    ['NoSchedule', pod(), node('a', { taints: [taint('NoSchedule')] }), true],
    ['NoExecute', pod(), node('a', { taints: [taint('NoExecute')] }), true],
    ['its selector', pod({ nodeSelector: { disk: 'a' } }), node('a'), false],
    ['another selector', pod({ nodeSelector: { disk: 'b' } }), node('a'), true],
  ]
  for (const [what, its, at, refused] of refusals) {
    test(`${what}: ${refused ? 'refused' : 'taken'}`, () => assert.equal(refusal(its, at) !== undefined, refused))
  }

  const tolerations: [toleration: Toleration, effect: Taint['effect'], value: string, covered: boolean][] = [
    [{ operator: 'Exists' }, 'NoSchedule', 'v', true],
    [{ key: 'k', operator: 'Exists' }, 'NoExecute', 'v', true],
    [{ key: 'k', value: 'v' }, 'NoSchedule', 'v', true],
    [{ key: 'k', value: 'w' }, 'NoSchedule', 'v', false],
    [{ key: 'other', operator: 'Exists' }, 'NoSchedule', 'v', false],
    [{ key: 'k', operator: 'Exists', effect: 'NoExecute' }, 'NoSchedule', 'v', false],
    [{ operator: 'Equal' }, 'NoSchedule', '', false],
  ]
  for (const [toleration, effect, value, covered] of tolerations) {
    test(`${JSON.stringify(toleration)} ${covered ? 'covers' : 'does not cover'} k=${value}:${effect}`, () => {
      assert.equal(tolerates(pod({ tolerations: [toleration] }), taint(effect, value)), covered)
    })
  }
})

describe('evictions by NoExecute taints', () => {
  const now = Date.parse('2026-01-01T00:01:00Z')
  const tainted = node('a', { taints: [{ ...taint('NoExecute'), timeAdded: '2026-01-01T00:00:00Z' }] })
  const tolerating = (seconds?: number) =>
    pod({
      tolerations: [{ key: 'k', operator: 'Exists', ...(seconds !== undefined && { tolerationSeconds: seconds }) }],
    })

  test('at once without toleration', () => assert.equal(evictionDelay(pod(), tainted, now), 0))
  test('never with one for ever', () => assert.equal(evictionDelay(tolerating(), tainted, now), undefined))
  test('when the seconds are over', () => assert.equal(evictionDelay(tolerating(90), tainted, now), 30_000))
  test('not for other effects', () => {
    assert.equal(evictionDelay(pod(), node('a', { taints: [taint('NoSchedule')] }), now), undefined)
  })
})
