import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemClock } from '../../kube/clock.ts'
import { silent } from '../../kube/log.ts'
import type { ModeOptions } from '../mode.ts'
import { type Ended, ProgramMissing, type Run } from '../program.ts'
import { ipvsMode, settingsFor, timeoutArguments } from './mode.ts'

const options: ModeOptions = {
  skeleton: { local: { ip: { by: 'nothing' }, ip6: { by: 'nothing' } }, masqueradeAll: false, masqueradeBit: 14 },
  writer: 'auto',
  log: silent,
}
const config = { scheduler: 'rr', excludeCidrs: [], strictArp: false, tcpMs: 0, tcpFinMs: 0, udpMs: 0 }
const ended = (code: number, stderr = ''): Ended => ({ code, stdout: '', stderr })

/** What detection says when ipvsadm ends so. */
function found(answer: Ended | ProgramMissing): Promise<string | undefined> {
  const run: Run = (program) => {
    if (program !== 'ipvsadm') return Promise.resolve(ended(0))
    return answer instanceof ProgramMissing ? Promise.reject(answer) : Promise.resolve(answer)
  }
  return ipvsMode(run, systemClock).detect(options)
}

void describe('what mode ipvs says is missing', () => {
  for (const [what, answer, said] of [
    ['the program', new ProgramMissing('none'), /there is no program ipvsadm: install it/],
    [
      'the module',
      ended(2, "Can't initialize ipvs: Protocol not available\nAre you sure"),
      /no IPVS: modules ip_vs, ip_vs_rr/,
    ],
    ['the scheduler', ended(0, 'Scheduler or persistence engine not found'), /the scheduler rr .* \(module ip_vs_rr\)/],
    ['the right', ended(255, 'Permission denied (you must be root)'), /run as root/],
  ] as const) {
    void test(what, async () => assert.match((await found(answer)) ?? '', said))
  }
})

void describe('kernel settings of mode ipvs', () => {
  const names = (kernel: string, strictArp = false) =>
    settingsFor({ ...config, strictArp }, kernel).map(({ file, value }) => `${file.split('/').at(-1)}=${value}`)

  void test('make connection tracking and removed targets work', () => {
    assert.deepEqual(names('6.1.0-56-amd64'), [
      'conntrack=1',
      'expire_nodest_conn=1',
      'expire_quiescent_template=1',
      'conn_reuse_mode=1',
    ])
  })

  void test('give up reuse of connections where an old kernel waits a second for it', () => {
    assert.ok(names('5.4.0-1').includes('conn_reuse_mode=0'))
    assert.ok(names('5.10.0-1').includes('conn_reuse_mode=1'))
  })

  void test('keep the addresses out of ARP only when asked to', () => {
    assert.ok(!names('6.1.0').some((name) => name.startsWith('arp')))
    assert.deepEqual(names('6.1.0', true).slice(-2), ['arp_ignore=1', 'arp_announce=2'])
  })

  void test('change timeouts that are given', () => {
    assert.deepEqual(timeoutArguments(config), [])
    assert.deepEqual(timeoutArguments({ ...config, udpMs: 30_000 }), ['--set', '0', '0', '30'])
  })
})
