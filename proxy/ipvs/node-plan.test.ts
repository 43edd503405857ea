import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { applied, type Change, difference, type ElementSet } from '../rules/elements.ts'
import { nodePlan, type PlanOptions, replannedFor } from './node-plan.ts'
import { noExtras, serverMarks } from './table.ts'

const options: PlanOptions = { scheduler: 'rr', own: () => new Set(['ip 172.18.0.11']) }
const clusterIp = '10.96.0.1 . tcp . 80'
const nodePort = '172.18.0.11 . tcp . 30080'
const vip = '203.0.113.1 . tcp . 80'

function set(...entries: readonly (string | readonly [string, string])[]): Map<string, string> {
  return new Map(entries.map((entry) => (typeof entry === 'string' ? [entry, ''] : [entry[0], entry[1]])))
}

const two = (frontend: string) =>
  [
    `ip frontends ${frontend}`,
    [`ip svc ${frontend}`, 'goto n2'],
    [`ip ep ${frontend} . 0`, '10.244.1.5 . 8080'],
    [`ip ep ${frontend} . 1`, '10.244.2.5 . 8080'],
  ] as const
const oneHere = (frontend: string) =>
  [
    [`ip svc-local ${frontend}`, 'goto l1'],
    [`ip ep-local ${frontend} . 0`, '10.244.1.5 . 8080'],
  ] as const

const cluster = set('ip cluster-ips 10.96.0.1', ...two(clusterIp), ...two(nodePort))
const local = set(...two(vip), ...oneHere(vip))
const planFor = (elements: ElementSet) => nodePlan(options, { elements: new Map(elements), extras: noExtras })
const names = (targets: ReadonlySet<string> | undefined) => [...(targets ?? [])]

void describe('the plan of a node', () => {
  void test('has a virtual server a frontend, and binds the addresses that the node does not have', () => {
    const { servers, extras } = planFor(cluster)
    assert.deepEqual([...servers.keys()], ['--tcp-service 10.96.0.1:80', '--tcp-service 172.18.0.11:30080'])
    assert.deepEqual(names(servers.get('--tcp-service 10.96.0.1:80')?.targets), ['10.244.1.5:8080', '10.244.2.5:8080'])
    assert.deepEqual([...extras.bound], ['ip 10.96.0.1'])
  })

  void test('sends Pods and the node by a mark to all endpoints of a frontend that serves outsiders from here', () => {
    const { servers, extras } = planFor(local)
    const mark = serverMarks.base + 1
    assert.deepEqual([...extras.marks], [[`ip ${vip}`, mark]])
    assert.deepEqual(names(servers.get('--tcp-service 203.0.113.1:80')?.targets), ['10.244.1.5:8080'])
    assert.equal(servers.get(`--fwmark-service ${mark}`)?.targets.size, 2)
  })

  void test('needs no mark where outsiders are dropped, or where all endpoints are here', () => {
    const dropped = set(...two(vip), [`ip svc-local ${vip}`, 'drop'])
    assert.equal(planFor(dropped).servers.get('--tcp-service 203.0.113.1:80')?.targets.size, 2)
    assert.equal(planFor(dropped).extras.marks.size, 0)
    const allHere = set(
      ...two(vip),
      [`ip svc-local ${vip}`, 'goto l2'],
      ...[0, 1].map((slot) => [`ip ep-local ${vip} . ${slot}`, `10.244.${slot + 1}.5 . 8080`] as const),
    )
    assert.equal(planFor(allHere).extras.marks.size, 0)
  })

  void test('keeps a virtual server by mark, and the connections through it, when all are sent to the same endpoints', () => {
    const plan = planFor(local)
    const server = `--fwmark-service ${serverMarks.base + 1}`
    const targets = plan.servers.get(server)?.targets
    plan.follow(difference(local, set(...two(vip))))
    assert.deepEqual([plan.extras.marks.size, plan.servers.get(server)?.targets], [1, targets])
    assert.deepEqual(plan.servers.get('--tcp-service 203.0.113.1:80')?.targets, targets)
    plan.follow(difference(set(...two(vip)), new Map()))
    assert.deepEqual([plan.extras.marks.size, plan.servers.size], [0, 0])
  })

  void test('remembers clients by address, and behind a mark by the source hash', () => {
    const sticky = set(
      ...two(vip),
      ...oneHere(vip),
      [`ip session ${vip}`, '0001:0002'],
      ['ip learn 0001:0002', 'goto t600'],
    )
    const plan = planFor(sticky)
    assert.equal(plan.servers.get('--tcp-service 203.0.113.1:80')?.persistence, 600)
    const byMark = plan.servers.get(`--fwmark-service ${serverMarks.base + 1}`)
    assert.deepEqual([byMark?.scheduler, byMark?.persistence], ['sh', 0])
    const longer = plan.follow({
      remove: set(['ip learn 0001:0002', 'goto t600']),
      add: set(['ip learn 0001:0002', 'goto t700']),
    })
    assert.equal(longer.servers.get('--tcp-service 203.0.113.1:80')?.persistence, 700)
  })

  void test('keeps the virtual server of a Service without endpoints, without targets', () => {
    const none = set(`ip frontends ${vip}`, [`ip no-ep ${vip}`, ''])
    assert.equal(planFor(none).servers.get('--tcp-service 203.0.113.1:80')?.targets.size, 0)
  })

  void test('follows a change with the frontends it touches and no others', () => {
    const plan = planFor(new Map([...cluster, ...local]))
    const gone: Change = {
      remove: set([`ip svc ${clusterIp}`, 'goto n2'], [`ip ep ${clusterIp} . 1`, '10.244.2.5 . 8080']),
      add: set([`ip svc ${clusterIp}`, 'goto n1']),
    }
    const steps = plan.follow(gone)
    assert.deepEqual([...steps.servers.keys()], ['--tcp-service 10.96.0.1:80'])
    assert.deepEqual(names(steps.servers.get('--tcp-service 10.96.0.1:80')?.targets), ['10.244.1.5:8080'])
  })

  void test('keeps an address bound as long as one frontend has it', () => {
    const other = '203.0.113.1 . tcp . 443'
    const plan = planFor(new Map([...local, ...set(...two(other))]))
    const first = plan.follow({ remove: set(...two(other)), add: new Map() })
    assert.equal(first.extras.remove.bound.size, 0)
    const last = plan.follow({ remove: local, add: new Map() })
    assert.deepEqual([...last.extras.remove.bound], ['ip 203.0.113.1'])
    assert.deepEqual([...last.extras.remove.marks.keys()], [`ip ${vip}`])
    assert.deepEqual([...last.servers.values()], [undefined, undefined])
    assert.deepEqual([plan.servers.size, plan.extras.bound.size, plan.elements.size], [0, 0, 0])
  })

  void test('is the same by steps as from nothing, and keeps its marks', () => {
    const sets = [cluster, local, new Map([...cluster, ...local]), set(...two(vip)), new Map<string, string>(), local]
    const plan = planFor(new Map())
    let before: ElementSet = new Map()
    for (const next of sets) {
      const change = difference(before, next)
      plan.follow(change)
      before = applied(change, before)
      const anew = replannedFor(next, plan, options)
      assert.deepEqual(plan.servers, anew.servers)
      assert.deepEqual(plan.extras.bound, anew.extras.bound)
      assert.deepEqual(plan.extras.marks, anew.extras.marks)
    }
  })
})
