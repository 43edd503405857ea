import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { silent } from '../../kube/log.ts'
import { createVirtualClock } from '../../kube/virtual-clock.ts'
import { difference, type ElementSet } from '../rules/elements.ts'
import { WriteError } from '../writer.ts'
import { type FakeIptables, fakeIptables } from './fake.ts'
import { elementsOf, type FrontendSpec, options } from './testing.ts'
import { iptablesWriter } from './writer.ts'

const web: FrontendSpec = {
  kind: 'load-balancer',
  at: 1,
  protocol: 'tcp',
  port: 80,
  endpoints: [1, 5],
  policy: 'Local',
  seconds: 60,
  sources: [1],
}

/** Both families of a Service with these endpoints, beside one with session affinity. */
function elements(...endpoints: number[]): ElementSet {
  const frontends = [
    { ...web, endpoints, seconds: undefined },
    { ...web, at: 2 },
  ]
  const spec = { frontends, pods: 1, serviceCidrs: 1, hairpin: [1], healthPorts: [30_100] }
  return new Map([...elementsOf('ip', spec), ...elementsOf('ip6', spec)])
}

const nobody: ElementSet = new Map()

function setup(kernels: FakeIptables[] = [fakeIptables('ip'), fakeIptables('ip6')]) {
  const clock = createVirtualClock()
  const warnings: string[] = []
  const log = { ...silent, warn: (_: object, text: string) => void warnings.push(text) }
  const writer = iptablesWriter({ programs: kernels, options, clock, log })
  const [four, six] = kernels as [FakeIptables, FakeIptables]
  const tamper = (table: string, chain: string, ...rules: string[]) => void four.tables.get(table)?.set(chain, rules)
  return { clock, writer, four, six, kernels, warnings, tamper }
}

