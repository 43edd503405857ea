/**
 * Both ways to reach connection tracking against the kernel: what they show, what they remove and what they leave, for random flows of all
 * protocols in both families; and a large table.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { Flow, FlowProtocol, FlowTable } from '../../proxy/conntrack/flow.ts'
import { netlinkTable } from '../../proxy/conntrack/netlink-table.ts'
import { programTable } from '../../proxy/conntrack/program-table.ts'
import { isStale, queriesFor } from '../../proxy/conntrack/stale.ts'
import { loadNetlink, type Netlink } from '../../proxy/netlink/socket.ts'
import { runProgram } from '../../proxy/program.ts'
import { configure, createNamespaces, deleteNamespaces } from '../../sandbox/nodes/netns.ts'
import { requires } from '../../scripts/requires.ts'
import { inside } from './enter.ts'
import { type MadeFlow, makeFlows } from './flows.ts'

const namespace = 'rs-flows'
const families = ['ip', 'ip6'] as const
const protocols = ['tcp', 'udp', 'sctp'] as const
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
const everything = families.flatMap((family) =>
  protocols.map((protocol) => ({ family, protocol, destination: undefined, unreplied: false })),
)

const frontendOf = ({ protocol, to, toPort }: MadeFlow) =>
  `${to.includes(':') ? 'ip6' : 'ip'} ${to} . ${protocol} . ${toPort}`
const targetOf = ({ to, toPort, target }: MadeFlow) => (target ? `${target.ip} . ${target.port}` : `${to} . ${toPort}`)

/** Frontends 1 to 4 of each family and protocol; each flow has a client of its own. */
const someFlow = fc.record({
  isIPv6: fc.boolean(),
  protocol: fc.constantFrom<FlowProtocol>(...protocols),
  frontend: fc.integer({ min: 1, max: 4 }),
  target: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
  replied: fc.boolean(),
  zone: fc.constantFrom(undefined, undefined, 7),
})
const toMade = (one: typeof someFlow extends fc.Arbitrary<infer T> ? T : never, index: number): MadeFlow => ({
  protocol: one.protocol,
  from: one.isIPv6 ? 'fd00:1::1' : '10.1.0.1',
  fromPort: 1024 + index,
  to: `${one.isIPv6 ? 'fd00:96::' : '10.96.0.'}${one.frontend}`,
  toPort: 53,
  replied: one.replied,
  ...(one.zone !== undefined && { zone: one.zone }),
  ...(one.target !== undefined && {
    target: { ip: `${one.isIPv6 ? 'fd00:244::' : '10.244.0.'}${one.target}`, port: 8053 },
  }),
})

