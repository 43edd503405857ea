/** The generated rules against the real nft: they load over any earlier state, print, load again from their own print, and change in place. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { changeText, wholeText } from '../../providers/local/balancer/changes.ts'
import type { Frontend } from '../../providers/local/balancer/frontends.ts'
import type { Ruleset } from '../../providers/local/balancer/rules.ts'
import { rulesets } from '../../providers/local/balancer/rules.ts'
import { command } from '../../sandbox/nodes/command.ts'
import { createNamespaces, deleteNamespaces, enter } from '../../sandbox/nodes/netns.ts'
import { requires } from '../../scripts/requires.ts'

const table = 'roadstead-balancer'
const namespace = `rs-rules${process.pid}`

describe('the rules and nft', { skip: requires('root', 'linux', 'nft', 'ip', 'nsenter') }, () => {
  before(() => createNamespaces([namespace]))
  after(() => deleteNamespaces([namespace]))

  const nft = (args: string[], input = '') => command(enter(namespace, ['nft', ...args]), { input })
  const load = (text: string) => nft(['-f', '-'], text)
  const listing = () => nft(['list', 'ruleset'])
  const whole = (rules: readonly Ruleset[], anew = false) => rules.map((each) => wholeText(each, table, anew)).join('')

  test('the text passes the check', async () => {
    await nft(['--check', '-f', '-'], whole(some(3)))
  })

  test('it prints, and the print loads again to the same print', async () => {
    await load(whole(some(3)))
    const first = await listing()
    assert.ok(first.includes('203.0.113.1 . udp . 53'))
    await load(`flush ruleset\n${first}`)
    assert.equal(await listing(), first)
  })

  test('loaded over itself it is the same', async () => {
    await load(whole(some(3)))
    const first = await listing()
    await load(whole(some(3)))
    assert.equal(sorted(await listing()), sorted(first))
  })

  test('a change leads to what a fresh load of the new rules has', async () => {
    for (const [from, to] of [
      [3, 2],
      [2, 5],
      [5, 0],
      [0, 3],
    ] as const) {
      await load(`flush ruleset\n${whole(some(to))}`)
      const fresh = elementsOf(await listing())
      await load(`flush ruleset\n${whole(some(from))}`)
      await load(
        some(to)
          .map((rules, index) => changeText(some(from)[index] ?? rules, rules, table))
          .join(''),
      )
      assert.equal(elementsOf(await listing()), fresh, `${from} to ${to} targets`)
    }
  })

  test('a table of other sets is replaced', async () => {
    await load(`flush ruleset\ntable ip ${table} {\nset pools { type inet_service; }\n}\n`)
    await assert.rejects(load(whole(some(1))))
    await load(whole(some(1), true))
    assert.ok((await listing()).includes('203.0.113.0/24'))
  })

  test('a thousand frontends load', async () => {
    const [one] = frontends(3)
    assert.ok(one)
    const many = Array.from({ length: 1000 }, (_, index) => ({ ...one, port: index + 1, affinitySeconds: 0 }))
    await load(`flush ruleset\n${whole(rulesOf(many))}`)
    assert.match(await nft(['list', 'map', 'ip', table, 'choose']), /203\.0\.113\.1 \. tcp \. 1000 /)
  })
})

function some(targets: number): Ruleset[] {
  return rulesOf(frontends(targets))
}

function rulesOf(all: readonly Frontend[]): Ruleset[] {
  const retired = [{ address: '203.0.113.9', protocol: 'TCP' as const, port: 80, nodes: [1, 2], until: 0 }]
  const pools = ['203.0.113.0/24', '2001:db8:113::/64']
  const addresses = [...new Set(all.map(({ address }) => address))]
  return rulesets({ pools, addresses, frontends: all, retired, insideInterfaces: ['eth0', 'eth1.7'], zone: 7 })
}

/** Node port, passthrough and affinity, open and restricted, on both families. */
function frontends(count: number): Frontend[] {
  return (['IPv4', 'IPv6'] as const).flatMap((family) => {
    const four = family === 'IPv4'
    const address = four ? '203.0.113.1' : '2001:db8:113::1'
    const targets = Array.from({ length: count }, (_, index) => ({
      id: index + 1,
      address: four ? `172.18.0.${index + 11}` : `fd00:18::${index + 11}`,
      port: 31000,
    }))
    const open = {
      listener: 'l',
      family,
      address,
      targets,
      waiting: false,
      keep: [1, 2, 3, 4, 5, 6],
      restricted: false,
      sourceRanges: [],
    }
    const ranges = four ? ['10.0.0.0/8', '10.1.0.0/16', '0.0.0.0/0'] : ['fd00::/8', 'fd01::/16', '2001:db8::7/128']
    return [
      { ...open, protocol: 'TCP', port: 80, mode: 'node-port', affinitySeconds: 0 },
      {
        ...open,
        protocol: 'TCP',
        port: 81,
        mode: 'node-port',
        affinitySeconds: 10_800,
        restricted: true,
        sourceRanges: ranges,
      },
      { ...open, protocol: 'UDP', port: 53, mode: 'passthrough', affinitySeconds: 60 },
      { ...open, protocol: 'UDP', port: 54, mode: 'node-port', affinitySeconds: 0, restricted: true, sourceRanges: [] },
      { ...open, protocol: 'TCP', port: 82, mode: 'node-port', affinitySeconds: 0, targets: [], waiting: true },
    ] satisfies Frontend[]
  })
}

/** Elements of a hash print in any order. */
function sorted(text: string): string {
  return text
    .split(/[\n,{}]/)
    .map((part) => part.trim())
    .sort()
    .join('\n')
}

/** Without the chains, of which a changed table may have more. */
function elementsOf(text: string): string {
  return text
    .split('\n\n')
    .filter((block) => /^\s*(table .*\n\s*)?(set|map) /.test(block))
    .map(sorted)
    .join('\n')
}
