/**
 * The behaviour every provider has, as one suite of node:test. A provider's test calls `conformance(name, {start, skip})`
 * with its fake, and again with the real API where there is one. `skip` maps the title of a test to the reason why this cloud cannot have it.
 * Read top to bottom it is the specification of the contract's verbs.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { crashMatrix, properties } from './conformance-crash.ts'
import { documents } from './conformance-documents.ts'
import { slowDeletes } from './conformance-drain.ts'
import type { LoadBalancerSpec, Owner, Resource, Step } from './contract.ts'
import { ownerKey } from './contract.ts'
import type { Check, World } from './conformance-world.ts'
import {
  asMutation,
  converge,
  describeStep,
  edits,
  isCloudError,
  owner,
  ownOf,
  pass,
  published,
  signal,
  specOf,
  stepsTo,
} from './conformance-world.ts'

export interface ConformanceOptions {
  /** A fresh, empty cloud. */
  start: () => World | Promise<World>
  /** Title of a test -> why it cannot hold here. */
  skip?: Readonly<Record<string, string>>
  /** Random specs per property; fewer over slow connections. */
  runs?: number
  /** Of a random edit, default 0. 1: a cloud whose nodes lend the firewall, which cannot be known where no node was ever seen. */
  fewestNodes?: number
}

export function conformance(name: string, { start, skip = {}, runs = 50, fewestNodes = 0 }: ConformanceOptions): void {
  const titles = new Set<string>()
  const check = (title: string, body: (world: World) => Promise<void>) => {
    titles.add(title)
    test(title, { skip: skip[title] ?? false }, async () => {
      const world = await start()
      try {
        await body(world)
      } finally {
        await world.close()
      }
    })
  }

  describe(`${name}: provider conformance`, () => {
    describe('create, observe, publish', () => creation(check))
    describe('updates in place', () => updates(check))
    describe('steps', () => steps(check))
    describe('ownership', () => ownership(check))
    describe('shared documents', () => documents(check))
    describe('pending and failing clouds', () => troubles(check))
    describe('slow deletes', () => slowDeletes(check))
    describe('crash matrix', () => crashMatrix(check))
    describe('properties', () => properties(check, runs, fewestNodes))
    test('every skip names a test of this suite and a reason', () => {
      for (const [title, reason] of Object.entries(skip)) {
        assert.ok(titles.has(title), `no test is called "${title}"`)
        assert.ok(reason.length > 10, `the skip of "${title}" has no reason`)
      }
    })
  })
}

