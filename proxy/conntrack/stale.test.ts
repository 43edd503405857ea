/** Which flows go: single cases, and random flows against a formulation from the other side (what a client of the flow would meet). */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { difference } from '../rules/elements.ts'
import type { ServiceEndpoint } from '../rules/endpoints.ts'
import type { Flow, FlowProtocol } from './flow.ts'
import { doubtful, doubtfulElements, isStale, queriesFor, targetsIn, targetsText } from './stale.ts'

const dns = 'ip 10.96.0.10 . udp . 53'
const flow = (more: Partial<Flow> = {}): Flow => ({
  frontend: dns,
  protocol: 'udp',
  target: '10.244.1.2 . 53',
  translated: true,
  replied: true,
  ...more,
})
const serving = (targets: readonly string[] | undefined) => () => targets && new Set(targets)

describe('a flow of UDP', () => {
  test('to an endpoint that serves stays', () => {
    assert.equal(isStale(flow(), serving(['10.244.1.1 . 53', '10.244.1.2 . 53'])), false)
  })
  test('to an endpoint that is gone goes, also when another port of the same Pod serves', () => {
    assert.equal(isStale(flow(), serving(['10.244.1.1 . 53'])), true)
    assert.equal(isStale(flow(), serving(['10.244.1.2 . 5353'])), true)
  })
  test('goes when the Service has no endpoints', () => {
    assert.equal(isStale(flow(), serving([])), true)
  })
  test('goes when the frontend is gone, unless it was never translated', () => {
    assert.equal(isStale(flow(), serving(undefined)), true)
    assert.equal(isStale(flow({ translated: false, target: '10.96.0.10 . 53' }), serving(undefined)), false)
  })
  test('of IPVS goes, unless IPVS is how the node does it, or nobody is told of the frontend', () => {
    const made = flow({ byIpvs: true })
    const served = serving(['10.244.1.2 . 53'])
    assert.equal(isStale(made, served), true)
    assert.equal(isStale(made, served, true), false)
    assert.equal(isStale(flow({ byIpvs: true, protocol: 'tcp' }), serving(undefined)), false)
  })
  test('from before the Service goes', () => {
    const early = flow({ translated: false, replied: false, target: '10.96.0.10 . 53' })
    assert.equal(isStale(early, serving(['10.244.1.2 . 53'])), true)
  })
})

describe('a flow of TCP', () => {
  const attempt = flow({ frontend: 'ip 10.96.0.1 . tcp . 443', protocol: 'tcp', target: '10.96.0.1 . 443' })
  test('goes only as an attempt without an answer and without a translation, to a frontend', () => {
    for (const translated of [true, false]) {
      for (const replied of [true, false]) {
        for (const targets of [[], undefined]) {
          const expected = !translated && !replied && targets !== undefined
          assert.equal(isStale({ ...attempt, translated, replied }, serving(targets)), expected)
        }
      }
    }
  })
})

const endpoint = (target: string, state: Partial<ServiceEndpoint>): ServiceEndpoint => ({
  ip: target.split(' ')[0] ?? '',
  target,
  ready: true,
  serving: true,
  terminating: false,
  local: false,
  zones: [],
  nodes: [],
  ...state,
})

describe('targets of a frontend', () => {
  const endpoints = [
    endpoint('10.244.1.3 . 53', { ready: false, serving: false }),
    endpoint('10.244.1.2 . 53', { ready: false, terminating: true }),
    endpoint('10.244.1.1 . 53', {}),
  ]
  test('are, for UDP, those that serve, also while they end', () => {
    assert.deepEqual([...targetsIn(targetsText('udp', endpoints) ?? '')], ['10.244.1.1 . 53', '10.244.1.2 . 53'])
  })
  test('are, for SCTP, all that there are', () => {
    assert.equal(targetsIn(targetsText('sctp', endpoints) ?? '').size, 3)
  })
  test('are none without endpoints, and do not exist for TCP', () => {
    assert.equal(targetsIn(targetsText('udp', []) ?? '').size, 0)
    assert.equal(targetsText('tcp', endpoints), undefined)
  })
})