describe('writing by iptables', () => {
  test('nothing is ours at first; what is written is read by the next process', async () => {
    const { writer, kernels } = setup()
    assert.equal(await writer.read(), undefined)
    await writer.replace(elements(1, 5))
    const found = await setup(kernels).writer.read()
    assert.deepEqual(difference(found ?? nobody, elements(1, 5)), { remove: new Map(), add: new Map() })
  })

  test('a change is one restore a family, of the chains that differ', async () => {
    const { writer, four, six } = setup()
    await writer.replace(elements(1, 5))
    four.restored.length = 0
    six.restored.length = 0
    await writer.apply(difference(elements(1, 5), elements(1, 6)))
    assert.equal(four.restored.length, 1)
    assert.deepEqual(
      four.restored[0]?.match(/^:\S+/gm)?.map((line) => line.slice(0, 14)),
      [':ROADSTEAD-SVC'],
    )
    const ofOne = difference(elements(1, 6), elements(1, 5))
    const inFamily = (set: ElementSet) => new Map([...set].filter(([id]) => id.startsWith('ip6 ')))
    await writer.apply({ remove: inFamily(ofOne.remove), add: inFamily(ofOne.add) })
    assert.deepEqual([four.restored.length, six.restored.length], [1, 2])
  })

  test('a refusal is a WriteError; afterwards the kernel is read, not what was thought', async () => {
    const { writer, four, six } = setup()
    await writer.replace(elements(1, 5))
    six.failure = 'no'
    await assert.rejects(writer.apply(difference(elements(1, 5), elements(1, 6))), WriteError)
    const found = await writer.read()
    assert.equal(found?.get('ip ep 203.0.113.1 . tcp . 80 . 1'), '10.244.6.7 . 8006')
    assert.equal(found?.get('ip6 ep 2001:db8:113::2 . tcp . 80 . 1'), 'fd00:244::6 . 8005')
    await writer.apply(difference(found ?? nobody, elements(1, 6)))
    assert.equal(four.restored.length, 2)
    assert.equal(await writer.intact(), true)
  })

  test('how many rules there are, and were in the last batch, is known', async () => {
    const { writer, four } = setup()
    await writer.replace(elements(1, 5))
    const lines = (table: string) =>
      [...(four.tables.get(table) ?? [])].filter(([name]) => name.startsWith('ROADSTEAD')).flatMap(([, rules]) => rules)
        .length
    const of = (table: string) => writer.ruleCounts?.().find((count) => count.family === 'ip' && count.table === table)
    assert.deepEqual(of('nat'), { family: 'ip', table: 'nat', present: lines('nat'), written: lines('nat') })
    await writer.apply(difference(elements(1, 5), elements(1, 6)))
    assert.equal(of('nat')?.present, lines('nat'))
    assert.deepEqual([of('nat')?.written, of('filter')?.written], [3, 0])
  })

  test('what others do to our chains and jumps is seen; what they do elsewhere is not', async () => {
    const { writer, four, tamper } = setup()
    await writer.replace(elements(1, 5))
    four.tables.get('filter')?.set('SOMEBODY', ['-j ACCEPT'])
    four.tables.get('nat')?.get('PREROUTING')?.unshift('-p tcp -j SOMEBODY')
    assert.equal(await writer.intact(), true)
    const alterations: [string, string, ...string[]][] = [
      ['nat', 'PREROUTING'],
      ['nat', 'POSTROUTING', '-j ROADSTEAD-POSTROUTING', '-j ROADSTEAD-POSTROUTING'],
      ['filter', 'ROADSTEAD-REFUSE'],
      ['filter', 'ROADSTEAD-NEW', '-j DROP'],
    ]
    for (const alteration of alterations) {
      tamper(...alteration)
      assert.equal(await writer.intact(), false)
      assert.equal(await writer.read(), undefined)
      await writer.replace(elements(1, 5))
      assert.equal(await writer.intact(), true)
    }
    assert.deepEqual(four.tables.get('filter')?.get('SOMEBODY'), ['-j ACCEPT'])
  })

  test('a watcher hears of it within a second or so, once a change, and not of our own writes', async () => {
    const { clock, writer, four, tamper } = setup()
    await writer.replace(elements(1, 5))
    let heard = 0
    const stop = writer.watch?.(() => heard++)
    await clock.advance(3000)
    const gate = Promise.withResolvers<void>()
    four.gate = gate.promise
    const writing = writer.apply(difference(elements(1, 5), elements(1, 6)))
    await clock.advance(3000)
    gate.resolve()
    await writing
    await clock.advance(3000)
    assert.equal(heard, 0)
    tamper('nat', 'ROADSTEAD-SERVICES')
    await clock.advance(1000)
    assert.ok(heard > 0)
    const before = heard
    await writer.replace(elements(1, 6))
    await clock.advance(3000)
    assert.equal(heard, before)
    tamper('nat', 'ROADSTEAD-SERVICES')
    stop?.()
    await clock.advance(3000)
    assert.equal(heard, before)
  })

  test('what was listed before a write of ours says nothing about it', async () => {
    const { clock, writer, four } = setup()
    await writer.replace(elements(1, 5))
    let heard = 0
    const stop = writer.watch?.(() => heard++)
    const listed = Promise.withResolvers<void>()
    four.listingGate = listed.promise
    await clock.advance(1000)
    await writer.apply(difference(elements(1, 5), elements(1, 6)))
    four.listingGate = Promise.resolve()
    listed.resolve()
    await clock.advance(2000)
    assert.equal(heard, 0)
    stop?.()
  })

  test('rules of ours that somebody puts back as they were before are not right', async () => {
    const { writer, four } = setup()
    await writer.replace(elements(1, 5))
    assert.equal(await writer.intact(), true)
    const before = new Map([...four.tables].map(([table, chains]) => [table, new Map(chains)]))
    await writer.apply(difference(elements(1, 5), elements(1, 6)))
    for (const [table, chains] of before) four.tables.set(table, chains)
    assert.equal(await writer.intact(), false)
  })

  test('an iptables that prints rules in another way works, and says what is lost', async () => {
    const { writer, four, six, warnings, tamper } = setup()
    for (const kernel of [four, six]) kernel.print = (rule) => rule.replace(/^-p tcp -m comment/, '-m comment')
    await writer.replace(elements(1, 5))
    assert.match(warnings.join(), /in another form/)
    await writer.apply(difference(elements(1, 5), elements(1)))
    assert.equal(await writer.intact(), true)
    tamper('filter', 'ROADSTEAD-REFUSE')
    assert.equal(await writer.intact(), false)
  })

  test('everything of ours is taken away, and nothing else; twice is fine', async () => {
    const { writer, four } = setup()
    const before = await four.save()
    await writer.replace(elements(1, 5))
    await writer.remove()
    assert.equal(await four.save(), before)
    const writes = four.restored.length
    await writer.remove()
    assert.equal(four.restored.length, writes)
  })

  test('on a machine without IPv6 the elements of IPv6 are passed over', async () => {
    const { writer, four } = setup([fakeIptables('ip')])
    await writer.replace(elements(1, 5))
    await writer.apply(difference(elements(1, 5), elements(1)))
    assert.equal(four.restored.length, 2)
    assert.ok([...((await writer.read()) ?? nobody).keys()].every((id) => id.startsWith('ip ')))
  })
})