function creation(check: Check): void {
  check('an empty cloud has nothing of anybody', async (world) => {
    const { provider } = world
    assert.deepEqual(await provider.observe(owner, signal()), [])
    assert.deepEqual(await world.inventory(), [])
    assert.equal(provider.addresses([]).kind, 'pending')
    assert.deepEqual(provider.targets([], []), [])
  })

  check('a created load balancer publishes an address', async (world) => {
    await converge(world, specOf(world))
    const addresses = await published(world.provider)
    assert.equal(addresses.kind, 'ready')
    assert.ok(addresses.kind === 'ready' && addresses.addresses.every(({ ip, hostname }) => ip ?? hostname))
  })

  check('what was created is observed as it was wanted', async (world) => {
    const spec = specOf(world)
    await converge(world, spec)
    const observed = await world.provider.observe(owner, signal())
    // A provider that refines its steps judges the mutable part by itself.
    const judges = world.provider.refine !== undefined
    const shape = (resources: readonly Resource[]) =>
      resources
        .map(({ kind, key, needs, immutable, mutable }) => ({
          kind,
          key,
          needs,
          immutable,
          ...(judges ? {} : { mutable }),
        }))
        .toSorted(byKey)
    assert.deepEqual(shape(observed), shape(ownOf(world.provider, spec)))
    assert.deepEqual(await stepsTo(world.provider, spec), [])
    assert.ok(observed.every(({ id, state }) => id !== undefined && state === 'ready'))
  })

  check('every node is a target', async (world) => {
    await converge(world, specOf(world))
    const { nodes } = specOf(world)
    const targets = world.provider.targets(await world.provider.observe(owner, signal()), nodes)
    assert.deepEqual(targets.map(({ node }) => node).sort(), ['node-1', 'node-2'])
    assert.ok(targets.every(({ healthy }) => healthy))
  })

  check('a dual-stack load balancer has an address of each family', async (world) => {
    if (!world.provider.features.dualStack) return
    await converge(world, specOf(world, { families: ['IPv6', 'IPv4'] }))
    const addresses = await published(world.provider)
    assert.ok(addresses.kind === 'ready')
    // A name stands for both.
    if (addresses.addresses.some(({ hostname }) => hostname !== undefined)) return
    assert.deepEqual(
      addresses.addresses.map(({ ip }) => ip?.includes(':')),
      [true, false],
    )
  })

  check('nodes of this cloud are told from others', async (world) => {
    const { provider } = world
    assert.equal(provider.ownsNode(world.providerId('node-1')), true)
    assert.equal(provider.ownsNode('elsewhere://zone/node-1'), false)
    assert.equal(provider.ownsNode(''), false)
  })

  check('a protocol the cloud lacks is refused before anything is made', async (world) => {
    for (const protocol of ['TCP', 'UDP', 'SCTP'] as const) {
      const lowered = world.provider.lower(specOf(world, { ports: [{ name: '', protocol, port: 9, nodePort: 30009 }] }))
      const supported = world.provider.features.protocols.includes(protocol)
      assert.equal(lowered.kind, supported ? 'lowered' : 'unsupported')
      if (lowered.kind === 'unsupported') assert.deepEqual(lowered.reasons[0]?.port, { port: 9, protocol })
    }
  })

  check('a Service without node ports works, or is refused with the port named', async (world) => {
    const spec = specOf(world, { ports: [{ name: '', protocol: 'TCP', port: 80, nodePort: 0 }] })
    const lowered = world.provider.lower(spec)
    if (lowered.kind === 'lowered') {
      await converge(world, spec)
      assert.equal((await published(world.provider)).kind, 'ready')
    } else assert.equal(lowered.reasons[0]?.port?.port, 80)
    assert.equal(lowered.kind === 'lowered', world.provider.features.withoutNodePorts)
  })

  check('deletion leaves nothing', async (world) => {
    await converge(world, specOf(world))
    await converge(world, undefined)
    assert.deepEqual(await world.inventory(), [])
    assert.deepEqual(await world.provider.observe(owner, signal()), [])
  })
}

function updates(check: Check): void {
  for (const [edit, changes] of Object.entries(edits)) {
    check(`${edit}: converges, keeps the address, is undone`, async (world) => {
      const before = specOf(world)
      const after = specOf(world, changes)
      await converge(world, before)
      const address = await published(world.provider)
      const lines = await world.inventory()
      await converge(world, after)
      assert.deepEqual(await published(world.provider), address)
      assert.deepEqual(await stepsTo(world.provider, after), [])
      await converge(world, before)
      assert.deepEqual(await world.inventory(), lines)
    })
  }

  check('a node change is as few writes as the cloud can take, and makes or deletes nothing', async (world) => {
    await converge(world, specOf(world))
    const steps = await converge(world, specOf(world, { nodes: ['node-2', 'node-3'] }))
    assert.deepEqual(
      steps.map(({ verb }) => verb),
      Array.from({ length: world.nodeChangeWrites ?? 1 }, () => 'update'),
    )
  })

  check('a replacement stands before the old one goes', async (world) => {
    await converge(world, specOf(world))
    const steps = await converge(world, specOf(world, edits['another port number']))
    const verbs = steps.map(({ verb }) => verb)
    assert.ok(verbs.includes('create') && verbs.includes('delete'))
    assert.ok(verbs.lastIndexOf('create') < verbs.indexOf('delete'), steps.map(describeStep).join(', '))
  })

  check('what somebody removed or changed is put back', async (world) => {
    const spec = specOf(world)
    await converge(world, spec)
    const lines = await world.inventory()
    const changed = ownOf(world.provider, specOf(world, edits['a port removed']))
    await converge(world, specOf(world, edits['a port removed']))
    assert.notDeepEqual(await world.inventory(), lines)
    await converge(world, spec)
    assert.deepEqual(await world.inventory(), lines)
    assert.ok(changed.length < ownOf(world.provider, spec).length)
  })
}

