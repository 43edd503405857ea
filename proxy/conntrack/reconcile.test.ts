/** When flows are looked at: at once, together, twice, again after a failure; in virtual time against a table in memory. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { silent } from '../../kube/log.ts'
import { createVirtualClock } from '../../kube/virtual-clock.ts'
import type { Flow } from './flow.ts'
import { memoryTable } from './memory-table.ts'
import { createFlowReconciler } from './reconcile.ts'
import { targetsIn } from './stale.ts'

const dns = 'ip 10.96.0.10 . udp . 53'
const ntp = 'ip6 fd00:96::a . udp . 123'

function setup() {
  const clock = createVirtualClock()
  const { table, memory } = memoryTable()
  const served = new Map<string, string>()
  const seen = { sweeps: [] as string[], warnings: 0 }
  const reconciler = createFlowReconciler({
    table,
    serving: (frontend) => {
      const text = served.get(frontend)
      return text === undefined ? undefined : targetsIn(text)
    },
    clock,
    log: { ...silent, warn: () => void seen.warnings++ },
    observe: ({ family, removed }) => void seen.sweeps.push(`${family} ${removed}`),
  })
  const flow = (frontend: string, target: string): Flow => {
    const made: Flow = { frontend, protocol: 'udp', target, translated: true, replied: true }
    memory.flows.push(made)
    return made
  }
  return { clock, memory, served, seen, reconciler, flow }
}

describe('stale flows', () => {
  test('go at once, and only those of the frontends that changed', async () => {
    const { clock, memory, served, seen, reconciler, flow } = setup()
    served.set(dns, '10.244.1.1 . 53')
    flow(dns, '10.244.1.9 . 53')
    const kept = [flow(dns, '10.244.1.1 . 53'), flow(ntp, 'fd00:244::9 . 123')]
    reconciler.check([dns])
    await clock.advance(0)
    assert.deepEqual(memory.flows, kept)
    assert.deepEqual(seen.sweeps, ['ip 1'])
    await reconciler.stop()
  })

  test('one that was made while the rules changed goes a second later', async () => {
    const { clock, memory, served, reconciler, flow } = setup()
    served.set(dns, '')
    reconciler.check([dns])
    await clock.advance(500)
    flow(dns, '10.244.1.9 . 53')
    await clock.advance(400)
    assert.equal(memory.flows.length, 1)
    await clock.advance(200)
    assert.equal(memory.flows.length, 0)
    const asked = memory.queries.length
    await clock.advance(60_000)
    assert.equal(memory.queries.length, asked)
    await reconciler.stop()
  })

  test('changes that come while a sweep runs are looked at together after it', async () => {
    const { clock, memory, reconciler } = setup()
    const gate = Promise.withResolvers<void>()
    memory.gate = gate.promise
    reconciler.check([dns])
    await clock.advance(0)
    for (let round = 0; round < 50; round++) reconciler.check([dns, ntp])
    await clock.advance(0)
    assert.equal(memory.queries.length, 1)
    gate.resolve()
    await clock.advance(100)
    assert.equal(memory.queries.length, 3)
    await reconciler.stop()
  })

  test('a slow table gets rest between the sweeps', async () => {
    const { clock, memory, reconciler } = setup()
    const gate = Promise.withResolvers<void>()
    memory.gate = gate.promise
    reconciler.check([dns])
    await clock.advance(200)
    gate.resolve()
    await clock.advance(0)
    reconciler.check([dns])
    await clock.advance(150)
    assert.equal(memory.queries.length, 1)
    await clock.advance(100)
    assert.equal(memory.queries.length, 2)
    await reconciler.stop()
  })

  test('a failure is told and tried again, later each time', async () => {
    const { clock, memory, seen, served, reconciler, flow } = setup()
    served.set(dns, '')
    flow(dns, '10.244.1.9 . 53')
    memory.failure = 'ENOBUFS'
    reconciler.check([dns])
    await clock.advance(0)
    assert.equal(seen.warnings, 1)
    assert.equal(memory.flows.length, 1)
    await clock.advance(600)
    assert.equal(memory.flows.length, 0)
    await reconciler.stop()
  })

  test('what was given is looked at before the end, and nothing after it', async () => {
    const { clock, memory, served, reconciler, flow } = setup()
    served.set(dns, '')
    flow(dns, '10.244.1.9 . 53')
    reconciler.check([dns])
    reconciler.check([ntp])
    await reconciler.stop()
    assert.equal(memory.flows.length, 0)
    const asked = memory.queries.length
    reconciler.check([dns])
    await clock.advance(60_000)
    assert.equal(memory.queries.length, asked)
  })

  test('a second look that is due is taken before the end', async () => {
    const { clock, memory, served, reconciler, flow } = setup()
    served.set(dns, '')
    reconciler.check([dns])
    await clock.advance(10)
    flow(dns, '10.244.1.9 . 53')
    await reconciler.stop()
    assert.equal(memory.flows.length, 0)
  })

  test('nothing to look at asks nothing', async () => {
    const { clock, memory, reconciler } = setup()
    reconciler.check([])
    await clock.advance(5000)
    assert.equal(memory.queries.length, 0)
    await reconciler.stop()
  })
})