describe('a change', () => {
  const text = (...targets: string[]) => targets.join(', ')
  test('makes a frontend doubtful that came, went or lost a target, not one that only got more', () => {
    const before = new Map([
      ['lost', text('a', 'b')],
      ['moved', text('a')],
      ['grown', text('a')],
      ['gone', text('a')],
      ['same', text('a')],
      ['emptied', text('a')],
      ['filled', ''],
    ])
    const after = new Map([
      ['lost', text('b')],
      ['moved', text('c')],
      ['grown', text('a', 'b')],
      ['came', text('a')],
      ['same', text('a')],
      ['emptied', ''],
      ['filled', text('a')],
    ])
    assert.deepEqual(doubtful(difference(before, after)).sort(), ['came', 'emptied', 'gone', 'lost', 'moved'])
  })

  test('of elements makes frontends doubtful that came, and those without TCP that went', () => {
    const doubts = doubtfulElements({
      remove: new Map([
        ['ip frontends 10.96.0.1 . tcp . 80', ''],
        ['ip6 frontends fd00:96::1 . udp . 53', ''],
        ['ip frontends 10.96.0.3 . udp . 53', ''],
        ['ip ep 10.96.0.1 . udp . 80 . 0', '10.244.0.1 . 80'],
      ]),
      add: new Map([
        ['ip frontends 10.96.0.2 . tcp . 80', ''],
        ['ip frontends 10.96.0.3 . udp . 53', ''],
        ['ip cluster-ips 10.96.0.2', ''],
      ]),
    })
    assert.deepEqual(doubts, ['ip6 fd00:96::1 . udp . 53', 'ip 10.96.0.2 . tcp . 80'])
  })

  test('leaves nothing stale behind in frontends that are not doubtful', () => {
    // What the clients of all flows meet is asked before and after, of every flow that a table could hold.
    const someTargets = fc.subarray(['a', 'b', 'c'])
    const someServed = fc.dictionary(fc.constantFrom('f', 'g', 'h'), someTargets)
    fc.assert(
      fc.property(someServed, someServed, (before, after) => {
        const asMap = (served: Record<string, string[]>) =>
          new Map(Object.entries(served).map(([frontend, targets]) => [frontend, targets.join(', ')]))
        const doubts = new Set(doubtful(difference(asMap(before), asMap(after))))
        for (const frontend of ['f', 'g', 'h']) {
          for (const target of before[frontend] ?? []) {
            const answers = after[frontend]?.includes(target) === true
            assert.ok(answers || doubts.has(frontend), `${frontend} -> ${target}`)
          }
          if (before[frontend] === undefined && after[frontend] !== undefined) assert.ok(doubts.has(frontend))
        }
      }),
    )
  })
})

describe('any flow', () => {
  // Written as the fate of the client's next packet, which follows its flow whatever the rules say.
  const mustGo = (one: Flow, targets: readonly string[] | undefined): boolean => {
    const arrivesAt = one.target
    const isFrontendNow = targets !== undefined
    if (one.protocol === 'tcp')
      return isFrontendNow && arrivesAt === one.frontend.split(' . tcp . ').join(' . ').slice(3) && !one.replied
    if (isFrontendNow) return targets.every((target) => target !== arrivesAt)
    return arrivesAt !== one.frontend.slice(3).replace(/ \. (udp|sctp)/, '')
  }
  test('goes exactly if its next packet would miss every endpoint', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<FlowProtocol>('tcp', 'udp', 'sctp'),
        fc.constantFrom('10.96.0.1', '10.244.1.1', '10.244.1.2'),
        fc.option(fc.subarray(['10.244.1.1 . 53', '10.244.1.2 . 53', '10.244.1.2 . 54']), { nil: undefined }),
        fc.boolean(),
        (protocol, ip, targets, replied) => {
          const one: Flow = {
            frontend: `ip 10.96.0.1 . ${protocol} . 53`,
            protocol,
            target: `${ip} . 53`,
            translated: ip !== '10.96.0.1',
            replied,
          }
          assert.equal(isStale(one, serving(targets)), mustGo(one, targets))
        },
      ),
    )
  })
})

describe('the questions to the kernel', () => {
  const many = (count: number, protocol = 'udp') =>
    Array.from({ length: count }, (_, index) => `ip 10.96.0.${index} . ${protocol} . 53`)
  const anywhere = { family: 'ip', protocol: 'udp', destination: undefined, unreplied: false }

  test('are for one frontend only that', () => {
    assert.deepEqual(queriesFor(['ip6 fd00:96::a . udp . 53', 'ip 10.96.0.1 . tcp . 80'], 0), [
      { family: 'ip6', protocol: 'udp', destination: { address: 'fd00:96::a', port: 53 }, unreplied: false },
      { family: 'ip', protocol: 'tcp', destination: { address: '10.96.0.1', port: 80 }, unreplied: true },
    ])
  })
  test('are for several all at once while there are few flows, one by one when there are many', () => {
    assert.deepEqual(queriesFor(many(3), 4000), [anywhere])
    assert.equal(queriesFor(many(3), 50_000).length, 3)
    assert.deepEqual(queriesFor(many(100), 1_000_000), [anywhere])
  })
  test('are always one for attempts of TCP', () => {
    assert.deepEqual(queriesFor(many(2, 'tcp'), 1_000_000), [{ ...anywhere, protocol: 'tcp', unreplied: true }])
  })
  test('are one for each family and protocol at least', () => {
    const mixed = [...many(2), ...many(2, 'tcp'), ...many(2, 'sctp'), 'ip6 fd00:96::a . udp . 53']
    assert.deepEqual(
      queriesFor(mixed, 0).map(({ family, protocol }) => `${family} ${protocol}`),
      ['ip udp', 'ip tcp', 'ip sctp', 'ip6 udp'],
    )
  })
})