function steps(check: Check): void {
  const scenarios = (world: World): readonly (LoadBalancerSpec | undefined)[] => [
    specOf(world),
    specOf(world, { ...edits['another port number'], ...edits['other nodes'], ...edits['source ranges'] }),
    specOf(world, {
      ...edits['a port added'],
      ...edits['client IP affinity'],
      ...edits['the policy and its health check'],
    }),
    undefined,
  ]

  check('the calls a plan announces are the mutations the cloud sees', async (world) => {
    const planned: Step[] = []
    for (const spec of scenarios(world)) planned.push(...(await converge(world, spec)))
    assert.deepEqual(await world.mutations(), planned.map(asMutation))
  })

  check('the second pass is quiet, also after a restart', async (world) => {
    for (const spec of scenarios(world)) {
      await converge(world, spec)
      const seen = (await world.mutations()).length
      assert.deepEqual(await pass(world.provider, spec), [])
      assert.deepEqual(await pass(await world.restart(), spec), [])
      assert.equal((await world.mutations()).length, seen)
    }
  })

  check('a step may be executed twice', async (world) => {
    for (const spec of scenarios(world)) {
      await pass(world.provider, spec, owner, async (step) => {
        await world.provider.execute(step, signal())
        await world.settle()
        const lines = await world.inventory()
        await world.provider.execute(step, signal())
        await world.settle()
        assert.deepEqual(await world.inventory(), lines, describeStep(step))
      })
      assert.deepEqual(await stepsTo(world.provider, spec), [])
    }
  })

  check('the cloud refuses a create before what it needs, and a delete of what is needed', async (world) => {
    const own = ownOf(world.provider, specOf(world))
    const needy = own.find(({ needs }) => needs.length > 0)
    if (!needy) return
    await assert.rejects(world.provider.execute({ verb: 'create', resource: needy }, signal()), isCloudError)
    assert.deepEqual(await world.inventory(), [])
    await converge(world, specOf(world))
    const needed = (await world.provider.observe(owner, signal())).find(({ key }) => needy.needs.includes(key))
    assert.ok(needed)
    const removal = world.provider.execute({ verb: 'delete', resource: needed }, signal())
    await assert.rejects(removal, (error) => isCloudError(error) && error.kind === 'in-use')
  })

  check('a delete of what is gone is done', async (world) => {
    await converge(world, specOf(world))
    const [last] = (await stepsTo(world.provider, undefined)).toReversed()
    await converge(world, undefined)
    assert.ok(last)
    await world.provider.execute(last, signal())
    assert.deepEqual(await world.inventory(), [])
  })
}

