/**
 * Clients that never stop sending, through random changes, failures and restarts: ruleset, sync and flows together, in virtual time, on a
 * kernel in memory whose packets walk through the elements. What must be is told from the objects alone.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { silent } from '../../kube/log.ts'
import type { Service } from '../../kube/objects.ts'
import { createVirtualClock } from '../../kube/virtual-clock.ts'
import { memoryWriter } from '../memory-writer.ts'
import { fieldOf } from '../rules/packet-walk.ts'
import { createRuleset } from '../rules/ruleset.ts'
import { createSync } from '../sync.ts'
import { here, node, objectsInMemory, service, slice, states, there } from '../rules/testing.ts'
import type { Flow } from './flow.ts'
import { memoryTable } from './memory-table.ts'
import { createStaleFlows } from './stale-flows.ts'

const names = ['a', 'b', 'c'] as const
const vips = ['203.0.113.1', '203.0.113.2']
const nodeIp = '172.18.0.11'
/** Where the clients send to, all the time. */
const destinations = [
  ...names.map((_, index) => ({ to: `10.96.0.${index + 1}`, port: 53 })),
  ...vips.map((to) => ({ to, port: 53 })),
  ...[30_001, 30_002, 30_003, 30_004].map((port) => ({ to: nodeIp, port })),
]
const sources = ['10.244.1.77', '192.0.2.7']
/** Its first packets are always under way while the rules change. */
const lateSource = '10.244.1.78'

const someObjects = fc.record({
  name: fc.constantFrom(...names),
  exists: fc.boolean(),
  type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer'),
  protocol: fc.constantFrom('UDP' as const, 'UDP' as const, 'TCP' as const),
  vip: fc.constantFrom(...vips),
  nodePort: fc.constantFrom(30_001, 30_002, 30_003, 30_004),
  targetPort: fc.constantFrom(8053, 8053, 9053),
  created: fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'),
  local: fc.boolean(),
  hint: fc.boolean(),
  endpoints: fc.array(
    fc.record({
      host: fc.integer({ min: 1, max: 4 }),
      on: fc.constantFrom(here, there),
      state: fc.constantFrom('ready', 'ready', 'leaving', 'gone', 'starting'),
    }),
    { maxLength: 4 },
  ),
})
type SomeObjects = typeof someObjects extends fc.Arbitrary<infer T> ? T : never
const step = fc.record({
  objects: fc.array(someObjects, { minLength: 1, maxLength: 3 }),
  waitMs: fc.constantFrom(0, 60, 3000, 3000),
  restart: fc.boolean(),
  fails: fc.constantFrom(undefined, undefined, 'write', 'sweep'),
})

function cluster() {
  const { services, slices, view } = objectsInMemory()
  const put = ({
    name,
    exists,
    type,
    protocol,
    vip,
    nodePort,
    targetPort,
    created,
    local,
    hint,
    endpoints,
  }: SomeObjects) => {
    if (!exists) {
      services.delete(name)
      return
    }
    const policy = local ? 'Local' : 'Cluster'
    const ip = `10.96.0.${names.indexOf(name) + 1}`
    const made = service(
      {
        type,
        clusterIP: ip,
        clusterIPs: [ip],
        internalTrafficPolicy: policy,
        externalTrafficPolicy: policy,
        ports: [{ port: 53, protocol, nodePort }],
      },
      name,
    )
    made.metadata.creationTimestamp = created
    made.status = { loadBalancer: { ingress: [{ ip: vip }] } }
    services.set(name, made)
    const seen = new Set<number>()
    const specs = endpoints.flatMap(({ host, on, state }) => {
      if (seen.has(host)) return []
      seen.add(host)
      return { ip: `10.244.1.${host}`, on, conditions: states[state as 'ready'] }
    })
    const made6 = slice(specs, { ports: [{ name: '', protocol, port: targetPort }] }, name)
    if (hint) for (const each of made6.endpoints) each.hints = { forNodes: [{ name: each.nodeName ?? '' }] }
    slices.set(name, made6)
  }
  /** Who serves at an address and port of UDP, or undefined when that is nobody's, read from the objects. */
  const serving = (to: string, port: number): Set<string> | undefined => {
    const owners = [...services].filter(([, { spec, status }]) => {
      if (spec.ports?.[0]?.protocol !== 'UDP') return false
      if (spec.clusterIP === to) return port === 53
      if (to === nodeIp) return spec.type !== 'ClusterIP' && spec.ports[0].nodePort === port
      return port === 53 && spec.type === 'LoadBalancer' && status?.loadBalancer?.ingress?.[0]?.ip === to
    })
    const rank = ([key, { metadata }]: [string, Service]) => `${metadata.creationTimestamp} ${key}`
    const [first] = owners.sort((one, other) => (rank(one) < rank(other) ? -1 : 1))
    if (first === undefined) return undefined
    const found = slices.get(first[0])
    const up = (found?.endpoints ?? []).filter(({ conditions }) => conditions?.serving)
    return new Set(up.map(({ addresses }) => `${addresses[0]} . ${found?.ports?.[0]?.port}`))
  }
  return { view, put, serving }
}

