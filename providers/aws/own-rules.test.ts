import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { converge, specOf } from '../conformance-world.ts'
import type { SpecChanges } from '../conformance-world.ts'
import type { LoadBalancerPort } from '../contract.ts'
import { ownRules, ruleChanges } from './own-rules.ts'
import { fakeAwsWorld } from './world.ts'

const portsOf = (count: number): LoadBalancerPort[] =>
  Array.from({ length: count }, (_, index) => ({
    name: `p${index}`,
    protocol: 'TCP',
    port: 1000 + index * 3,
    nodePort: 30_000 + index,
  }))

const group = (port: number) => ({
  port,
  names: [''],
  nodePort: port,
  protocol: 'TCP' as const,
  targetProtocol: 'TCP' as const,
  proxyProtocol: false,
})
const three = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16']

async function rulesAfter(...edits: SpecChanges[]) {
  const world = fakeAwsWorld()
  for (const edit of edits) await converge(world, specOf(world, edit))
  const own = world.aws.account.securityGroups
    .values()
    .find(({ tags }) => tags['roadstead.dev/resource'] === 'security-group')
  return { world, rules: own?.rules ?? [] }
}

describe("rules of the load balancer's own group", () => {
  test('one for each port and source while they fit', () => {
    const spec = { sourceRanges: three.slice(0, 1), families: ['IPv4' as const] }
    assert.deepEqual(ownRules(spec, {}, [group(80), group(82)]), ['tcp 80 10.0.0.0/8', 'tcp 82 10.0.0.0/8'])
  })

  test('50 ports with three source ranges fit into the 60 rules of a group: neighbouring ports are merged', async () => {
    const { rules } = await rulesAfter({ ports: portsOf(50), sourceRanges: three })
    assert.ok(rules.length <= 60, `${rules.length}`)
    for (const { port } of portsOf(50)) {
      const sources = rules
        .filter(({ fromPort = 0, toPort = 0 }) => fromPort <= port && port <= toPort)
        .map(({ source }) => source.value)
      assert.deepEqual(sources.sort(), three)
    }
  })

  test('from anybody to three ranges and back with 50 ports: never more than 60 rules, and no port is shut on the way', async () => {
    const { world, rules } = await rulesAfter({ ports: portsOf(50) }, { ports: portsOf(50), sourceRanges: three })
    assert.deepEqual([...new Set(rules.map(({ source }) => source.value))].sort(), three)
    await converge(world, specOf(world, { ports: portsOf(50) }))
    const [own] = world.aws.account.securityGroups
      .values()
      .filter(({ tags }) => tags['roadstead.dev/resource'] === 'security-group')
    assert.equal(own?.rules.length, 50)
    assert.deepEqual(
      world.aws.calls.filter(({ outcome }) => outcome !== 'ok'),
      [],
    )
  })

  test('a prefix list, which counts with all its entries, is named once for all ports', () => {
    const rules = ownRules({ sourceRanges: [], families: ['IPv4'] }, { prefixLists: ['pl-1'] }, [group(80), group(443)])
    assert.deepEqual(rules, ['tcp 80-443 pl-1'])
  })

  test('whatever changes into whatever: it arrives, and what stood before and after stands all the time', () => {
    const line = fc
      .tuple(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 0, max: 8 }), fc.constantFrom(...three))
      .map(([from, size, source]) => `tcp ${size === 0 ? from : `${from}-${from + size}`} ${source}`)
    const sets = fc.uniqueArray(line, { maxLength: 55 })
    fc.assert(
      fc.property(sets, sets, (before, after) => {
        const steps = ruleChanges(before.toSorted(), after.toSorted(), [])
        assert.deepEqual((steps.at(-1) ?? before).toSorted(), after.toSorted())
        const both = before.filter((rule) => after.includes(rule))
        for (const rules of steps) {
          assert.ok(rules.length <= 60)
          assert.ok(both.every((rule) => rules.includes(rule)))
        }
      }),
    )
  })

  test('too many source ranges for any set of rules: the group is named, and what to do', async () => {
    const sourceRanges = Array.from({ length: 70 }, (_, index) => `10.${index}.0.0/16`)
    await assert.rejects(rulesAfter({ sourceRanges }), /security group sg-\w+.*70 sources.*prefix list/)
  })
})
