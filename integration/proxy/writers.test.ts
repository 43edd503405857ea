/** Both writers against the kernel, each in a namespace of its own: whatever the changes, `nft` lists the same. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Change, difference, type ElementSet } from '../../proxy/elements.ts'
import { loadNetlink } from '../../proxy/netlink/socket.ts'
import { netlinkWriter } from '../../proxy/nftables/netlink-writer.ts'
import { type Nft, nftProgram } from '../../proxy/nftables/nft.ts'
import { textWriter } from '../../proxy/nftables/text-writer.ts'
import type { RuleWriter } from '../../proxy/writer.ts'
import { requires } from '../../scripts/requires.ts'
import { createNamespaces, deleteNamespaces, runIn } from '../../sandbox/nodes/netns.ts'
import { inside } from './enter.ts'
import { everything, sample, variants } from './samples.ts'

const namespaces = ['rs-writers-netlink', 'rs-writers-text'] as const
const [netlinkPlace, textPlace] = namespaces

const listing = async (namespace: string) => (await runIn(namespace, ['nft', 'list', 'ruleset'])).stdout
const nothing: ElementSet = new Map()

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
    assert.equal(await listing(netlinkPlace), await listing(textPlace))
    assert.deepEqual(sorted(await byNetlink.read()), sorted(await byText.read()))
  }

  before(async () => {
    await deleteNamespaces(namespaces)
    await createNamespaces(namespaces)
  })
  after(() => deleteNamespaces(namespaces))

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
})

function sorted(elements: ElementSet | undefined): unknown {
  return elements && [...elements].sort(([a], [b]) => (a < b ? -1 : 1))
}
