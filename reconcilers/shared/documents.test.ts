import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CloudError, ownerKey } from '../../providers/contract.ts'
import type { DocumentKey, Fragment, Owner, Resource, Step } from '../../providers/contract.ts'
import { createDocuments } from './documents.ts'

const signal = new AbortController().signal
const owner = (name: string): Owner => ({ cluster: 'c', namespace: 'n', name, uid: `uid-${name}` })
const fragment = (name: string, port = 80): Fragment => ({ document: 'rules', owner: owner(name), content: { port } })

/** One document whose content is owner key -> content. */
function setup(standing: readonly Fragment[] = [], { forgetful = false } = {}) {
  let content: Record<string, Fragment['content']> = Object.fromEntries(
    standing.map((one) => [ownerKey(one.owner), one.content]),
  )
  let writes = 0
  const refusals: CloudError[] = []
  const resource = (mutable: Resource['mutable']): Resource => ({
    kind: 'document',
    key: 'rules',
    owner: { kind: 'document', document: 'rules' },
    needs: [],
    immutable: {},
    mutable,
    state: 'ready',
  })
  const provider = {
    assemble: (_: DocumentKey, fragments: readonly Fragment[]) =>
      fragments.length === 0
        ? { resources: [] }
        : { resources: [resource(Object.fromEntries(fragments.map((one) => [ownerKey(one.owner), one.content])))] },
    fragments: (_: DocumentKey, observed: readonly Resource[]): Fragment[] =>
      observed.flatMap(({ mutable }) =>
        Object.entries(mutable).map(([key, value]) => {
          const [cluster = '', namespace = '', name = '', uid = ''] = key.split('/')
          return { document: 'rules', owner: { cluster, namespace, name, uid }, content: value as Fragment['content'] }
        }),
      ),
    documents: async (): Promise<DocumentKey[]> => [{ kind: 'document', document: 'rules' }],
    observe: async () => (Object.keys(content).length === 0 ? [] : [resource(content)]),
    async execute(step: Step) {
      const refusal = refusals.shift()
      if (refusal) throw refusal
      writes++
      if (forgetful) return
      content = step.verb === 'delete' ? {} : (step.resource.mutable as typeof content)
    },
  }
  const queued: string[] = []
  const moved: string[] = []
  const documents = createDocuments({
    provider,
    cluster: 'c',
    enqueue: (document) => queued.push(document),
    moved: (owners) => moved.push(...owners.map(({ name }) => name)),
    driftMs: () => 1000,
  })
  return {
    documents,
    queued,
    moved,
    refusals,
    names: () => Object.keys(content).map((key) => key.split('/')[2]),
    writes: () => writes,
  }
}

describe('shared documents', () => {
  test('after a restart nobody loses their rules: what stands is carried over until its owner contributes or leaves', async () => {
    const { documents, names } = setup([fragment('silent'), fragment('mine')])
    documents.contribute(owner('mine'), [fragment('mine', 443)])
    await documents.reconcile('rules', signal)
    assert.deepEqual(
      names().toSorted((a = '', b = '') => (a < b ? -1 : 1)),
      ['mine', 'silent'],
    )
    assert.equal(documents.settled(owner('mine')), true)
  })

  test('an owner that leaves is out of every document the cloud knows of, and only then has left', async () => {
    const { documents, names, moved } = setup([fragment('old'), fragment('other')])
    await documents.withdraw(owner('old'), signal)
    assert.equal(documents.left(owner('old')), false)
    await documents.reconcile('rules', signal)
    assert.deepEqual(names(), ['other'])
    assert.equal(documents.left(owner('old')), true)
    assert.deepEqual(moved, ['old'])
  })

  test('the same contribution again writes nothing', async () => {
    const { documents, queued, writes } = setup([fragment('mine')])
    documents.contribute(owner('mine'), [fragment('mine')])
    await documents.reconcile('rules', signal)
    queued.length = 0
    documents.contribute(owner('mine'), [fragment('mine')])
    assert.deepEqual([writes(), queued], [0, []])
  })

  test('a second writer in between: read again, merged, written', async () => {
    const { documents, refusals, names } = setup([fragment('other')])
    refusals.push(new CloudError('conflict', 'changed since it was read'))
    documents.contribute(owner('mine'), [fragment('mine')])
    await documents.reconcile('rules', signal)
    assert.deepEqual(
      names().toSorted((a = '', b = '') => (a < b ? -1 : 1)),
      ['mine', 'other'],
    )
  })

  test("somebody else's object in the way is asked for once, not again and again", async () => {
    const { documents, refusals } = setup()
    const inTheWay = () => new CloudError('conflict', 'not ours', { reason: 'OwnedByOther' })
    refusals.push(inTheWay(), inTheWay())
    documents.contribute(owner('mine'), [fragment('mine')])
    await documents.reconcile('rules', signal)
    assert.equal(documents.failure(owner('mine'))?.reason, 'OwnedByOther')
    assert.equal(refusals.length, 1, 'calls that were not made')
  })

  test('a document that cannot be written is told to those it concerns, and heals', async () => {
    const { documents, refusals, moved } = setup()
    refusals.push(new CloudError('quota', 'too many rules'))
    documents.contribute(owner('mine'), [fragment('mine')])
    const result = await documents.reconcile('rules', signal)
    assert.ok(result !== undefined && 'retryMs' in result && (result.pace?.initialMs ?? 0) >= 10_000)
    assert.equal(documents.failure(owner('mine'))?.reason, 'QuotaExceeded')
    await documents.reconcile('rules', signal)
    assert.equal(documents.failure(owner('mine')), undefined)
    assert.deepEqual([documents.settled(owner('mine')), moved], [true, ['mine', 'mine', 'mine']])
  })

  test('when an owner has changed its own objects, its documents are looked at again', () => {
    const { documents, queued } = setup()
    documents.contribute(owner('mine'), [fragment('mine')])
    queued.length = 0
    documents.again(owner('other'))
    documents.again(owner('mine'))
    assert.deepEqual(queued, ['rules'])
  })
})

test('a cloud that does not keep what is written is asked again later, not for ever at once', async () => {
  const { documents } = setup([], { forgetful: true })
  documents.contribute(owner('web'), [fragment('web')])
  const result = await documents.reconcile('rules', signal)
  assert.ok(result !== undefined && 'retryMs' in result)
  assert.match(documents.failure(owner('web'))?.message ?? '', /does not keep/)
})
