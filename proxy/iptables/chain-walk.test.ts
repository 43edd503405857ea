/** What iptables does with a packet is what the elements say, for every kind of source and destination. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assert as holds, constantFrom, integer, property } from 'fast-check'
import { families } from '../rules/addresses.ts'
import type { SkeletonOptions } from '../nftables/skeleton.ts'
import { type Fate, fieldOf, type Packet } from '../rules/packet-walk.ts'
import { walkChains } from './chain-walk.ts'
import { familyRules } from './family-rules.ts'
import { elementsOf, options, randomNode } from './testing.ts'

const variants: Record<string, SkeletonOptions> = {
  addresses: options,
  all: { ...options, masqueradeAll: true },
  nothing: { ...options, local: { ip: { by: 'nothing' }, ip6: { by: 'nothing' } } },
  bridge: {
    ...options,
    local: { ip: { by: 'interface', name: 'cbr0' }, ip6: { by: 'interface-prefix', prefix: 'cbr' } },
  },
}

/** An address inside of each network that testing.ts knows, endpoints, and one of nobody. */
const sources = {
  ip: ['192.0.2.3', '198.51.1.9', '198.51.4.9', '198.51.7.1', '10.244.1.7', '10.244.5.7', '8.8.8.8'],
  ip6: ['2001:db8::4', '2001:db8:2::9', '2001:db8:5::9', '2001:db8:8::1', 'fd00:244::2', 'fd00:244::6', '2606::1'],
} as const

const strangers = {
  ip: ['10.96.0.77', '192.0.2.9', '198.51.10.5', '9.9.9.9'],
  ip6: ['fd00:96::77', '2001:db8::a', '2001:db8:b::5', '2606::9'],
} as const

test('every packet meets the fate that its elements mean', () => {
  const seen = new Map<string, number>()
  holds(
    property(integer(), constantFrom(...Object.keys(variants)), (seed, name) => {
      const variant = variants[name] ?? options
      for (const family of families) {
        const spec = randomNode(seed, 50)
        const elements = elementsOf(family, spec)
        const { chains } = familyRules(family, variant, elements)
        const field = fieldOf(elements, variant)
        const known = [...elements.keys()]
          .filter((id) => id.startsWith(`${family} frontends `))
          .map((id) => id.split(' '))
        const places = [
          ...known.map((words) => ({ to: words[2] ?? '', protocol: words[4] ?? '', port: Number(words[6]) })),
          ...known.slice(0, 5).map((words) => ({ to: words[2] ?? '', protocol: words[4] ?? '', port: 7 })),
          ...strangers[family].map((to) => ({ to, protocol: 'tcp', port: 80 })),
        ]
        for (const place of places) {
          for (const from of [{ own: true }, { own: false, through: 'eth0' }, { own: false, through: 'cbr0' }]) {
            const source =
              sources[family][((place.port + (from.through?.length ?? 0) + seed) % 7) >>> 0] ?? sources[family][0]
            const packet = { ...place, ...from, source } as Packet
            const expected = field.walk(packet)
            assert.deepEqual(walkChains(chains, packet), expected, JSON.stringify({ seed, name, packet }))
            count(seen, expected)
          }
        }
      }
    }),
    { numRuns: 8 },
  )
  for (const fate of ['pass', 'drop', 'reject', 'forward', 'masq'])
    assert.ok((seen.get(fate) ?? 0) > 20, `${fate} is rare`)
})

function count(seen: Map<string, number>, fate: Fate): void {
  const kinds =
    typeof fate === 'string' ? [fate] : [fate.some((target) => target.endsWith(' masq')) ? 'masq' : 'forward']
  for (const kind of kinds) seen.set(kind, (seen.get(kind) ?? 0) + 1)
}
