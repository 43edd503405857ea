/** The generated rulesets against the nft program and the kernel, in private namespaces: check, load, list, load again. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { difference } from '../../proxy/rules/elements.ts'
import { lateChains, lateText } from '../../proxy/nftables/chains.ts'
import { parseListing } from '../../proxy/nftables/listing.ts'
import { changeText, replaceText } from '../../proxy/nftables/text-writer.ts'
import { requires } from '../../scripts/requires.ts'
import { createNamespaces, deleteNamespaces, runIn } from '../../sandbox/nodes/netns.ts'
import { everything, sample, variants } from './samples.ts'

const namespaces = ['rs-proxyrules-a', 'rs-proxyrules-b']
const [first = '', second = ''] = namespaces

async function nft(namespace: string, args: readonly string[], input = ''): Promise<string> {
  const { code, stdout, stderr } = await runIn(namespace, ['nft', ...args], { input })
  if (code !== 0) throw new Error(`nft ${args.join(' ')}: ${stderr}`)
  return stdout
}

describe('the ruleset in the kernel', { skip: requires('root', 'linux', 'nft', 'ip', 'nsenter') }, () => {
  before(async () => {
    await deleteNamespaces(namespaces)
    await createNamespaces(namespaces)
  })
  after(() => deleteNamespaces(namespaces))

  for (const [name, options] of Object.entries(variants)) {
    test(`${name}: passes the check, loads, lists, and loads again from its own listing`, async () => {
      const text = replaceText(options, sample)
      await nft(first, ['--check', '-f', '-'], text)
      await nft(first, ['-f', '-'], text)
      const listing = await nft(first, ['list', 'ruleset'])
      await nft(second, ['-f', '-'], `flush ruleset\n${listing}`)
      assert.equal(await nft(second, ['list', 'ruleset']), listing)
    })
  }

  test('what is read back is what was written', async () => {
    await nft(first, ['-f', '-'], replaceText(everything, sample))
    const { elements } = parseListing(await nft(first, ['list', 'ruleset']))
    assert.deepEqual(difference(elements, sample), { remove: new Map(), add: new Map() })
  })

  test('no rule is restricted to one protocol behind our back', async () => {
    await nft(first, ['-f', '-'], replaceText(everything, sample))
    for (const chain of ['services', 'any', 'local']) {
      const code = await nft(first, ['--debug=netlink', 'list', 'chain', 'ip', 'roadstead', chain])
      assert.doesNotMatch(code, /cmp eq reg 1 0x00000006/, chain)
    }
  })

  test('a change of every map in one batch, there and back', async () => {
    await nft(first, ['-f', '-'], replaceText(everything, new Map()))
    await nft(first, ['-f', '-'], lateText(lateChains(sample)))
    await nft(first, ['-f', '-'], changeText(difference(new Map(), sample)))
    assert.equal(parseListing(await nft(first, ['list', 'ruleset'])).elements.size, sample.size)
    await nft(first, ['-f', '-'], changeText(difference(sample, new Map())))
    assert.equal(parseListing(await nft(first, ['list', 'ruleset'])).elements.size, 0)
  })

  test('the text is the golden one (ROADSTEAD_GOLDEN=write renews it)', async () => {
    const file = new URL('golden.nft', import.meta.url)
    if (process.env['ROADSTEAD_GOLDEN'] === 'write') {
      await writeFile(file, withoutCountChains(replaceText(everything, sample)))
    }
    const golden = await readFile(file, 'utf8')
    assert.equal(withoutCountChains(replaceText(everything, sample)), golden)
  })
})

/** The chains n3, l3, ... are left out but for those of one, two and a thousand endpoints, and what leads to them but for the first and last. */
function withoutCountChains(text: string): string {
  return text
    .split('\n')
    .filter((line) => !/^ {2}chain [nl](?![12] )\d+ \{/.test(line))
    .filter((line) => !/^(add|flush) (chain|rule) ip6? roadstead [nl](?!1000\b)\d+/.test(line))
    .map((line) => line.replace(/^(.* choices \{[^,]*), .*, ([^,]*)$/, '$1, ..., $2'))
    .join('\n')
}
