/** Pacing, failures and recovery of the writes, in virtual time against a kernel in memory. */
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { silent } from '../kube/log.ts'
import type { Service } from '../kube/objects.ts'
import { createVirtualClock } from '../kube/virtual-clock.ts'
import { memoryWriter } from './memory-writer.ts'
import type { NodeFacts } from './rules/rules.ts'
import { createRuleset } from './rules/ruleset.ts'
import { createSync } from './sync.ts'
import { node, objectsInMemory, service, slice } from './rules/testing.ts'

const usualEndpoint = '10.244.2.1'

/** The ClusterIP of a Service is its name's first letter: `a` has 10.96.0.97. */
function clusterIp(name: string): string {
  return `10.96.0.${name.charCodeAt(0)}`
}

/** Nothing is written yet. What was arranged ends with the test. */
function arrange(t: TestContext) {
  const clock = createVirtualClock()
  const { writer, kernel } = memoryWriter()
  const { services, slices, view } = objectsInMemory()
  const ruleset = createRuleset(view, 60_000, node)
  const seen = { waiting: [] as (number | undefined)[], failed: 0 }
  const sync = createSync({
    ruleset,
    writer,
    clock,
    log: silent,
    minSyncMs: 50,
    syncMs: 30_000,
    observe: {
      waiting: (since) => void seen.waiting.push(since),
      wrote: () => {},
      failed: () => void seen.failed++,
      forgot: () => {},
      settled: () => {},
      committed: () => {},
    },
  })
  let release = () => {}
  t.after(() => {
    release()
    return sync.stop()
  })
  const put = (name: string, spec: Partial<Service['spec']> = {}, ips: readonly string[] = [usualEndpoint]) => {
    const ip = clusterIp(name)
    services.set(name, service({ clusterIP: ip, clusterIPs: [ip], ...spec }, name))
    const endpoints = ips.map((address) => ({ ip: address }))
    slices.set(name, slice(endpoints, {}, name))
    ruleset.mark(name)
    sync.poke()
  }
  /** The next batch is being written until `release`. */
  const hold = () => {
    const gate = Promise.withResolvers<void>()
    kernel.gate = gate.promise
    release = () => gate.resolve()
    return { release }
  }
  /** What is known of the node changes. */
  const setNode = (facts: NodeFacts) => {
    ruleset.setNode(facts)
    ruleset.markAll()
    sync.poke()
  }
  const firstEndpoint = (name: string) => `ip ep ${clusterIp(name)} . tcp . 80 . 0`
  return {
    clock,
    kernel,
    sync,
    seen,
    put,
    setNode,
    hold,
    /** Somebody else takes away the Service's first endpoint. */
    steal: (name: string) => kernel.elements?.delete(firstEndpoint(name)),
    /** Where the first endpoint of the Service is, as the kernel has it. */
    endpoint: (name: string) => kernel.elements?.get(firstEndpoint(name))?.split(' ')[0],
    verdict: (name: string) => kernel.elements?.get(`ip svc ${clusterIp(name)} . tcp . 80`),
  }
}

/** Ten seconds after these Services were written. */
async function running(t: TestContext, ...names: readonly string[]) {
  const arranged = arrange(t)
  for (const name of names) arranged.put(name)
  arranged.sync.start()
  await arranged.clock.advance(10_000)
  return arranged
}

const svcLocal = 'ip svc-local 172.18.0.11 . tcp . 30080'

/** The policy of Service a has just changed to Local, which waits for its load balancer. */
async function flipping(t: TestContext) {
  const arranged = await running(t)
  const ours: Partial<Service['spec']> = {
    type: 'LoadBalancer',
    loadBalancerClass: 'roadstead.dev/local',
    ports: [{ port: 80, nodePort: 30_080 }],
  }
  arranged.put('a', { ...ours, externalTrafficPolicy: 'Cluster' })
  await arranged.clock.advance(1000)
  arranged.put('a', { ...ours, externalTrafficPolicy: 'Local', healthCheckNodePort: 32_000 })
  return arranged
}

