/** Pacing, failures and recovery of the writes, in virtual time against a kernel in memory. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { silent } from '../kube/log.ts'
import type { EndpointSlice, Service } from '../kube/objects.ts'
import { createVirtualClock } from '../kube/virtual-clock.ts'
import { memoryWriter } from './memory-writer.ts'
import { createRuleset } from './ruleset.ts'
import { createSync } from './sync.ts'
import { node, service, slice } from './testing.ts'

function setup() {
  const clock = createVirtualClock()
  const { writer, kernel } = memoryWriter()
  const services = new Map<string, Service>()
  const slices = new Map<string, EndpointSlice>()
  const ruleset = createRuleset(
    {
      serviceKeys: () => services.keys(),
      service: (key) => services.get(key),
      slices: (key) => [slices.get(key) ?? []].flat(),
    },
    60_000,
    node,
  )
  const seen = { waiting: [] as (number | undefined)[], wrote: 0, failed: 0 }
  const sync = createSync({
    ruleset,
    writer,
    clock,
    log: silent,
    minSyncMs: 50,
    syncMs: 30_000,
    observe: {
      waiting: (since) => void seen.waiting.push(since),
      wrote: () => void seen.wrote++,
      failed: () => void seen.failed++,
      forgot: () => {},
      settled: () => {},
      committed: () => {},
    },
  })
  const put = (name: string, spec: Partial<Service['spec']> = {}, ips: string[] = ['10.244.2.1']) => {
    const number = name.charCodeAt(0)
    services.set(name, service({ clusterIP: `10.96.0.${number}`, clusterIPs: [`10.96.0.${number}`], ...spec }, name))
    slices.set(
      name,
      slice(
        ips.map((ip) => ({ ip })),
        {},
        name,
      ),
    )
    ruleset.mark(name)
    sync.poke()
  }
  return { clock, writer, kernel, ruleset, sync, seen, put }
}

describe('writing the rules', () => {
  test('nothing is written before the start, everything in one batch after it', async () => {
    const { clock, kernel, sync, put } = setup()
    put('a')
    put('b')
    await clock.advance(1000)
    assert.deepEqual(kernel.calls, [])
    sync.start()
    await clock.advance(0)
    assert.deepEqual(kernel.calls, ['replace'])
    assert.equal(kernel.elements?.get('ip svc 10.96.0.97 . tcp . 80'), 'goto n1')
    await sync.stop()
  })

  test('a change after a pause is written at once; a burst makes few batches', async () => {
    const { clock, kernel, sync, put } = setup()
    sync.start()
    await clock.advance(1000)
    put('a')
    await clock.advance(0)
    assert.deepEqual(kernel.calls, ['replace', 'apply'])
    for (let index = 0; index < 20; index++) {
      put('a', {}, [`10.244.2.${index + 2}`])
      await clock.advance(5)
    }
    await clock.advance(100)
    assert.ok(kernel.calls.length <= 5, kernel.calls.join())
    assert.equal(kernel.elements?.get('ip ep 10.96.0.97 . tcp . 80 . 0'), '10.244.2.21 . 8080')
    await sync.stop()
  })

  test('a restart with the right rules in place writes nothing, with others only the difference', async () => {
    const first = setup()
    first.put('a')
    first.sync.start()
    await first.clock.advance(0)
    await first.sync.stop()

    const second = setup()
    second.kernel.elements = new Map(first.kernel.elements)
    assert.notEqual(await second.sync.inherit(), undefined)
    second.put('a')
    second.sync.start()
    await second.clock.advance(0)
    assert.deepEqual(second.kernel.elements, first.kernel.elements)
    second.put('a', {}, ['10.244.2.1', '10.244.2.2'])
    await second.clock.advance(50)
    assert.equal(second.kernel.calls.includes('replace'), false)
    await second.sync.stop()
  })

  test('after a refusal the kernel is read and brought right; waiting is told until it is', async () => {
    const { clock, kernel, sync, seen, put } = setup()
    sync.start()
    await clock.advance(1000)
    kernel.failure = 'no buffer space'
    put('a')
    await clock.advance(0)
    assert.equal(seen.failed, 1)
    assert.notEqual(seen.waiting.at(-1), undefined)
    await clock.advance(600)
    assert.equal(seen.waiting.at(-1), undefined)
    assert.equal(kernel.elements?.get('ip svc 10.96.0.97 . tcp . 80'), 'goto n1')
    await sync.stop()
  })

  test('an element taken away by somebody is put back when a batch notices', async () => {
    const { clock, kernel, sync, put } = setup()
    put('a')
    sync.start()
    await clock.advance(1000)
    kernel.elements?.delete('ip ep 10.96.0.97 . tcp . 80 . 0')
    put('a', {}, ['10.244.2.9'])
    await clock.advance(1000)
    assert.equal(kernel.elements?.get('ip ep 10.96.0.97 . tcp . 80 . 0'), '10.244.2.9 . 8080')
    await sync.stop()
  })

  test('tables taken away come back at the next look', async () => {
    const { clock, kernel, sync, put } = setup()
    put('a')
    sync.start()
    await clock.advance(1000)
    kernel.elements = undefined
    await clock.advance(30_000)
    assert.equal(kernel.elements === undefined, false)
    await sync.stop()
  })

  test('an element that somebody takes away is back at once, without any change of ours', async () => {
    const { clock, kernel, sync, put } = setup()
    put('a')
    sync.start()
    await clock.advance(10_000)
    kernel.elements?.delete('ip ep 10.96.0.97 . tcp . 80 . 0')
    kernel.disturb()
    await clock.advance(0)
    assert.equal(kernel.elements?.get('ip ep 10.96.0.97 . tcp . 80 . 0'), '10.244.2.1 . 8080')
    await sync.stop()
  })

  test('tables that somebody takes away are back at once', async () => {
    const { clock, kernel, sync, put } = setup()
    put('a')
    sync.start()
    await clock.advance(10_000)
    kernel.elements = undefined
    kernel.disturb()
    await clock.advance(0)
    assert.equal(kernel.elements === undefined, false)
    await sync.stop()
  })

  test('somebody who writes all the time makes us read twice a second, and is undone within half a second', async () => {
    const { clock, kernel, sync, put } = setup()
    put('a')
    sync.start()
    await clock.advance(10_000)
    kernel.reads = 0
    for (let index = 0; index < 200; index++) {
      kernel.elements?.delete('ip ep 10.96.0.97 . tcp . 80 . 0')
      kernel.disturb()
      await clock.advance(10)
    }
    assert.ok(kernel.reads >= 4 && kernel.reads <= 6, String(kernel.reads))
    await clock.advance(500)
    assert.equal(kernel.elements?.get('ip ep 10.96.0.97 . tcp . 80 . 0'), '10.244.2.1 . 8080')
    await sync.stop()
  })

  test('changes of ours all the while do not put the next look off', async () => {
    const { clock, kernel, sync, put } = setup()
    put('a')
    sync.start()
    await clock.advance(10_000)
    kernel.disturb()
    await clock.advance(0)
    kernel.elements?.delete('ip ep 10.96.0.97 . tcp . 80 . 0')
    kernel.disturb()
    for (let index = 0; index < 12; index++) {
      put('b', {}, [`10.244.2.${index + 2}`])
      await clock.advance(50)
    }
    assert.equal(kernel.elements?.get('ip ep 10.96.0.97 . tcp . 80 . 0'), '10.244.2.1 . 8080')
    await sync.stop()
  })

  test('what somebody changes while a batch is being written is looked at after it', async () => {
    const { clock, kernel, sync, put } = setup()
    put('b')
    sync.start()
    await clock.advance(10_000)
    const gate = Promise.withResolvers<void>()
    kernel.gate = gate.promise
    put('a')
    await clock.advance(10)
    kernel.disturb()
    await clock.advance(10)
    kernel.elements?.delete('ip ep 10.96.0.98 . tcp . 80 . 0')
    gate.resolve()
    await clock.advance(0)
    assert.equal(kernel.elements?.get('ip ep 10.96.0.98 . tcp . 80 . 0'), '10.244.2.1 . 8080')
    await sync.stop()
  })

  test('what was read before somebody changed it is not built upon at the start', async () => {
    const { clock, kernel, sync, put } = setup()
    kernel.elements = new Map([['ip cluster-ips 10.96.0.97', '']])
    await sync.inherit()
    put('a')
    kernel.elements = new Map()
    kernel.disturb()
    sync.start()
    await clock.advance(0)
    assert.ok(kernel.elements.has('ip cluster-ips 10.96.0.97'))
    assert.deepEqual(kernel.calls, ['apply'])
    await sync.stop()
  })

  test('a clock that is moved by an hour holds nothing up', async () => {
    for (const hour of [3_600_000, -3_600_000]) {
      const { clock, kernel, sync, put } = setup()
      put('a')
      sync.start()
      await clock.advance(10_000)
      clock.jump(hour)
      put('b')
      await clock.advance(50)
      assert.ok(kernel.elements?.has('ip svc 10.96.0.98 . tcp . 80'), `${hour}`)
      kernel.elements = undefined
      kernel.disturb()
      await clock.advance(500)
      assert.equal(kernel.elements === undefined, false, `${hour}`)
      await sync.stop()
    }
  })

  test('changes that come while a batch is being written go into the next one', async () => {
    const { clock, kernel, sync, put } = setup()
    sync.start()
    await clock.advance(1000)
    const gate = Promise.withResolvers<void>()
    kernel.gate = gate.promise
    put('a')
    await clock.advance(10)
    put('b')
    put('c')
    await clock.advance(500)
    assert.deepEqual(kernel.calls, ['replace', 'apply'])
    gate.resolve()
    await clock.advance(600)
    assert.deepEqual(kernel.calls, ['replace', 'apply', 'apply'])
    assert.ok(kernel.elements?.has('ip svc 10.96.0.99 . tcp . 80'))
    await sync.stop()
  })

  test('batches that take long get as much time between them', async () => {
    const { clock, kernel, sync, put } = setup()
    sync.start()
    await clock.advance(1000)
    kernel.gate = new Promise((resolve) => void clock.after(400, resolve))
    put('a')
    await clock.advance(100)
    put('b')
    await clock.advance(650)
    assert.deepEqual(kernel.calls, ['replace', 'apply'])
    await clock.advance(60)
    assert.deepEqual(kernel.calls, ['replace', 'apply', 'apply'])
    await sync.stop()
  })

  test('a client remembered at an endpoint that left is forgotten, others stay', async () => {
    const { clock, kernel, sync, put } = setup()
    put('a', { sessionAffinity: 'ClientIP' }, ['10.244.2.1', '10.244.2.2'])
    sync.start()
    await clock.advance(1000)
    const session = kernel.elements?.get('ip session 10.96.0.97 . tcp . 80')
    assert.match(session ?? '', /^[1-9a-f][\da-f]{0,3}:[1-9a-f][\da-f]{0,3}$/)
    const client = (from: string, target: string) => ({
      family: 'ip' as const,
      key: `${from} . ${session}`,
      target: `${target} . 8080`,
      lifetime: '',
    })
    kernel.clients = [client('10.244.1.1', '10.244.2.1'), client('10.244.1.2', '10.244.2.2')]
    put('a', { sessionAffinity: 'ClientIP' }, ['10.244.2.2'])
    await clock.advance(100)
    assert.deepEqual(
      kernel.clients.map((entry) => entry.target),
      ['10.244.2.2 . 8080'],
    )
    await sync.stop()
  })

  test('a flip that waits ends by itself when its grace time is over', async () => {
    const { clock, kernel, sync, put } = setup()
    const ours: Partial<Service['spec']> = {
      type: 'LoadBalancer',
      loadBalancerClass: 'roadstead.dev/local',
      ports: [{ port: 80, nodePort: 30_080 }],
    }
    put('a', { ...ours, externalTrafficPolicy: 'Cluster' })
    sync.start()
    await clock.advance(1000)
    put('a', { ...ours, externalTrafficPolicy: 'Local', healthCheckNodePort: 32_000 })
    await clock.advance(1000)
    const local = 'ip svc-local 172.18.0.11 . tcp . 30080'
    assert.equal(kernel.elements?.has(local), false)
    assert.equal(kernel.elements?.get('ip health-ports 32000'), '10.96.0.97')
    await clock.advance(60_000)
    assert.equal(kernel.elements?.get(local), 'drop')
    await sync.stop()
  })

  test('a flip whose time comes while a batch is being written is not forgotten', async () => {
    const { clock, kernel, sync, put } = setup()
    const ours: Partial<Service['spec']> = {
      type: 'LoadBalancer',
      loadBalancerClass: 'roadstead.dev/local',
      ports: [{ port: 80, nodePort: 30_080 }],
    }
    put('a', { ...ours, externalTrafficPolicy: 'Cluster' })
    sync.start()
    await clock.advance(1000)
    put('a', { ...ours, externalTrafficPolicy: 'Local', healthCheckNodePort: 32_000 })
    await clock.advance(59_990)
    const gate = Promise.withResolvers<void>()
    kernel.gate = gate.promise
    put('b')
    await clock.advance(20)
    gate.resolve()
    await clock.advance(100)
    assert.equal(kernel.elements?.get('ip svc-local 172.18.0.11 . tcp . 30080'), 'drop')
    await sync.stop()
  })

  test('a stop leaves no timer behind and the rules in place', async () => {
    const { clock, kernel, sync, put } = setup()
    put('a')
    sync.start()
    await clock.advance(1000)
    kernel.disturb()
    await clock.advance(0)
    await sync.stop()
    assert.equal(clock.pending, 0)
    assert.equal(kernel.watchers, 0)
    assert.ok(kernel.elements?.size)
  })
})
