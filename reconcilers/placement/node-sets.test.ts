import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Node } from '../../kube/objects.ts'
import { createVirtualClock } from '../../kube/virtual-clock.ts'
import { isEligible, nodeSets, nodesOfNoCloud, selectNodes } from './node-sets.ts'
import { createNodeWindow } from './node-window.ts'

const clouds = ['a', 'b'].map((name) => ({ name, ownsNode: (id: string) => id.startsWith(`${name}://`) }))
const exclude = 'node.kubernetes.io/exclude-from-external-load-balancers'

function node(
  name: string,
  more: { labels?: Record<string, string>; taint?: string; deleting?: boolean; id?: string; ready?: boolean } = {},
): Node {
  return {
    metadata: {
      name,
      ...(more.labels ? { labels: more.labels } : {}),
      ...(more.deleting ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    spec: {
      providerID: more.id ?? `a://${name}`,
      taints: more.taint ? [{ key: more.taint, effect: 'NoSchedule' }] : [],
    },
    status: {
      addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
      conditions: [{ type: 'Ready', status: more.ready === false ? 'False' : 'True' }],
    },
  }
}
const names = (nodes: Node[], cloud = 'a', last?: Parameters<typeof nodeSets>[2]) =>
  nodeSets(nodes, clouds, last)
    .get(cloud)
    ?.map(({ name }) => name)

describe('eligible nodes', () => {
  const cases: [string, Node, boolean][] = [
    ['a plain node', node('n'), true],
    ['a node that is not ready', node('n', { ready: false }), true],
    ['a node being deleted', node('n', { deleting: true }), false],
    ['a node the autoscaler removes', node('n', { taint: 'ToBeDeletedByClusterAutoscaler' }), false],
    ['another taint', node('n', { taint: 'other' }), true],
    ['excluded: true', node('n', { labels: { [exclude]: 'true' } }), false],
    ['excluded: empty', node('n', { labels: { [exclude]: '' } }), false],
    ['excluded: garbage', node('n', { labels: { [exclude]: 'no' } }), false],
    ['excluded: false', node('n', { labels: { [exclude]: 'false' } }), true],
    ['excluded: F', node('n', { labels: { [exclude]: 'F' } }), true],
  ]
  for (const [what, one, expected] of cases) test(`${what}: ${expected}`, () => assert.equal(isEligible(one), expected))
})

describe('nodes by cloud', () => {
  test('the providerID says whose a node is, the label overrides it', () => {
    const nodes = [
      node('n1'),
      node('n2', { id: 'b://n2' }),
      node('n3', { labels: { 'roadstead.dev/cloud': 'b' } }),
      node('n4', { id: '' }),
    ]
    assert.deepEqual(names(nodes), ['n1'])
    assert.deepEqual(names(nodes, 'b'), ['n2', 'n3'])
  })

  test('of no cloud: without a providerID or with a foreign one, unless excluded, labelled, or not introduced yet', () => {
    const nodes = [
      node('own'),
      node('foreign', { id: 'c://x' }),
      node('bare', { id: '' }),
      node('out', { id: '', labels: { [exclude]: '' } }),
      node('nobody', { id: '', labels: { 'roadstead.dev/cloud': '' } }),
      node('new', { id: '', taint: 'node.cloudprovider.kubernetes.io/uninitialized' }),
    ]
    assert.deepEqual(nodesOfNoCloud(nodes, clouds), ['bare', 'foreign'])
  })

  test('when all are excluded the last ones that exist stay, after a restart all of the cloud', () => {
    const out = (name: string) => node(name, { labels: { [exclude]: '' } })
    const last = nodeSets([out('n1'), node('n2')], clouds, undefined)
    assert.deepEqual(names([out('n1'), out('n2'), out('n3')], 'a', last), ['n2'])
    assert.deepEqual(names([out('n1'), out('n3')], 'a', last), ['n1', 'n3'])
    assert.deepEqual(names([], 'a', last), [])
  })
})

test('changes within the window are one change, and a change that changes nothing is none', async () => {
  const clock = createVirtualClock()
  let nodes = [node('n1')]
  const told: string[][] = []
  const window = createNodeWindow({
    clock,
    windowMs: 1000,
    nodes: () => nodes,
    clouds,
    changed: (changed) => told.push(changed),
    strangersChanged: () => told.push(['none']),
  })
  window.take()
  assert.deepEqual(told.splice(0), [['a', 'b']])
  const before = window.of('a')
  nodes = [node('n1'), node('n2')]
  window.noticed()
  await clock.advance(600)
  nodes = [node('n1'), node('n2'), node('n3')]
  window.noticed()
  await clock.advance(600)
  assert.deepEqual(told.splice(0), [['a']])
  assert.equal(window.of('a').length, 3)
  assert.notEqual(window.of('a'), before)
  nodes = nodes.map((one) => ({ ...one }))
  window.noticed()
  await clock.advance(2000)
  assert.deepEqual(told, [])
  nodes = [...nodes, node('bare', { id: '' })]
  window.noticed()
  await clock.advance(2000)
  window.noticed()
  await clock.advance(2000)
  assert.deepEqual([told, window.ofNoCloud], [[['none']], ['bare']])
  assert.equal(clock.pending, 0)
})

test('a selector takes nodes by their labels, of which only those asked for are looked at', () => {
  const nodes = [
    node('a1', { labels: { pool: 'edge', other: 'x' } }),
    node('a2', { labels: { pool: 'core' } }),
    node('a3'),
  ]
  const all = nodeSets(nodes, clouds, undefined, new Set(['pool'])).get('a') ?? []
  assert.deepEqual(
    all.map(({ labels }) => labels),
    [{ pool: 'edge' }, { pool: 'core' }, undefined],
  )
  assert.deepEqual(
    [{ pool: 'edge' }, { pool: '' }, { zone: '' }].map((selector) =>
      selectNodes(all, selector).map(({ name }) => name),
    ),
    [['a1'], ['a1', 'a2'], []],
  )
})
