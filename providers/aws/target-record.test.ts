import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { converge, describeStep, pass, signal, specOf, stepsTo } from '../conformance-world.ts'
import type { SpecChanges } from '../conformance-world.ts'
import { lower } from './lower.ts'
import { recordedAtMost, recordedIds, recordTags } from './target-record.ts'
import { fakeAwsWorld, instanceId } from './world.ts'
import type { AwsWorld } from './world.ts'

const keep: SpecChanges = { parameters: { 'keep-foreign-targets': 'true' } }
const http: SpecChanges = { ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 }] }
const node = (number: number) => `${instanceId(number)}:30080`

/** Of the only target group. */
const targets = ({ aws: { account } }: AwsWorld) =>
  account.targets
    .values()
    .filter(({ deregisteredAt }) => deregisteredAt === undefined)
    .map(({ id, port }) => `${id}:${port}`)
    .sort()

/** Somebody else's, from another cluster. */
async function stranger(world: AwsWorld): Promise<string> {
  world.providerId('node-19')
  const [group] = world.aws.account.targetGroups.values()
  const target = { id: instanceId(19), port: 31_999 }
  await world.aws.cloud.registerTargets({ targetGroupArn: group?.arn ?? '', targets: [target] }, signal())
  return `${target.id}:${target.port}`
}

describe('targets of others in a target group', () => {
  test('go at the next look, unless they are to be kept', async () => {
    for (const [wish, kept] of [
      [http, false],
      [{ ...http, ...keep }, true],
    ] as const) {
      const world = fakeAwsWorld()
      await converge(world, specOf(world, wish))
      const foreign = await stranger(world)
      await world.restart()
      await converge(world, specOf(world, wish))
      assert.equal(targets(world).includes(foreign), kept)
    }
  })

  test('a node that leaves is taken out and one that comes is registered, also after a restart; the stranger stays', async () => {
    const world = fakeAwsWorld()
    await converge(world, specOf(world, { ...http, ...keep }))
    const foreign = await stranger(world)
    await world.restart()
    const wish = { ...http, ...keep, nodes: ['node-2', 'node-3'] }
    await converge(world, specOf(world, wish))
    assert.deepEqual(targets(world), [node(2), node(3), foreign].sort())
    assert.deepEqual(await pass(await world.restart(), specOf(world, wish)), [])
  })

  test('ours are remembered before they are registered, and as long as they are', async () => {
    const world = fakeAwsWorld()
    await converge(world, specOf(world, { ...http, ...keep }))
    const remembered = (tags: Readonly<Record<string, string>>) => recordedIds(tags) ?? new Set()
    world.aws.watch = () => {
      const [group] = world.aws.account.targetGroups.values()
      for (const target of targets(world)) {
        assert.ok(remembered(group?.tags ?? {}).has(target.slice(0, target.lastIndexOf(':'))), target)
      }
    }
    await converge(world, specOf(world, { ...http, ...keep, nodes: ['node-3', 'node-4'] }))
    await converge(world, specOf(world, { ...http, ...keep, nodes: [] }))
    assert.deepEqual(targets(world), [])
  })

  test('another node port moves our targets alone', async () => {
    const world = fakeAwsWorld()
    await converge(world, specOf(world, { ...http, ...keep }))
    const foreign = await stranger(world)
    await world.restart()
    await converge(world, specOf(world, { ports: [{ ...http.ports![0]!, nodePort: 30090 }], ...keep }))
    assert.deepEqual(targets(world), [`${instanceId(1)}:30090`, `${instanceId(2)}:30090`, foreign].sort())
  })

  test('their ports are not opened on our nodes, and their health is not ours', async () => {
    const world = fakeAwsWorld()
    await converge(world, specOf(world, { ...http, ...keep }))
    await stranger(world)
    const provider = await world.restart()
    await converge(world, specOf(world, { ...http, ...keep }))
    const group = world.aws.account.securityGroups.get(world.base.nodeGroupId)
    assert.equal(
      group?.rules.some(({ fromPort, toPort }) => Number(fromPort) <= 31_999 && Number(toPort) >= 31_999),
      false,
    )
    const spec = specOf(world, { ...http, ...keep })
    const health = provider.targets(await provider.observe(spec.owner, signal()), spec.nodes)
    assert.deepEqual(
      health.map((one) => one.node),
      ['node-1', 'node-2'],
    )
  })

  test('when the wish goes, the record and the strangers go', async () => {
    const world = fakeAwsWorld()
    await converge(world, specOf(world, { ...http, ...keep }))
    await stranger(world)
    await world.restart()
    await converge(world, specOf(world, http))
    const [group] = world.aws.account.targetGroups.values()
    assert.equal(recordedIds(group?.tags ?? {}), undefined)
    await converge(world, specOf(world, http))
    assert.deepEqual(targets(world), [node(1), node(2)])
  })

  test('a node more costs one call more: it is remembered, then registered', async () => {
    const world = fakeAwsWorld()
    await converge(world, specOf(world, { ...http, ...keep }))
    const steps = await stepsTo(
      world.provider,
      specOf(world, { ...http, ...keep, nodes: ['node-1', 'node-2', 'node-3'] }),
    )
    assert.deepEqual(steps.map(describeStep), ['update target-group/80', 'update target-group/80'])
  })

  test('the record of as many as it holds is read back; more nodes are refused with what to do', () => {
    const ids = Array.from({ length: recordedAtMost }, (_, number) => instanceId(number + 1))
    const tags = recordTags(ids)
    assert.deepEqual([...(recordedIds(tags) ?? [])].sort(), ids.toSorted())
    assert.ok(Object.values(tags).every((value) => value.length <= 256) && Object.keys(tags).length <= 30)
    const providerId = (name: string) => `aws:///eu-central-1a/${instanceId(Number(name.split('-')[1]))}`
    const nodes = Array.from({ length: recordedAtMost + 1 }, (_, number) => `node-${number + 1}`)
    const lowered = lower(specOf({ providerId }, { ...http, ...keep, nodes }))
    assert.ok(lowered.kind === 'unsupported')
    assert.match(lowered.reasons[0]?.message ?? '', /at most 420 nodes, and 421 are targets; set .*max-targets/)
  })
})