function ownership(check: Check): void {
  const others = [
    { ...owner, name: 'api', uid: '7b6a9f0e-0000-4000-8000-000000000002' },
    { ...owner, uid: '7b6a9f0e-0000-4000-8000-000000000003' },
    { ...owner, cluster: 'c2' },
  ]

  check('owners lists each mark of our cluster once, and no other cluster', async (world) => {
    for (const each of [owner, ...others]) await converge(world, specOf(world, { owner: each }))
    const found = await ownersOf(world)
    const ours = [owner, ...others].filter(({ cluster }) => cluster === 'c1')
    assert.deepEqual(found.map(ownerKey).sort(), ours.map(ownerKey).sort())
  })

  check('observe shows one owner alone, and deleting it leaves the others', async (world) => {
    for (const each of others) await converge(world, specOf(world, { owner: each }))
    const lines = await world.inventory()
    await converge(world, specOf(world))
    const observed = await world.provider.observe(owner, signal())
    assert.ok(observed.every((resource) => 'uid' in resource.owner && resource.owner.uid === owner.uid))
    await converge(world, undefined)
    assert.deepEqual(await world.inventory(), lines)
  })

  check('an object of somebody else under our name is a conflict and stays as it is', async (world) => {
    const spec = specOf(world)
    const [first] = await stepsTo(world.provider, spec)
    assert.ok(first)
    await world.squat(first.resource)
    const lines = await world.inventory()
    const refused = (error: unknown) =>
      isCloudError(error) && error.kind === 'conflict' && error.reason === 'OwnedByOther'
    await assert.rejects(pass(world.provider, spec), refused)
    assert.deepEqual(await world.provider.observe(owner, signal()), [])
    await converge(world, undefined)
    assert.deepEqual(await world.inventory(), lines)
  })
}

function troubles(check: Check): void {
  check('a new load balancer is pending until the cloud has made it', async (world) => {
    world.hold()
    await pass(world.provider, specOf(world))
    const observed = await world.provider.observe(owner, signal())
    const addresses = world.provider.addresses(observed)
    assert.equal(addresses.kind, 'pending')
    assert.ok(addresses.kind === 'pending' && /^[A-Z]\w+$/.test(addresses.reason) && addresses.message.length > 0)
    assert.ok(observed.some(({ state }) => state === 'pending'))
    assert.deepEqual(await stepsTo(world.provider, specOf(world)), [])
    await world.settle()
    assert.equal((await published(world.provider)).kind, 'ready')
  })

  check('a change that is pending does not take the address away', async (world) => {
    await converge(world, specOf(world))
    const before = await published(world.provider)
    world.hold()
    const usual = { nodes: ['node-1', 'node-2', 'node-3'], ...edits['the policy and its health check'] }
    // What a replacement makes superfluous goes after a later look has shown that it may, as the operator does it.
    const edit = async (step: Step) => {
      if (step.verb !== 'delete') await world.provider.execute(step, signal())
    }
    await pass(world.provider, specOf(world, world.pendingEdit ?? usual), owner, edit)
    const observed = await world.provider.observe(owner, signal())
    assert.ok(observed.some(({ state }) => state === 'pending'))
    assert.deepEqual(world.provider.addresses(observed), before)
  })

  check('what is pending can be deleted', async (world) => {
    world.hold()
    await pass(world.provider, specOf(world))
    await pass(world.provider, undefined)
    await world.settle()
    await converge(world, undefined)
    assert.deepEqual(await world.inventory(), [])
  })

  for (const kind of ['throttled', 'unavailable'] as const) {
    check(`a cloud that answers ${kind} gives a CloudError of that kind, and the next pass succeeds`, async (world) => {
      world.fail(kind)
      await assert.rejects(pass(world.provider, specOf(world)), (error) => isCloudError(error) && error.kind === kind)
      await converge(world, specOf(world))
      assert.equal((await published(world.provider)).kind, 'ready')
    })
  }

  check('a dead connection is a CloudError of kind unavailable, for reads as well', async (world) => {
    world.interrupt(0, 'not-done')
    const unavailable = (error: unknown) => isCloudError(error) && error.kind === 'unavailable'
    await assert.rejects(world.provider.observe(owner, signal()), unavailable)
    await assert.rejects(ownersOf(world), unavailable)
  })
}

function byKey(a: { key: string }, b: { key: string }): number {
  return a.key < b.key ? -1 : 1
}

async function ownersOf({ provider }: World): Promise<Owner[]> {
  const found: Owner[] = []
  for await (const each of provider.owners('c1', signal())) found.push(each)
  return found
}
