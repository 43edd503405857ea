/** Both writers against the kernel, each in a namespace of its own: whatever the changes, `nft` lists the same. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { type Change, difference, elementMaps, type ElementSet, partsOf } from '../../proxy/rules/elements.ts'
import { loadNetlink } from '../../proxy/netlink/socket.ts'
import { netlinkWriter } from '../../proxy/nftables/netlink-writer.ts'
import { type Nft, nftProgram } from '../../proxy/nftables/nft.ts'
import { textWriter } from '../../proxy/nftables/text-writer.ts'
import type { AffinityEntry, RuleWriter } from '../../proxy/writer.ts'
import { requires } from '../../scripts/requires.ts'
import { createNamespaces, deleteNamespaces, runIn, spawnIn } from '../../sandbox/nodes/netns.ts'
import { exitOf } from '../../sandbox/nodes/processes.ts'
import { inside } from './enter.ts'
import { firstDifference, inOrder } from './listings.ts'
import { everything, floods, sample, variants } from './samples.ts'

const namespaces = ['rs-writers-netlink', 'rs-writers-text'] as const
const [netlinkPlace, textPlace] = namespaces

const listing = async (namespace: string) => (await runIn(namespace, ['nft', 'list', 'ruleset'])).stdout
const withoutTime = async () => inOrder((await listing(netlinkPlace)).replaceAll(/ expires \w+/g, ''))
const nothing: ElementSet = new Map()
const program = 'nft'

/** nft in the namespace; its own processes are known to it as anywhere. */
function nftIn(namespace: string): Nft {
  const nft = nftProgram()
  return {
    load: (text) => inside(namespace, () => nft.load(text)),
    check: (text) => inside(namespace, () => nft.check(text)),
    list: (...what) => inside(namespace, () => nft.list(...what)),
    isOurs: (portId) => nft.isOurs(portId),
  }
}

