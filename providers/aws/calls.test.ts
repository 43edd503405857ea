/** How many calls a change costs, counted on the fake: reads in bulk, own writes known at once, nothing read twice. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { signal, specOf } from '../conformance-world.ts'
import type { LoadBalancerSpec, Owner, Provider, TargetNode } from '../contract.ts'
import { plan } from '../plan.ts'
import { actions } from './cloud.ts'
import { createFakeAws } from './fake.ts'
import { putInstance, seed } from './fake/seed.ts'
import { createAwsProvider } from './provider.ts'
import { documentOf } from './resources.ts'

const lookMs = 300_000

const instanceId = (number: number) => `i-${number.toString(16).padStart(17, '0')}`

/** A cluster with nodes, whose Services are brought to their wanted state the way the reconcilers do it. */
function cluster(nodeCount = 3) {
  let time = 1_800_000_000_000
  const aws = createFakeAws({
    now: () => time,
    timing: { provisioningMs: 100, initialHealthMs: 100 },
    quotas: { loadBalancers: 1000 },
  })
  const base = seed(aws.account)
  aws.gate = async () => {
    time += 10
  }
  const services = new Map<string, LoadBalancerSpec>()
  const nodes: TargetNode[] = []
  const addNode = () => {
    const number = nodes.length + 1
    putInstance(aws.account, base, instanceId(number), number % 3)
    nodes.push({ name: `node-${number}`, providerId: `aws:///eu-central-1a/${instanceId(number)}`, addresses: [] })
  }
  for (let number = 0; number < nodeCount; number++) addNode()
  const start = () => {
    const started = createAwsProvider({ cloud: aws.cloud, now: () => time, lookMs })
    started.nodes?.(nodes)
    return started
  }
  let provider = start()

  const document = async () => {
    for (let round = 0; round < 5; round++) {
      const observed = await provider.observe(documentOf('c1'), signal())
      const fragments = [...services.values()].flatMap((spec) => {
        const lowered = provider.lower(spec)
        return lowered.kind === 'lowered' ? lowered.fragments : []
      })
      const wanted = provider.assemble(documentOf('c1'), fragments, observed).resources
      const steps = plan(wanted, observed, provider.refine)
      if (steps.length === 0) return
      for (const step of steps) await provider.execute(step, signal())
    }
  }
  const own = async (spec: LoadBalancerSpec) => {
    const lowered = provider.lower(spec)
    assert.ok(lowered.kind === 'lowered')
    for (let round = 0; round < 5; round++) {
      const steps = plan(lowered.own, await provider.observe(spec.owner, signal()), provider.refine)
      if (steps.length === 0) return
      for (const step of steps) await provider.execute(step, signal())
    }
    assert.fail('never quiet')
  }
  const bring = async (spec: LoadBalancerSpec, { withDocument = true } = {}) => {
    const current = { ...spec, nodes: [...nodes] }
    services.set(spec.owner.uid, current)
    provider.nodes?.(nodes)
    if (withDocument) await document()
    await own(current)
  }
  const announce = async (specs: readonly LoadBalancerSpec[]) => {
    for (const spec of specs) services.set(spec.owner.uid, spec)
    await document()
  }
  return {
    bring,
    announce,
    addNode,
    later: (ms: number) => (time += ms),
    /** A look at what is there, as every few minutes. */
    look: async () => {
      await document()
      for (const spec of services.values()) await own(spec)
    },
    restart: () => {
      provider = start()
    },
    get provider(): Provider {
      return provider
    },
    aws,
    /** Waits as the reconciler does: until an address is published and every target is healthy. */
    async serving(spec: LoadBalancerSpec) {
      for (let look = 0; look < 10; look++) {
        const observed = await provider.observe(spec.owner, signal())
        const targets = provider.targets(observed, nodes)
        if (provider.addresses(observed).kind === 'ready' && targets.every(({ healthy }) => healthy)) return
        time += 2000
      }
      assert.fail('never ready')
    },
    counted() {
      const calls = aws.take().map(({ action }) => action)
      const writes = calls.filter((action) => actions[action].mutating)
      const tally = new Map<string, number>()
      for (const action of calls) tally.set(action, (tally.get(action) ?? 0) + 1)
      const text = [...tally].map(([action, count]) => `${action} ${count}`).join(', ')
      return { calls: calls.length, writes: writes.length, reads: calls.length - writes.length, text }
    },
  }
}

function service(number: number, ports = 1): LoadBalancerSpec {
  const owner: Owner = {
    cluster: 'c1',
    namespace: 'shop',
    name: `web-${number}`,
    uid: `7b6a9f0e-0000-4000-8000-${String(number).padStart(12, '0')}`,
  }
  const { drainSeconds: _seconds, ...spec } = specOf({ providerId: (node) => node }, { owner, nodes: [] })
  const listed = Array.from({ length: ports }, (_port, index) => ({
    name: `p${index}`,
    protocol: 'TCP' as const,
    port: 80 + index,
    nodePort: 30_000 + number * 10 + index,
  }))
  return { ...spec, ports: listed }
}

/** `together`: the shared document is written once for all of them. */
async function hundred(nodes = 3, together = true) {
  const world = cluster(nodes)
  if (together) await world.announce(Array.from({ length: 100 }, (_service, index) => service(index + 1)))
  for (let number = 1; number <= 100; number++) await world.bring(service(number), { withDocument: !together })
  for (let number = 1; number <= 100; number++) await world.serving(service(number))
  return world
}

describe('calls', () => {
  for (const [ports, calls, writes] of [
    [1, 10, 7],
    [3, 16, 13],
  ] as const) {
    test(`a second Service with ${ports} port(s) costs at most ${calls} calls, ${writes} of them writes`, async () => {
      const world = cluster()
      await world.bring(service(1))
      await world.serving(service(1))
      world.counted()
      await world.bring(service(2, ports))
      await world.serving(service(2, ports))
      const counted = world.counted()
      assert.ok(counted.calls <= calls && counted.writes <= writes, `${counted.calls}: ${counted.text}`)
    })
  }

  test('a node costs one Service at most 2 calls', async () => {
    const world = cluster()
    await world.bring(service(1))
    await world.serving(service(1))
    world.counted()
    world.addNode()
    await world.bring(service(1))
    const counted = world.counted()
    assert.ok(counted.calls <= 2 && counted.writes === 1, counted.text)
  })

  test('100 Services on 50 nodes: at most 1,000 calls; 10 nodes more: 100 registrations a wave and at most 20 reads', async () => {
    const world = await hundred(50, false)
    const created = world.counted()
    assert.ok(created.calls <= 1000, `${created.calls}: ${created.text}`)
    for (let number = 0; number < 10; number++) world.addNode()
    for (let number = 1; number <= 100; number++) await world.bring(service(number), { withDocument: number === 1 })
    const churn = world.counted()
    assert.ok(churn.writes === 100 && churn.reads <= 20, churn.text)
  })

  test('a restart with 100 Services reads at most 220 times and writes nothing', async () => {
    const world = await hundred()
    world.counted()
    world.restart()
    await world.look()
    const counted = world.counted()
    assert.ok(counted.reads <= 220 && counted.writes === 0, `${counted.reads}: ${counted.text}`)
  })

  test('a look at 100 unchanged Services costs at most 2.2 reads each, also on average of many', async () => {
    const world = await hundred()
    world.counted()
    for (let look = 1; look <= 9; look++) {
      world.later(lookMs * 0.9)
      await world.look()
      const counted = world.counted()
      assert.ok(counted.reads <= 220 && counted.writes === 0, `look ${look}: ${counted.reads}: ${counted.text}`)
    }
  })
})
