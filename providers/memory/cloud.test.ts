import assert from 'node:assert/strict'
import { test } from 'node:test'
import { converge, owner, ownOf, pass, published, signal, specOf } from '../conformance-world.ts'
import type { DocumentKey, Fragment, Owner } from '../contract.ts'
import { CloudError } from '../contract.ts'
import { plan } from '../plan.ts'
import { createMemoryCloud } from './cloud.ts'
import { createMemoryProvider } from './provider.ts'
import { memoryWorld } from './world.ts'

const document: DocumentKey = { kind: 'document', document: 'firewall' }
const other: Owner = { ...owner, name: 'api', uid: 'uid-2' }

function fragment(of: Owner, port: string): Fragment {
  return { document: 'firewall', owner: of, content: { ports: [port] } }
}

const kind = (expected: string, reason?: string) => (error: unknown) =>
  error instanceof CloudError && error.kind === expected && error.reason === reason

test('a document holds every fragment, whatever their order, and goes with the last', async () => {
  const provider = createMemoryProvider(createMemoryCloud())
  const bring = async (fragments: readonly Fragment[]) => {
    const wanted = provider.assemble(document, fragments, []).resources
    const steps = plan(wanted, await provider.observe(document, signal()))
    for (const step of steps) await provider.execute(step, signal())
    return steps.map(({ verb }) => verb)
  }
  const [first, second] = [fragment(owner, 'TCP/80'), fragment(other, 'UDP/53')]
  assert.deepEqual(await bring([first]), ['create'])
  assert.deepEqual(await bring([second, first]), ['update'])
  assert.deepEqual(await bring([first, second]), [])
  assert.deepEqual(await bring([second]), ['update'])
  assert.deepEqual(await bring([]), ['delete'])
})

test('a document written by somebody else in between is a conflict', async () => {
  const provider = createMemoryProvider(createMemoryCloud())
  const wanted = (port: string) => {
    const [resource] = provider.assemble(document, [fragment(owner, port)], []).resources
    assert.ok(resource)
    return resource
  }
  await provider.execute({ verb: 'create', resource: wanted('TCP/80') }, signal())
  const [from] = await provider.observe(document, signal())
  assert.ok(from)
  await provider.execute({ verb: 'update', resource: wanted('TCP/81'), from }, signal())
  await assert.rejects(
    provider.execute({ verb: 'update', resource: wanted('TCP/82'), from }, signal()),
    kind('conflict'),
  )
})

test('the parameter shared-document makes a fragment', () => {
  const world = memoryWorld()
  const lowered = world.provider.lower(specOf(world, { parameters: { 'shared-document': 'firewall' } }))
  assert.ok(lowered.kind === 'lowered')
  assert.deepEqual(
    lowered.fragments.map(({ document, content }) => ({ document, content })),
    [{ document: 'firewall', content: { ports: ['TCP/443', 'TCP/80', 'UDP/53'] } }],
  )
})

test('addresses and the quota end with their reasons, and come back with a delete', async () => {
  const cloud = createMemoryCloud({ addresses: 2, loadBalancers: 1 })
  const world = { ...memoryWorld(), provider: createMemoryProvider(cloud) }
  await converge(world, specOf(world))
  const second = specOf(world, { owner: other })
  await assert.rejects(pass(world.provider, second), kind('quota'))
  await converge(world, undefined)
  await converge(world, second)
  const tiny = createMemoryProvider(createMemoryCloud({ addresses: 0 }))
  await assert.rejects(pass(tiny, specOf(world)), kind('quota', 'AddressPoolExhausted'))
})

test('reads, writes and no-ops are told apart', async () => {
  const cloud = createMemoryCloud()
  const provider = createMemoryProvider(cloud)
  const spec = specOf({ providerId: (node) => `memory://${node}` })
  await pass(provider, spec)
  assert.deepEqual(cloud.counts, { reads: 1, writes: ownOf(provider, spec).length })
  assert.equal(cloud.take().length, ownOf(provider, spec).length)
  await pass(provider, spec)
  assert.deepEqual(cloud.take(), [])
  assert.equal(cloud.counts.reads, 2)
})

test('a failure hits the calls it matches, as often as it says, before or after the deed', async () => {
  const cloud = createMemoryCloud()
  const provider = createMemoryProvider(cloud)
  const spec = specOf({ providerId: (node) => `memory://${node}` })
  const error = new CloudError('denied', 'no')
  cloud.failures.push({
    match: (call) => call.verb === 'create' && 'kind' in call && call.kind === 'listener',
    error,
    times: 2,
    afterwards: true,
  })
  await assert.rejects(pass(provider, spec), kind('denied'))
  await assert.rejects(pass(provider, spec), kind('denied'))
  await pass(provider, spec)
  assert.equal((await published(provider)).kind, 'ready')
  assert.equal(new Set(cloud.mutations().map(({ key }) => key)).size, cloud.mutations().length)
})

test('the gate sees every call before it happens', async () => {
  const cloud = createMemoryCloud()
  const provider = createMemoryProvider(cloud)
  const seen: string[] = []
  cloud.gate = async (call) => void seen.push(call.verb)
  await pass(provider, specOf({ providerId: (node) => `memory://${node}` }))
  assert.deepEqual(seen, ['observe', 'create', 'create', 'create', 'create', 'create'])
})
