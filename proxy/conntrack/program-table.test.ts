/** The conntrack program's output, as conntrack-tools 1.4.7 printed it, and what it is told. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { silent } from '../../kube/log.ts'
import { NetlinkUnavailable } from '../netlink/socket.ts'
import { ProgramMissing, type Run } from '../program.ts'
import { chooseTable } from './choose-table.ts'
import { type Flow, FlowFailure, type FlowQuery } from './flow.ts'
import { programTable } from './program-table.ts'

const turn = () => Promise.resolve()
const udp: FlowQuery = { family: 'ip', protocol: 'udp', destination: undefined, unreplied: false }
const listing = `udp      17 29 src=10.1.0.1 dst=10.96.0.10 sport=5000 dport=53 src=10.244.1.2 dst=10.1.0.1 sport=5353 dport=5000 [ASSURED] mark=0 use=1
udp      17 9 src=10.1.0.2 dst=10.96.0.10 sport=5000 dport=53 [UNREPLIED] src=10.96.0.10 dst=10.1.0.2 sport=53 dport=5000 mark=0 use=1
udp      17 9 src=10.1.0.3 dst=10.96.0.10 sport=5001 dport=53 [UNREPLIED] src=10.244.1.2 dst=10.1.0.3 sport=5353 dport=5001 mark=0 zone=7 use=1
icmp     1 29 src=10.1.0.1 dst=10.1.0.2 type=8 code=0 id=9 src=10.1.0.2 dst=10.1.0.1 type=0 code=0 id=9 mark=0 use=1
`
const attempts = `tcp      6 117 SYN_SENT src=fd00::1 dst=fd00:96::1 sport=5000 dport=80 [UNREPLIED] src=fd00:96::1 dst=fd00::1 sport=80 dport=5000 mark=0 use=1
`

function program(stdout: string, deleted = '2 flow entries have been deleted.') {
  const calls: string[] = []
  const run: Run = (name, args) => {
    calls.push([name, ...args].join(' '))
    const listed = args.includes('-L')
    return Promise.resolve({
      code: listed ? 0 : 1,
      stdout: listed ? stdout : '',
      stderr: `conntrack v1.4.7: ${deleted}`,
    })
  }
  return { calls, table: programTable({ run, turn }) }
}

describe('the conntrack program', () => {
  test('lists flows of Services', async () => {
    const { table } = program(listing)
    const flows: Flow[] = []
    const swept = await table.sweep(udp, (flow) => {
      flows.push(flow)
      return false
    })
    assert.deepEqual(swept, { seen: 3, removed: 0 })
    const frontend = 'ip 10.96.0.10 . udp . 53'
    assert.deepEqual(flows, [
      { frontend, protocol: 'udp', target: '10.244.1.2 . 5353', translated: true, replied: true },
      { frontend, protocol: 'udp', target: '10.96.0.10 . 53', translated: false, replied: false },
      { frontend, protocol: 'udp', target: '10.244.1.2 . 5353', translated: true, replied: false },
    ])
  })

  test('deletes all flows of a frontend and a target with one call', async () => {
    const { calls, table } = program(listing)
    const swept = await table.sweep(
      { ...udp, destination: { address: '10.96.0.10', port: 53 } },
      ({ target }) => target === '10.244.1.2 . 5353',
    )
    assert.equal(swept.removed, 2)
    assert.deepEqual(calls, [
      'conntrack -L -f ipv4 -p udp --orig-dst 10.96.0.10 --orig-port-dst 53',
      'conntrack -D -f ipv4 -p udp --orig-dst 10.96.0.10 --orig-port-dst 53 --reply-src 10.244.1.2 --reply-port-src 5353',
    ])
  })

  test('deletes attempts of TCP only while they are attempts', async () => {
    const { calls, table } = program(attempts)
    await table.sweep({ ...udp, family: 'ip6', protocol: 'tcp', unreplied: true }, () => true)
    assert.match(calls[1] ?? '', /^conntrack -D -f ipv6 -p tcp --orig-dst fd00:96::1 .* --state SYN_SENT$/)
  })

  test('a deletion that it refuses is a failure', async () => {
    const { table } = program(listing, 'Operation failed: not permitted')
    await assert.rejects(
      table.sweep(udp, () => true),
      (error) => error instanceof FlowFailure && /not permitted/.test(error.message),
    )
  })
})

describe('without netlink', () => {
  const load = () => Promise.reject(new NetlinkUnavailable('no koffi'))
  const warned = (run: Run) => {
    const warnings: string[] = []
    const log = { ...silent, warn: (_: object, text: string) => void warnings.push(text) }
    return { warnings, table: chooseTable({ run, turn, log, load }) }
  }

  test('the program is used', async () => {
    const { warnings, table } = warned(() => Promise.resolve({ code: 0, stdout: '12\n', stderr: '' }))
    assert.equal((await table)?.name, 'conntrack')
    assert.equal(warnings.length, 1)
  })

  for (const [what, run] of [
    ['missing', () => Promise.reject(new ProgramMissing('conntrack could not be started'))],
    ['refused', () => Promise.resolve({ code: 1, stdout: '', stderr: 'not permitted' })],
  ] satisfies [string, Run][]) {
    test(`and the program ${what}, it is said once and nothing is done`, async () => {
      const { warnings, table } = warned(run)
      assert.equal(await table, undefined)
      assert.deepEqual(warnings.length, 1)
      assert.match(warnings[0] ?? '', /CAP_NET_ADMIN/)
    })
  }
})
