/**
 * The whole proxy in virtual time, against an API server whose news are late, out of order and sometimes lost, and a kernel that refuses:
 * whatever was edited in whatever order, the rules are in the end those of a proxy that starts with the objects as they are.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { sleep } from '../kube/clock.ts'
import { silent } from '../kube/log.ts'
import type { EndpointSlice, Node, Protocol, Service, TrafficPolicy } from '../kube/objects.ts'
import { endpointSlices, nodes, serviceCidrs, services } from '../kube/resources.ts'
import { createVirtualClock } from '../kube/virtual-clock.ts'
import { parseConfig } from './config/config.ts'
import { type ElementSet, partsOf } from './rules/elements.ts'
import { type LaggingApi, laggingApi } from './lagging-api.ts'
import { type MemoryKernel, memoryWriter } from './memory-writer.ts'
import { type Proxy, startProxy } from './proxy.ts'
import { slice, states } from './rules/testing.ts'

const names = ['a', 'b', 'c'] as const
const kinds = { services, endpointSlices, nodes, serviceCidrs } as const
const graceMs = 60_000
/** Of a write. */
const slowestMs = 5000

const someFamilies = fc.constantFrom(['IPv4'], ['IPv6'], ['IPv4', 'IPv6'], ['IPv6', 'IPv4'])
/** Ports are renamed, renumbered, moved to another protocol. */
const somePorts = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom('http', 'web', 'dns'),
    protocol: fc.constantFrom<Protocol>('TCP', 'UDP'),
    port: fc.constantFrom(80, 81, 53),
  }),
  { minLength: 1, maxLength: 3, selector: ({ name }) => name },
)
const someSpec = fc.record({
  type: fc.constantFrom<NonNullable<Service['spec']['type']>>('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'),
  ports: somePorts,
  families: someFamilies,
  external: fc.constantFrom<TrafficPolicy>('Cluster', 'Local'),
  internal: fc.constantFrom<TrafficPolicy>('Cluster', 'Local'),
  // Addresses are shared by all Services.
  vips: fc.subarray(['203.0.113.1', '203.0.113.2', '2001:db8:113::1']),
  externalIPs: fc.subarray(['192.0.2.99']),
  proxied: fc.boolean(),
  class: fc.constantFrom(undefined, 'roadstead.dev/local', 'other.example/x'),
  announced: fc.constantFrom<TrafficPolicy | undefined>(undefined, 'Cluster', 'Local'),
  seconds: fc.constantFrom(undefined, 10, 10_800),
  ranges: fc.subarray(['10.0.0.0/8', '10.1.0.0/16', '0.0.0.0/0', '2001:db8::/32']),
  label: fc.constantFrom(undefined, undefined, undefined, 'service-proxy-name', 'headless'),
  day: fc.constantFrom(1, 2),
})
const someSlice = fc.record({
  of: fc.constantFrom(...names, undefined),
  family: fc.constantFrom('IPv4', 'IPv6'),
  ports: somePorts,
  endpoints: fc.array(
    fc.record({
      host: fc.integer({ min: 1, max: 6 }),
      on: fc.constantFrom('n1', 'n2'),
      state: fc.constantFrom<keyof typeof states>('ready', 'ready', 'leaving', 'gone', 'starting'),
      zone: fc.constantFrom(undefined, 'x', 'y'),
    }),
    { maxLength: 6 },
  ),
})
const someNode = fc.record({
  zone: fc.constantFrom(undefined, 'x', 'y'),
  addresses: fc.subarray(['172.18.0.11', '172.18.0.12', 'fd00:18::11']),
  podCIDRs: fc.subarray(['10.244.1.0/24', 'fd00:244:0:1::/64']),
})
const kind = fc.constantFrom<keyof typeof kinds>('services', 'endpointSlices', 'nodes')
const sliceName = fc.constantFrom('s1', 's2', 's3', 's4')
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ put: fc.constantFrom(...names), spec: someSpec }) },
  { weight: 6, arbitrary: fc.record({ slice: sliceName, as: someSlice }) },
  { weight: 2, arbitrary: fc.record({ move: sliceName, to: fc.constantFrom(...names, undefined) }) },
  { weight: 2, arbitrary: fc.record({ remove: fc.constantFrom(...names) }) },
  { weight: 2, arbitrary: fc.record({ again: fc.constantFrom(...names), spec: someSpec }) },
  { weight: 2, arbitrary: fc.record({ removeSlice: sliceName }) },
  { weight: 2, arbitrary: fc.record({ node: fc.option(someNode, { nil: undefined }) }) },
  { weight: 8, arbitrary: fc.record({ tell: kind, count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ cut: kind, how: fc.constantFrom('ended' as const, 'expired' as const) }) },
  { weight: 6, arbitrary: fc.record({ wait: fc.constantFrom(1, 30, 1000, 40_000) }) },
  { weight: 1, arbitrary: fc.record({ refuse: fc.constant(true) }) },
  { weight: 2, arbitrary: fc.record({ slowMs: fc.constantFrom(1, 100, slowestMs) }) },
  { weight: 1, arbitrary: fc.record({ meddle: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ restart: fc.constant(true) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
type Spec = typeof someSpec extends fc.Arbitrary<infer T> ? T : never

function toService(name: (typeof names)[number], spec: Spec): Service {
  const number = names.indexOf(name) + 1
  const clusterIps = spec.families.map((family) => (family === 'IPv4' ? `10.96.0.${number}` : `fd00:96::${number}`))
  return {
    metadata: {
      namespace: 'default',
      name,
      creationTimestamp: `2026-01-0${spec.day}T00:00:00Z`,
      ...(spec.label && { labels: { [`service.kubernetes.io/${spec.label}`]: 'x' } }),
    },
    spec: {
      type: spec.type,
      clusterIP: clusterIps[0] ?? '',
      clusterIPs: clusterIps,
      ports: spec.ports.map((port, index) => ({
        ...port,
        ...(spec.type !== 'ClusterIP' && { nodePort: 30_000 + number * 10 + index }),
      })),
      externalTrafficPolicy: spec.external,
      internalTrafficPolicy: spec.internal,
      externalIPs: spec.externalIPs,
      loadBalancerSourceRanges: spec.ranges,
      ...(spec.class && { loadBalancerClass: spec.class }),
      sessionAffinity: spec.seconds === undefined ? 'None' : 'ClientIP',
      ...(spec.seconds !== undefined && { sessionAffinityConfig: { clientIP: { timeoutSeconds: spec.seconds } } }),
    },
    status: {
      ...(spec.announced && { conditions: [announcement(spec.announced)] }),
      loadBalancer: {
        ingress: spec.vips.map((ip) => ({ ip, ipMode: spec.proxied ? ('Proxy' as const) : ('VIP' as const) })),
      },
    },
  }
}

/** The load balancers' state as the operator tells it (flip.ts): packets follow it within the grace time. */
function announcement(reason: TrafficPolicy) {
  return {
    type: 'roadstead.dev/ExternalTrafficPolicy',
    status: 'True' as const,
    reason,
    message: '',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  }
}

function toSlice(name: string, value: typeof someSlice extends fc.Arbitrary<infer T> ? T : never): EndpointSlice {
  const prefix = value.family === 'IPv4' ? '10.244.1.' : 'fd00:244::'
  const made = slice([], { addressType: value.family as 'IPv4' })
  return {
    ...made,
    metadata: { namespace: 'default', name, ...(value.of && { labels: { 'kubernetes.io/service-name': value.of } }) },
    ports: value.ports.map((port) => ({ ...port, port: port.port + 8000 })),
    endpoints: value.endpoints.map(({ host, on, state, zone }) => ({
      addresses: [`${prefix}${host}`],
      nodeName: on,
      conditions: states[state],
      ...(zone && { hints: { forZones: [{ name: zone }] } }),
    })),
  }
}

function toNode({ zone, addresses, podCIDRs }: typeof someNode extends fc.Arbitrary<infer T> ? T : never): Node {
  return {
    metadata: { name: 'n1', ...(zone && { labels: { 'topology.kubernetes.io/zone': zone } }) },
    spec: { podCIDRs },
    status: { addresses: addresses.map((address) => ({ type: 'InternalIP' as const, address })) },
  }
}

const clock = () => createVirtualClock()
const parsed = parseConfig([
  '--healthz-bind-address=',
  '--metrics-bind-address=',
  '--detect-local-mode=NodeCIDR',
  '--external-ips',
])

interface Running {
  api: LaggingApi
  time: ReturnType<typeof clock>
  kernel: MemoryKernel
  writer: ReturnType<typeof memoryWriter>['writer']
}

async function begin({ api, time, writer }: Running): Promise<Proxy> {
  assert.ok('config' in parsed)
  const proxy = await startProxy({
    config: parsed.config,
    nodeName: 'n1',
    client: api.client,
    writer,
    flowTable: undefined,
    clock: time,
    random: () => 0.5,
    log: silent,
  })
  proxy.ready.catch(() => {})
  await time.advance(100)
  return proxy
}

/** Until nothing waits any more: news, lists after failures, grace times. */
async function end({ api, time }: Running): Promise<void> {
  for (const type of Object.values(kinds)) api.tell(type)
  await time.advance(100_000)
  await time.advance(graceMs)
}

function apply(running: Running, each: Step, known: Map<string, EndpointSlice>): Promise<void> | void {
  const { api, time, kernel } = running
  if ('put' in each) api.put(services, toService(each.put, each.spec))
  else if ('slice' in each) {
    known.set(each.slice, toSlice(each.slice, each.as))
    api.put(endpointSlices, toSlice(each.slice, each.as))
  } else if ('move' in each) {
    const { move, to } = each
    const held = known.get(move)
    if (held === undefined) return
    const moved = {
      ...held,
      metadata: { namespace: 'default', name: move, ...(to && { labels: { 'kubernetes.io/service-name': to } }) },
    }
    known.set(move, moved)
    api.put(endpointSlices, moved)
  } else if ('remove' in each) api.remove(services, `default/${each.remove}`)
  else if ('again' in each) {
    api.remove(services, `default/${each.again}`)
    api.put(services, toService(each.again, each.spec))
  } else if ('removeSlice' in each) {
    known.delete(each.removeSlice)
    api.remove(endpointSlices, `default/${each.removeSlice}`)
  } else if ('node' in each) {
    if (each.node === undefined) api.remove(nodes, 'n1')
    else api.put(nodes, toNode(each.node))
  } else if ('tell' in each) api.tell(kinds[each.tell], each.count)
  else if ('cut' in each) api.cut(kinds[each.cut], each.how)
  else if ('wait' in each) return time.advance(each.wait)
  else if ('refuse' in each) kernel.failure = 'no buffer space'
  else if ('slowMs' in each) kernel.gate = sleep(time, each.slowMs)
  else if ('meddle' in each) {
    const held = [...(kernel.elements?.keys() ?? [])]
    const taken = held[each.meddle % Math.max(1, held.length)]
    if (taken !== undefined) kernel.elements?.delete(taken)
    kernel.disturb()
  }
}

/** Slots are a matter of history; everything else is not. */
function withoutSlots(elements: ElementSet | undefined): string[] {
  return [...(elements ?? [])]
    .map(([id, value]) => {
      const { family, map, key } = partsOf(id)
      return map === 'ep' || map === 'ep-local'
        ? `${family} ${map} ${key.replace(/\d+$/, '*')} ${value}`
        : `${id} ${value}`
    })
    .sort()
}

async function rulesOf(steps: readonly Step[]): Promise<{ after: string[]; fromNothing: string[] }> {
  const running: Running = { api: laggingApi(), time: clock(), ...memoryWriter() }
  const { api, time, kernel } = running
  api.put(nodes, toNode({ zone: 'x', addresses: ['172.18.0.11', 'fd00:18::11'], podCIDRs: [] }))
  api.tell(nodes)
  const known = new Map<string, EndpointSlice>()
  let proxy = await begin(running)
  for (const each of steps) {
    if ('restart' in each) {
      // Stopping waits for the batch that is being written.
      await Promise.all([proxy.stop(), time.advance(slowestMs)])
      proxy = await begin(running)
    } else await apply(running, each, known)
    await time.advance(0)
  }
  await end(running)
  await proxy.stop()
  assert.equal(time.pending, 0, 'no timer is left')

  const fresh: Running = { api, time, ...memoryWriter() }
  const second = await begin(fresh)
  await end(fresh)
  await second.stop()
  return { after: withoutSlots(kernel.elements), fromNothing: withoutSlots(fresh.kernel.elements) }
}

describe('the rules do not depend on how the objects came about', () => {
  test('random Services, slices and nodes, edited, moved, deleted and made again, told late, in any order, or not at all', async () => {
    let wrote = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const { after, fromNothing } = await rulesOf(steps)
        wrote += after.length
        assert.deepEqual(after, fromNothing)
      }),
      { numRuns: 300 },
    )
    assert.ok(wrote > 1000, `${wrote} elements in all: too few to mean anything`)
  })

  const spec: Spec = {
    type: 'LoadBalancer',
    ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
    families: ['IPv4'],
    external: 'Cluster',
    internal: 'Cluster',
    vips: ['203.0.113.1'],
    externalIPs: [],
    proxied: false,
    class: undefined,
    announced: undefined,
    seconds: undefined,
    ranges: [],
    label: undefined,
    day: 1,
  }
  const endpoints = (of: (typeof names)[number], host = 1): Step => ({
    slice: 's1',
    as: { of, family: 'IPv4', ports: spec.ports, endpoints: [{ host, on: 'n1', state: 'ready', zone: undefined }] },
  })
  const toldLate: Readonly<Record<string, readonly Step[]>> = {
    'a slice before its Service': [endpoints('a'), { tell: 'endpointSlices', count: 1 }, { put: 'a', spec }],
    'a Service deleted and made again, its slice told between': [
      { put: 'a', spec },
      endpoints('a'),
      { tell: 'services', count: 1 },
      { wait: 30 },
      { remove: 'a' },
      { put: 'a', spec: { ...spec, ports: [{ name: 'http', protocol: 'TCP', port: 81 }] } },
      { tell: 'services', count: 1 },
      { tell: 'endpointSlices', count: 1 },
      { wait: 30 },
    ],
    'a Service deleted and made again while the watch was away': [
      { put: 'a', spec },
      endpoints('a'),
      { tell: 'services', count: 1 },
      { tell: 'endpointSlices', count: 1 },
      { wait: 30 },
      { again: 'a', spec: { ...spec, families: ['IPv6', 'IPv4'] } },
      { cut: 'services', how: 'expired' },
    ],
    'a slice that changes its Service while the watch was away': [
      { put: 'a', spec },
      { put: 'b', spec: { ...spec, vips: [] } },
      endpoints('a'),
      { tell: 'services', count: 2 },
      { tell: 'endpointSlices', count: 1 },
      { wait: 30 },
      { move: 's1', to: 'b' },
      { cut: 'endpointSlices', how: 'expired' },
    ],
  }
  for (const [what, steps] of Object.entries(toldLate)) {
    test(what, async () => {
      const { after, fromNothing } = await rulesOf(steps)
      assert.deepEqual(after, fromNothing)
      assert.ok(
        after.some((line) => line.includes(' ep ') && line.endsWith('10.244.1.1 . 8080')),
        after.join('\n'),
      )
    })
  }
})