/** The kernel: elements, flows, and clients whose every packet follows its flow or makes one. */
function machine() {
  const { writer, kernel } = memoryWriter()
  const { table, memory } = memoryTable()
  const flows = new Map<string, Flow>()
  let packets = 0
  const alive = (client: string): Flow | undefined => {
    const flow = flows.get(client)
    return flow && memory.flows.includes(flow) ? flow : undefined
  }
  const clientsAt = (source: string) =>
    destinations.map(({ to, port }) => ({ client: `${source} ${to} ${port}`, source, to, port }))
  const steady = sources.flatMap(clientsAt)
  const late = clientsAt(lateSource)
  const everyone = [...steady, ...late]
  /** What a first packet would become now; undefined: no flow. */
  const firstPacket = ({ source, to, port }: (typeof everyone)[number]): Flow | undefined => {
    const nobody = { by: 'nothing' } as const
    const field = fieldOf(kernel.elements ?? new Map(), { local: { ip: nobody, ip6: nobody }, masqueradeAll: false })
    const fate = field.walk({ source, own: false, to, protocol: 'udp', port })
    if (fate === 'reject' || fate === 'drop') return undefined
    const frontend = `ip ${to} . udp . ${port}`
    if (fate === 'pass') {
      return { frontend, protocol: 'udp', target: `${to} . ${port}`, translated: false, replied: false }
    }
    const target = fate[packets++ % fate.length]?.replace(' masq', '') ?? ''
    return { frontend, protocol: 'udp', target, translated: true, replied: true }
  }
  const confirm = (client: string, flow: Flow | undefined) => {
    if (flow === undefined || alive(client)) return
    flows.set(client, flow)
    memory.flows.push(flow)
  }
  return {
    writer,
    kernel,
    table,
    memory,
    everyone,
    alive,
    /** Every client sends a packet. */
    send: () => {
      for (const one of steady) confirm(one.client, alive(one.client) ?? firstPacket(one))
    },
    /** Packets that have met the rules of now, and will have made their flows when the result is called. */
    underWay: () => {
      const chosen = late.map((one) => ({ client: one.client, flow: firstPacket(one) }))
      return () => {
        for (const { client, flow } of chosen) confirm(client, flow)
      }
    },
  }
}

describe('clients that keep sending', () => {
  test('are where they may be after every change, failure and restart, and none was moved that need not be', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
        const clock = createVirtualClock()
        const { view, put, serving } = cluster()
        const { writer, kernel, table, memory, everyone, alive, send, underWay } = machine()

        const start = async () => {
          const ruleset = createRuleset(view, 0, node)
          const staleFlows = createStaleFlows({
            table,
            view,
            node,
            isFrontend: (frontend) => ruleset.desired.has(frontend.replace(' ', ' frontends ')),
            clock,
            log: silent,
            observe: () => {},
          })
          const sync = createSync({
            ruleset,
            writer,
            clock,
            log: silent,
            minSyncMs: 50,
            syncMs: 30_000,
            observe: {
              waiting: () => {},
              wrote: () => {},
              failed: () => {},
              forgot: () => {},
              settled: () => staleFlows.settled(),
              committed: (change) => staleFlows.committed(change),
            },
          })
          const mark = (key: string) => {
            ruleset.mark(key)
            staleFlows.mark(key)
            sync.poke()
          }
          await sync.inherit()
          for (const key of names) mark(key)
          sync.start()
          const stop = async () => {
            await sync.stop()
            await staleFlows.stop()
          }
          return { mark, stop }
        }

        let proxy = await start()
        await clock.advance(5000)
        let before = new Map<string, { flow: Flow; stayed: boolean }>()
        let failing = false
        for (const { objects, waitMs, restart, fails } of steps) {
          // A process that ends while the kernel refuses it leaves what the next one cannot know of.
          if (failing && restart) await clock.advance(3000)
          failing = fails !== undefined
          send()
          const arrive = underWay()
          if (restart) await proxy.stop()
          if (fails === 'write') kernel.failure = 'EBUSY'
          if (fails === 'sweep') memory.failure = 'ENOBUFS'
          for (const each of objects) put(each)
          if (restart) proxy = await start()
          else for (const each of objects) proxy.mark(each.name)
          // Flows that are at home in the new world as well; what is gone for one of several quick changes only may have to go.
          for (const [client, kept] of before) {
            const [, to = '', port = ''] = client.split(' ')
            if (serving(to, Number(port))?.has(kept.flow.target) !== true) kept.stayed = false
          }
          await clock.advance(fails === undefined ? 10 : 0)
          arrive()
          send()
          await clock.advance(waitMs)
          if (waitMs < 3000) continue

          // Everything is over: failures were tried again, second looks taken.
          await clock.advance(10_000)
          kernel.failure = undefined
          memory.failure = undefined
          send()
          for (const [client, { flow, stayed }] of before)
            if (stayed) assert.equal(alive(client), flow, `${client} was moved`)
          before = new Map()
          for (const { client, to, port } of everyone) {
            const flow = alive(client)
            const targets = serving(to, port)
            if (flow === undefined) continue
            if (targets === undefined) assert.equal(flow.translated, false, `${client} goes on to ${flow.target}`)
            else {
              assert.ok(targets.has(flow.target), `${client} is kept at ${flow.target}`)
              before.set(client, { flow, stayed: true })
            }
          }
        }
        await proxy.stop()
      }),
      { numRuns: 150 },
    )
  })
})