describe('writing the rules', () => {
  test('nothing is written before the start, everything in one batch after it', async (t) => {
    const { clock, kernel, sync, put, verdict } = arrange(t)
    put('a')
    put('b')
    await clock.advance(1000)
    assert.deepEqual(kernel.calls, [])
    sync.start()
    await clock.advance(0)
    assert.deepEqual(kernel.calls, ['replace'])
    assert.deepEqual([verdict('a'), verdict('b')], ['goto n1', 'goto n1'])
  })

  test('what becomes known of the node while a batch is being written goes into the next one', async (t) => {
    const { clock, kernel, put, setNode, hold } = await running(t, 'a')
    const { release } = hold()
    put('b')
    await clock.advance(0)
    const pods = { family: 'ip', text: '10.244.0.0/16', network: '10.244.0.0', prefix: 16 } as const
    setNode({ ...node, pods: [pods] })
    release()
    await clock.advance(1000)
    assert.equal(kernel.elements?.has('ip pods 10.244.0.0/16'), true)
  })

  test('a change after a pause is written at once; a burst makes few batches', async (t) => {
    const { clock, kernel, put, endpoint } = await running(t)
    put('a')
    await clock.advance(0)
    assert.deepEqual(kernel.calls, ['replace', 'apply'])
    for (let index = 0; index < 20; index++) {
      put('a', {}, [`10.244.2.${index + 2}`])
      await clock.advance(5)
    }
    await clock.advance(100)
    assert.ok(kernel.calls.length <= 5, kernel.calls.join())
    assert.equal(endpoint('a'), '10.244.2.21')
  })

  test('a restart with the right rules in place writes nothing, with others only the difference', async (t) => {
    const first = await running(t, 'a')
    await first.sync.stop()
    const second = arrange(t)
    second.kernel.elements = new Map(first.kernel.elements)
    assert.notEqual(await second.sync.inherit(), undefined)
    second.put('a')
    second.sync.start()
    await second.clock.advance(0)
    assert.deepEqual(second.kernel.elements, first.kernel.elements)
    second.put('a', {}, [usualEndpoint, '10.244.2.2'])
    await second.clock.advance(50)
    assert.equal(second.verdict('a'), 'goto n2')
    assert.equal(second.kernel.calls.includes('replace'), false)
  })

  test('what was read before somebody changed it is not built upon at the start', async (t) => {
    const { clock, kernel, sync, put, verdict } = arrange(t)
    kernel.elements = new Map([[`ip cluster-ips ${clusterIp('a')}`, '']])
    await sync.inherit()
    put('a')
    kernel.elements = new Map()
    kernel.disturb()
    sync.start()
    await clock.advance(0)
    assert.ok(kernel.elements.has(`ip cluster-ips ${clusterIp('a')}`))
    assert.equal(verdict('a'), 'goto n1')
    assert.deepEqual(kernel.calls, ['apply'])
  })

  test('after a refusal the kernel is read and brought right; waiting is told until it is', async (t) => {
    const { clock, kernel, seen, put, verdict } = await running(t)
    kernel.failure = 'no buffer space'
    put('a')
    await clock.advance(0)
    assert.equal(seen.failed, 1)
    assert.notEqual(seen.waiting.at(-1), undefined)
    await clock.advance(600)
    assert.equal(seen.waiting.at(-1), undefined)
    assert.equal(verdict('a'), 'goto n1')
  })

  test('changes that come while a batch is being written go into the next one', async (t) => {
    const { clock, kernel, put, hold, verdict } = await running(t)
    const { release } = hold()
    put('a')
    await clock.advance(10)
    put('b')
    put('c')
    await clock.advance(500)
    assert.deepEqual(kernel.calls, ['replace', 'apply'])
    release()
    await clock.advance(600)
    assert.deepEqual(kernel.calls, ['replace', 'apply', 'apply'])
    assert.equal(verdict('c'), 'goto n1')
  })

  test('batches that take long get as much time between them', async (t) => {
    const { clock, kernel, put } = await running(t)
    kernel.gate = new Promise((resolve) => void clock.after(400, resolve))
    put('a')
    await clock.advance(100)
    put('b')
    await clock.advance(650)
    assert.deepEqual(kernel.calls, ['replace', 'apply'])
    await clock.advance(60)
    assert.deepEqual(kernel.calls, ['replace', 'apply', 'apply'])
  })

  test('a clock that is moved by an hour holds nothing up', async (t) => {
    for (const hour of [3_600_000, -3_600_000]) {
      const { clock, kernel, put, verdict } = await running(t, 'a')
      clock.jump(hour)
      put('b')
      await clock.advance(50)
      assert.equal(verdict('b'), 'goto n1', `${hour}`)
      kernel.elements = undefined
      kernel.disturb()
      await clock.advance(500)
      assert.equal(verdict('b'), 'goto n1', `${hour}`)
    }
  })

  test('a client remembered at an endpoint that left is forgotten, others stay', async (t) => {
    const { clock, kernel, put } = await running(t)
    put('a', { sessionAffinity: 'ClientIP' }, [usualEndpoint, '10.244.2.2'])
    await clock.advance(1000)
    const session = kernel.elements?.get(`ip session ${clusterIp('a')} . tcp . 80`)
    assert.match(session ?? '', /^[1-9a-f][\da-f]{0,3}:[1-9a-f][\da-f]{0,3}$/)
    const client = (from: string, target: string) => ({
      family: 'ip' as const,
      key: `${from} . ${session}`,
      target: `${target} . 8080`,
      lifetime: '',
    })
    kernel.clients = [client('10.244.1.1', usualEndpoint), client('10.244.1.2', '10.244.2.2')]
    put('a', { sessionAffinity: 'ClientIP' }, ['10.244.2.2'])
    await clock.advance(100)
    assert.deepEqual(
      kernel.clients.map((entry) => entry.target),
      ['10.244.2.2 . 8080'],
    )
  })

  test('a flip that waits ends by itself when its grace time is over', async (t) => {
    const { clock, kernel } = await flipping(t)
    await clock.advance(1000)
    assert.equal(kernel.elements?.has(svcLocal), false)
    assert.equal(kernel.elements?.get('ip health-ports 32000'), clusterIp('a'))
    await clock.advance(60_000)
    assert.equal(kernel.elements?.get(svcLocal), 'drop')
  })

  test('a flip whose time comes while a batch is being written is not forgotten', async (t) => {
    const { clock, kernel, put, hold } = await flipping(t)
    await clock.advance(59_990)
    const { release } = hold()
    put('b')
    await clock.advance(20)
    release()
    await clock.advance(100)
    assert.equal(kernel.elements?.get(svcLocal), 'drop')
  })

  test('a stop leaves no timer behind and the rules in place', async (t) => {
    const { clock, kernel, sync, verdict } = await running(t, 'a')
    kernel.disturb()
    await clock.advance(0)
    await sync.stop()
    assert.equal(clock.pending, 0)
    assert.equal(kernel.watchers, 0)
    assert.equal(verdict('a'), 'goto n1')
  })
})