describe('both writers', { skip: requires('root', 'linux', 'nft', 'ip', 'nsenter') }, () => {
  let byNetlink: RuleWriter
  let byText: RuleWriter

  const use = async (skeleton = everything) => {
    const netlink = await loadNetlink()
    const socket = inside(netlinkPlace, () => netlink.open())
    byNetlink = netlinkWriter({ netlink, socket, nft: nftIn(netlinkPlace), skeleton })
    byText = textWriter(nftIn(textPlace), skeleton)
    return () => socket.close()
  }
  const both = (work: (writer: RuleWriter) => Promise<void>) => Promise.all([work(byNetlink), work(byText)])
  const assertSame = async () => {
    assert.equal(firstDifference(await listing(textPlace), await listing(netlinkPlace)), undefined)
    assert.deepEqual(sorted(await byNetlink.read()), sorted(await byText.read()))
  }

  before(async () => {
    await deleteNamespaces(namespaces)
    await createNamespaces(namespaces)
  })
  after(() => deleteNamespaces(namespaces))

  test('are compared with an element of every map', () => {
    const present = new Set([...sample.keys()].map((id) => partsOf(id).map))
    assert.deepEqual(
      elementMaps.filter((map) => !present.has(map)),
      [],
    )
  })

  for (const [name, skeleton] of Object.entries(variants)) {
    test(`${name}: list the same after a replacement, and read back what was written`, async (t) => {
      t.after(await use(skeleton))
      await both((writer) => writer.remove())
      await both((writer) => writer.replace(sample))
      await assertSame()
      assert.deepEqual(sorted(await byNetlink.read()), sorted(sample))
    })
  }

  test('list the same after everything was taken out and put in again', async (t) => {
    t.after(await use())
    await both((writer) => writer.remove())
    await both((writer) => writer.replace(nothing))
    for (const change of [difference(nothing, sample), difference(sample, nothing), difference(nothing, sample)]) {
      await both((writer) => writer.apply(change))
      await assertSame()
    }
  })

  test('list the same after any sequence of changes', async (t) => {
    t.after(await use())
    // Chains that were made on demand stay in tables that are mended.
    await both((writer) => writer.remove())
    await both((writer) => writer.replace(nothing))
    const seed = Number(process.env['ROADSTEAD_SEED'] ?? Date.now() % 1_000_000)
    let present: ElementSet = nothing
    for (const [step, wanted] of fc.sample(elementSets, { numRuns: 25, seed }).entries()) {
      const change = difference(present, wanted)
      await both((writer) => writer.apply(change)).catch((cause: unknown) => {
        throw new Error(`step ${step} of ROADSTEAD_SEED=${seed}`, { cause })
      })
      const lists = [await listing(netlinkPlace), await listing(textPlace)]
      assert.ok(lists[0] === lists[1], `step ${step} of ROADSTEAD_SEED=${seed}: the listings differ`)
      assert.deepEqual(sorted(await byNetlink.read()), sorted(wanted), `step ${step} of ROADSTEAD_SEED=${seed}`)
      present = wanted
    }
  })

  test('what one has written the other takes over', async (t) => {
    t.after(await use())
    const other = textWriter(nftIn(netlinkPlace), everything)
    await byNetlink.replace(sample)
    assert.deepEqual(sorted(await other.read()), sorted(sample))
    await other.apply(difference(sample, nothing))
    await other.replace(sample)
    t.after(await use())
    assert.deepEqual(sorted(await byNetlink.read()), sorted(sample))
    assert.equal(await byNetlink.intact(), true)
  })

  test('tables that were altered while no proxy ran are not taken over', async (t) => {
    t.after(await use())
    for (const text of [
      'flush chain ip roadstead services',
      'flush chain ip6 roadstead n3',
      'insert rule ip roadstead nat-post accept',
      'add chain ip6 roadstead stranger',
      'add table ip roadstead { flags dormant ; }',
      'delete map ip roadstead health-ports',
      'delete element ip6 roadstead choices { 5eaf:1 }',
      'flush map ip roadstead choices; add chain ip roadstead stranger; add element ip roadstead choices { 5eae:2 : goto stranger }',
      'delete table ip6 roadstead',
    ]) {
      await byNetlink.replace(sample)
      assert.deepEqual(sorted(await byNetlink.read()), sorted(sample))
      await nftIn(netlinkPlace).load(`${text}\n`)
      t.after(await use())
      assert.equal(await byNetlink.read(), undefined, text)
      await byNetlink.replace(sample)
      assert.deepEqual(sorted(await byNetlink.read()), sorted(sample), text)
    }
  })

  test('altered chains are put right in place: the tables and what the kernel remembers stay', async (t) => {
    t.after(await use())
    const nft = nftIn(netlinkPlace)
    const handles = async () => (await runIn(netlinkPlace, ['nft', '--json', 'list', 'tables'])).stdout
    await byNetlink.replace(sample)
    const client = '10.0.0.1 . 1a2b:c timeout 1h : 10.244.1.2 . 8080'
    await nft.load(`add element ip roadstead affinity { ${client} }\n`)
    const [before, tables] = [await withoutTime(), await handles()]
    assert.match(tables, /"name": "roadstead", "handle": \d+/)
    for (const text of [
      'flush chain ip roadstead services',
      'flush table ip6 roadstead',
      'insert rule ip roadstead nat-post accept',
      'add chain ip6 roadstead stranger',
      'flush chain ip roadstead t10800',
      'chain ip roadstead before-in { policy drop ; }',
      'delete map ip roadstead health-ports',
      'flush chain ip roadstead services; flush map ip roadstead ep; add element ip roadstead cluster-ips { 10.96.7.7 }',
    ]) {
      await nft.load(`${text.replaceAll('; flush', '\nflush').replaceAll('; add', '\nadd')}\n`)
      assert.equal(await byNetlink.read(), undefined, text)
      await byNetlink.replace(sample)
      assert.equal(firstDifference(before, await withoutTime()), undefined, text)
      assert.equal(await handles(), tables, text)
    }
    await byNetlink.forget(await byNetlink.affinity())
  })

  test('chains of another kind by our names, and elements that lead elsewhere, are swapped', async (t) => {
    t.after(await use())
    await byNetlink.remove()
    const nft = nftIn(netlinkPlace)
    for (const text of [
      'delete chain ip roadstead through\nadd chain ip roadstead through',
      'add chain ip roadstead stranger\nadd element ip roadstead learn { 7:7 : goto stranger }',
    ]) {
      await byNetlink.replace(sample)
      const before = await listing(netlinkPlace)
      await nft.load(`${text}\n`)
      assert.equal(await byNetlink.read(), undefined, text)
      await byNetlink.replace(sample)
      assert.equal(firstDifference(before, await listing(netlinkPlace)), undefined, text)
    }
  })

  test('a refused change names the element and the error, and nothing of it happens', async (t) => {
    t.after(await use())
    await both((writer) => writer.replace(sample))
    const before = await listing(netlinkPlace)
    const change: Change = {
      remove: new Map([['ip frontends 10.96.0.1 . tcp . 80', '']]),
      add: new Map([['ip svc 10.96.0.1 . tcp . 80', 'goto n1']]),
    }
    await assert.rejects(byNetlink.apply(change), {
      name: 'WriteError',
      message: /add ip svc 10\.96\.0\.1 \. tcp \. 80.*EEXIST|EBUSY/,
    })
    assert.equal(await listing(netlinkPlace), before)
  })

  test('a map that is full is an error with its name', async (t) => {
    t.after(await use())
    await byNetlink.remove()
    await nftIn(netlinkPlace).load(`table ip roadstead {
  map svc { type ipv4_addr . inet_proto . inet_service : classid; size 2; }
}
`)
    const front = (port: number): [string, string] => [`ip svc 10.96.0.1 . tcp . ${port}`, 'drop']
    await byNetlink.apply({ remove: nothing, add: new Map([front(1), front(2)]) })
    await assert.rejects(byNetlink.apply({ remove: nothing, add: new Map([front(3)]) }), {
      name: 'WriteError',
      message: /^add ip svc.*: ENFILE$/,
    })
    await nftIn(netlinkPlace).load('delete table ip roadstead\n')
  })

  test('what a Service needs in the kernel does not depend on how many others there are', async (t) => {
    t.after(await use())
    const front = (index: number) => `10.96.${index >> 8}.${index & 255} . tcp . 80`
    const svc = (index: number, verdict: string) => new Map([[`ip svc ${front(index)}`, verdict]])
    const medianMs = async (services: number) => {
      const many = Array.from({ length: services }, (_, index) => [...svc(index, 'goto n3')]).flat()
      await byNetlink.remove()
      await byNetlink.replace(new Map(many))
      const times: number[] = []
      for (let turn = 0; turn < 200; turn++) {
        const index = (turn * 7919) % services
        const before = byNetlink.kernelSeconds?.() ?? 0
        await byNetlink.apply({ remove: svc(index, 'goto n3'), add: svc(index, 'goto n4') })
        await byNetlink.apply({
          remove: svc(index, 'goto n4'),
          add: new Map([[`ip no-ep ${front(index)}`, '']]),
        })
        await byNetlink.apply({ remove: new Map([[`ip no-ep ${front(index)}`, '']]), add: svc(index, 'goto n3') })
        times.push(((byNetlink.kernelSeconds?.() ?? 0) - before) * 1000)
      }
      return times.sort((a, b) => a - b)[100] ?? Number.NaN
    }
    const [few, many] = [await medianMs(10), await medianMs(10_000)]
    t.diagnostic(`three changes: ${few.toFixed(3)} ms among 10, ${many.toFixed(3)} ms among 10,000`)
    // Verdicts among the elements, which the kernel walks through for each new one, made it 25.
    assert.ok(many / few < 5, `${many} / ${few}`)
  })

  test('clients that the kernel remembers are read and forgotten, also when some have gone meanwhile', async (t) => {
    t.after(await use())
    await byNetlink.replace(sample)
    const key = (client: number) => `10.0.0.${client} . 1a2b:c`
    const key6 = '4000000000 . 7 . 1a2b:c'
    const elements = (map: string, items: string[]) => `add element ${map} { ${items.join(', ')} }\n`
    await nftIn(netlinkPlace).load(
      elements(
        'ip roadstead affinity',
        [1, 2, 3].map((client) => `${key(client)} timeout 1h : 10.244.1.2 . 8080`),
      ) +
        elements('ip6 roadstead affinity-address', [`${key6} timeout 1h : fd00:244::2`]) +
        elements('ip6 roadstead affinity-port', [`${key6} timeout 1h : 8080`]),
    )
    const entries = await byNetlink.affinity()
    assert.deepEqual(entries.map((entry) => `${entry.family} ${entry.key} ${entry.target}`).sort(), [
      `ip ${key(1)} 10.244.1.2 . 8080`,
      `ip ${key(2)} 10.244.1.2 . 8080`,
      `ip ${key(3)} 10.244.1.2 . 8080`,
      `ip6 ${key6} fd00:244::2 . 8080`,
    ])
    const withoutTime = (list: readonly AffinityEntry[]) =>
      list.map(({ family, key, target }) => `${family} ${key} : ${target}`).sort()
    const byOther = await textWriter(nftIn(netlinkPlace), everything).affinity()
    assert.deepEqual(withoutTime(byOther), withoutTime(entries))
    assert.match(entries[0]?.lifetime ?? '', /^timeout 1h expires (1h|59m5\ds\d*ms)$/)
    await nftIn(netlinkPlace).load(`delete element ip roadstead affinity { ${key(1)} }\n`)
    await byNetlink.forget(entries.filter((entry) => entry.key !== key(3)))
    assert.deepEqual(
      (await byNetlink.affinity()).map((entry) => entry.key),
      [key(3)],
    )
    // A swap of the tables carries them over, of both families.
    await byNetlink.forget(await byNetlink.affinity())
    await nftIn(netlinkPlace).load(
      elements('ip6 roadstead affinity-address', [`${key6} timeout 1h : fd00:244::2`]) +
        elements('ip6 roadstead affinity-port', [`${key6} timeout 1h : 8080`]),
    )
    await byNetlink.replace(sample)
    assert.deepEqual(withoutTime(await byNetlink.affinity()), [`ip6 ${key6} : fd00:244::2 . 8080`])
    // Half an entry is one as well.
    await nftIn(netlinkPlace).load(`delete element ip6 roadstead affinity-port { ${key6} }\n`)
    const [half] = await byNetlink.affinity()
    assert.equal(half?.target, 'fd00:244::2 . ')
    await byNetlink.forget(half ? [half] : [])
    assert.deepEqual(await byNetlink.affinity(), [])
  })

  test('more notifications than fit are noticed as a change', async (t) => {
    t.after(await use())
    await byNetlink.replace(nothing)
    let noticed = 0
    const stop = inside(netlinkPlace, () => byNetlink.watch?.(() => noticed++))
    t.after(() => stop?.())
    const [flood] = floods(20_000)
    const items = [...flood].map(([id, value]) => `${id.slice('ip ep '.length)} : ${value}`)
    const text = `table ip other {
  map m { typeof ip daddr . meta l4proto . th dport . numgen random mod 2 : ip daddr . th dport; }
}
add element ip other m { ${items.join(', ')} }
`
    // Another table, so that only the loss can tell; this thread reads nothing while nft runs.
    for (let round = 0; round < 2; round++) {
      for (const input of [text, 'delete table ip other\n']) {
        const { status, stderr } = inside(netlinkPlace, () => spawnSync(program, ['-f', '-'], { input }))
        assert.equal(status, 0, stderr.toString())
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.ok(noticed > 0)
  })

  test('killed in the middle of writing, it leaves what was or what should be, nothing between', async (t) => {
    t.after(await use())
    await byNetlink.remove()
    await byNetlink.replace(nothing)
    const texts = floods().map((flood) => JSON.stringify(sorted(flood)))
    const main = fileURLToPath(new URL('flood-main.ts', import.meta.url))
    const seen = new Set<number>()
    for (let round = 0; round < 8; round++) {
      const child = spawnIn(netlinkPlace, [process.execPath, main], { stdio: ['ignore', 'pipe', 'inherit'] })
      const ended = exitOf(child)
      await new Promise((resolve) => child.stdout?.once('data', resolve))
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 600))
      child.kill('SIGKILL')
      assert.equal((await ended).signal, 'SIGKILL')
      const which = texts.indexOf(JSON.stringify(sorted(await byNetlink.read())))
      assert.notEqual(which, -1, `round ${round}`)
      seen.add(which)
    }
    t.diagnostic(`ended at ${[...seen].join(' and ')}`)
  })
})