describe('connection tracking', { skip: requires('root', 'linux', 'ip', 'nsenter') }, () => {
  let netlink: Netlink
  const open = () => inside(namespace, () => netlink.open())
  const make = (flows: readonly MadeFlow[]) => {
    const socket = open()
    makeFlows(socket, flows)
    socket.close()
  }
  const shown = async (table: FlowTable): Promise<Flow[]> => {
    const flows: Flow[] = []
    const collect = (flow: Flow) => {
      flows.push({ ...flow })
      return false
    }
    for (const query of everything) await table.sweep(query, collect)
    return flows
  }
  const clear = async () => {
    for (const query of everything) await netlinkTable(open).sweep(query, () => true)
  }

  before(async () => {
    netlink = await loadNetlink()
    await deleteNamespaces([namespace])
    await createNamespaces([namespace])
    await configure(namespace, {})
  })
  after(() => deleteNamespaces([namespace]))

  const tables: Record<string, { table: FlowTable; numRuns: number }> = {
    'by netlink': { table: netlinkTable(open), numRuns: 30 },
    'by the conntrack program': {
      table: programTable({ run: (program, args) => inside(namespace, () => runProgram(program, args)), turn }),
      numRuns: 6,
    },
  }
  for (const [how, { table, numRuns }] of Object.entries(tables)) {
    const skip = table.name === 'conntrack' && requires('conntrack')
    test(`${how}: shows every flow as it is`, { skip }, async () => {
      await clear()
      const made = fc.sample(someFlow, { numRuns: 40, seed: 1 }).map(toMade)
      make(made)
      const line = (flow: Omit<Flow, 'protocol'>) =>
        `${flow.frontend} -> ${flow.target} ${flow.translated ? 'translated' : ''} ${flow.replied ? 'replied' : ''}`
      const expected = made.map((flow) =>
        line({
          frontend: frontendOf(flow),
          target: targetOf(flow),
          translated: flow.target !== undefined,
          replied: flow.replied === true,
        }),
      )
      assert.deepEqual((await shown(table)).map(line).sort(), expected.sort())
    })

    test(`${how}: of random flows the stale ones go and no other`, { skip }, async () => {
      const someServed = fc.dictionary(fc.constantFrom('1', '2', '3'), fc.subarray([1, 2, 3]))
      await fc.assert(
        fc.asyncProperty(
          fc.array(someFlow, { maxLength: 30 }),
          someServed,
          fc.boolean(),
          async (given, served, oneByOne) => {
            await clear()
            const made = given.map(toMade)
            make(made)
            const targetsOf = (frontend: string) => {
              const [family, address = '', , protocol] = frontend.split(' ')
              const targets = served[address.at(-1) ?? '']
              const ip = (host: number) => `${family === 'ip' ? '10.244.0.' : 'fd00:244::'}${host} . 8053`
              return targets && new Set(protocol === 'tcp' ? [] : targets.map(ip))
            }
            // Frontend 4 is not among those that changed: whatever is there stays.
            const doubtful = made.map(frontendOf).filter((frontend) => !frontend.includes('4 . '))
            const asked = new Set(doubtful)
            const count = await table.count()
            assert.equal(count, made.length)
            // Also as if the table were large: one by one.
            for (const query of queriesFor(asked, oneByOne ? 1_000_000 : count)) {
              await table.sweep(query, (flow) => asked.has(flow.frontend) && isStale(flow, targetsOf))
            }
            const expected = made.filter((flow) => {
              const number = Number(flow.to.at(-1))
              if (number === 4) return true
              const targets = served[String(number)]
              if (flow.protocol === 'tcp') return targets === undefined || flow.target !== undefined || flow.replied
              if (targets === undefined) return flow.target === undefined
              return flow.target !== undefined && targets.includes(Number(flow.target.ip.at(-1)))
            })
            const left = (await shown(table)).map(({ frontend, target }) => `${frontend} -> ${target}`)
            assert.deepEqual(left.sort(), expected.map((flow) => `${frontendOf(flow)} -> ${targetOf(flow)}`).sort())
          },
        ),
        { numRuns },
      )
    })
  }

  test('with 50,000 flows: a look at one frontend, a look at all, the removal of a hundredth', async (t) => {
    await clear()
    const table = netlinkTable(open)
    make(
      Array.from({ length: 50_000 }, (_, index) => ({
        protocol: 'udp' as const,
        from: `10.1.${(index >> 8) & 255}.${index & 255}`,
        fromPort: 1024 + (index % 60_000),
        to: `10.96.0.${index % 100}`,
        toPort: 53,
        target: { ip: `10.244.1.${index % 100}`, port: 8053 },
      })),
    )
    const timed = async (what: string, query: Parameters<FlowTable['sweep']>[0], stale: (flow: Flow) => boolean) => {
      const started = performance.now()
      const swept = await table.sweep(query, stale)
      t.diagnostic(
        `${what}: ${swept.seen} seen, ${swept.removed} removed in ${(performance.now() - started).toFixed(1)} ms`,
      )
      return swept
    }
    const all = { family: 'ip', protocol: 'udp', destination: undefined, unreplied: false } as const
    const one = { ...all, destination: { address: '10.96.0.7', port: 53 } }
    const never = () => false
    assert.deepEqual(await timed('all', all, never), { seen: 50_000, removed: 0 })
    assert.deepEqual(await timed('one frontend', one, never), { seen: 500, removed: 0 })
    assert.deepEqual(await timed('another protocol', { ...all, protocol: 'sctp' }, never), { seen: 0, removed: 0 })
    assert.deepEqual(await timed('one frontend', one, () => true), { seen: 500, removed: 500 })
    assert.deepEqual(await timed('a fifth of all', all, ({ target }) => /^10\.244\.1\.[1-2]\d /.test(target)), {
      seen: 49_500,
      removed: 10_000,
    })
    assert.deepEqual(await timed('all', all, never), { seen: 39_500, removed: 0 })
  })

  test('a large table lets everything else go on meanwhile', async () => {
    await clear()
    make(
      Array.from({ length: 20_000 }, (_, index) => ({
        protocol: 'udp' as const,
        from: `10.1.${(index >> 8) & 255}.${index & 255}`,
        fromPort: 1024 + index,
        to: '10.96.0.1',
        toPort: 53,
        target: { ip: '10.244.1.1', port: 8053 },
      })),
    )
    let turns = 0
    const counting = setInterval(() => turns++, 1)
    const all = { family: 'ip', protocol: 'udp', destination: undefined, unreplied: false } as const
    await netlinkTable(open).sweep(all, () => true)
    clearInterval(counting)
    assert.ok(turns > 10, `${turns} turns`)
  })
})