describe('rules that somebody else changes', () => {
  test('an element is put back when a batch notices', async (t) => {
    const { clock, put, steal, endpoint } = await running(t, 'a')
    steal('a')
    put('a', {}, ['10.244.2.9'])
    await clock.advance(1000)
    assert.equal(endpoint('a'), '10.244.2.9')
  })

  test('tables come back at the next look', async (t) => {
    const { clock, kernel, endpoint } = await running(t, 'a')
    kernel.elements = undefined
    await clock.advance(30_000)
    assert.equal(endpoint('a'), usualEndpoint)
  })

  test('an element is back at once when the kernel tells, without any change of ours', async (t) => {
    const { clock, kernel, steal, endpoint } = await running(t, 'a')
    steal('a')
    kernel.disturb()
    await clock.advance(0)
    assert.equal(endpoint('a'), usualEndpoint)
  })

  test('tables are back at once when the kernel tells', async (t) => {
    const { clock, kernel, endpoint } = await running(t, 'a')
    kernel.elements = undefined
    kernel.disturb()
    await clock.advance(0)
    assert.equal(endpoint('a'), usualEndpoint)
  })

  test('all the time: we read twice a second, and undo it within half a second', async (t) => {
    const { clock, kernel, steal, endpoint } = await running(t, 'a')
    kernel.reads = 0
    for (let index = 0; index < 200; index++) {
      steal('a')
      kernel.disturb()
      await clock.advance(10)
    }
    assert.ok(kernel.reads >= 4 && kernel.reads <= 6, String(kernel.reads))
    await clock.advance(500)
    assert.equal(endpoint('a'), usualEndpoint)
  })

  test('are looked at in time whatever changes of ours there are', async (t) => {
    const { clock, kernel, put, steal, endpoint } = await running(t, 'a')
    kernel.disturb()
    await clock.advance(0)
    steal('a')
    kernel.disturb()
    for (let index = 0; index < 12; index++) {
      put('b', {}, [`10.244.2.${index + 2}`])
      await clock.advance(50)
    }
    assert.equal(endpoint('a'), usualEndpoint)
  })

  test('while a batch is being written are looked at after it', async (t) => {
    const { clock, kernel, put, hold, steal, endpoint } = await running(t, 'b')
    const { release } = hold()
    put('a')
    await clock.advance(10)
    kernel.disturb()
    await clock.advance(10)
    steal('b')
    release()
    await clock.advance(0)
    assert.equal(endpoint('b'), usualEndpoint)
  })
})