/** Neighbours, one address alone, from the first address of all and to the last. */
const networks: Readonly<Record<string, readonly string[]>> = {
  ip: ['10.245.0.0/24', '10.245.1.0/24', '10.246.0.1', '0.0.0.0/8', '128.0.0.0/1'],
  ip6: ['fd00:1::', 'fd00:1::1', 'fd00:2::/48', '::/8', 'fe00::/7'],
}

/** Elements of all maps in few places, so that a sequence of such sets adds, replaces and removes; ranges never overlap. */
const elementSets = fc
  .array(
    fc
      .tuple(
        fc.constantFrom('ip', 'ip6'),
        fc.nat(5),
        fc.constantFrom('tcp', 'udp', 'sctp'),
        fc.constantFrom(53, 80, 65_535),
        fc.nat(4),
      )
      .chain(([family, host, protocol, port, number]) => {
        const v4 = family === 'ip'
        const address = v4 ? `10.96.${host}.${host}` : host === 0 ? 'fd00:96::' : `fd00:96::${host}:0:1`
        const pod = v4 ? `10.244.1.${number}` : `fd00:244::${number + 1}`
        const front = `${address} . ${protocol} . ${port}`
        const range =
          (v4 ? ['192.0.2.0/25', '198.51.100.7', '203.0.113.128/30'] : ['2001:db8::/33', 'fd01::7'])[number % 2] ?? ''
        const count = [1, 2, 3, 64, 1000][number] ?? 1
        return fc.constantFrom<[string, string]>(
          [`${family} svc ${front}`, `goto n${count}`],
          [`${family} svc ${front}`, 'drop'],
          [`${family} svc-local ${front}`, `goto l${number + 1}`],
          [`${family} ep ${front} . ${number}`, `${pod} . ${port}`],
          [`${family} ep-local ${front} . ${number}`, `${pod} . 8080`],
          [`${family} cluster-ips ${address}`, ''],
          [`${family} frontends ${front}`, ''],
          [`${family} masq ${front}`, ''],
          [`${family} local-vips ${front}`, ''],
          [`${family} hairpin ${pod} . ${pod}`, ''],
          [`${family} no-ep ${front}`, ''],
          [`${family} fw-vips ${front}`, ''],
          [`${family} fw-allow ${front} . ${range}`, ''],
          [`${family} health-ports ${30_000 + number}`, address],
          [`${family} session ${front}`, `${host + 1}:ab${number}`],
          [`${family} learn ${host + 1}:ab${number}`, `goto t${[1, 60, 10_800, 86_400, 7][number]}`],
          [`${family} pods ${networks[family]?.[number]}`, ''],
        )
      }),
    { minLength: 0, maxLength: 120 },
  )
  .map((elements) => new Map(elements))

function sorted(elements: ElementSet | undefined): unknown {
  return elements && [...elements].sort(([a], [b]) => (a < b ? -1 : 1))
}
