import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Chains, dispatch, type Entry } from './dispatch.ts'

/** Where a packet to `byte` of 10.0.0.0/24 and TCP `port` ends, and how many rules it met on the way. */
function walk(chains: Chains, byte: number, port: number): { hits: string[]; rules: number } {
  const hits: string[] = []
  let rules = 0
  const go = (name: string) => {
    for (const rule of chains.get(name) ?? assert.fail(`no chain ${name}`)) {
      rules++
      const [, value, mask] = /-d \d+\.\d+\.\d+\.(\d+)\/(\S+)/.exec(rule) ?? []
      const bits = mask === '32' ? 255 : Number(mask?.split('.')[3])
      const [, first, last = first] = /--dport (\d+)(?::(\d+))?/.exec(rule) ?? []
      if (value !== undefined && (byte & bits) !== Number(value)) continue
      if (first !== undefined && (port < Number(first) || port > Number(last))) continue
      const [, target = ''] = / -j (\S+)$/.exec(rule) ?? []
      if (chains.has(target)) go(target)
      else hits.push(target)
    }
  }
  go('ROOT')
  return { hits, rules }
}

const service = (byte: number, port: number): Entry => ({
  address: `10.0.0.${byte}`,
  protocol: 'tcp',
  port,
  rules: [`-j T-${byte}-${port}`],
})

describe('finding the rule for a destination', () => {
  test('few destinations are a list', () => {
    const chains = dispatch('ip', 'ROOT', [service(2, 80), service(1, 443), service(1, 80)])
    assert.deepEqual(
      [...chains],
      [
        [
          'ROOT',
          [
            '-d 10.0.0.1/32 -p tcp -m tcp --dport 80 -j T-1-80',
            '-d 10.0.0.1/32 -p tcp -m tcp --dport 443 -j T-1-443',
            '-d 10.0.0.2/32 -p tcp -m tcp --dport 80 -j T-2-80',
          ],
        ],
      ],
    )
  })

  test('each of many is found, by a short way, and nothing else is', () => {
    const many = Array.from({ length: 256 }, (_, byte) => [service(byte, 80), service(byte, 443)]).flat()
    const nodePorts = Array.from({ length: 2768 }, (_, index) => service(7, 30_000 + index))
    const chains = dispatch('ip', 'ROOT', [...many, ...nodePorts])
    for (const byte of [0, 1, 7, 16, 254, 255]) {
      const { hits, rules } = walk(chains, byte, 443)
      assert.deepEqual(hits, [`T-${byte}-443`])
      assert.ok(rules < 100, `${rules} rules`)
      assert.deepEqual(walk(chains, byte, 81).hits, [])
    }
    for (const port of [30_000, 31_743, 31_744, 32_767]) {
      const { hits, rules } = walk(chains, 7, port)
      assert.deepEqual(hits, [`T-7-${port}`])
      assert.ok(rules < 120, `${rules} rules`)
    }
    assert.deepEqual(walk(chains, 8, 30_000).hits, [])
  })

  test('what is said of a whole address comes after what is said of its ports', () => {
    const ports = Array.from({ length: 100 }, (_, index) => service(9, 1000 + index))
    const chains = dispatch('ip', 'ROOT', [{ address: '10.0.0.9', rules: ['-j REST'] }, ...ports])
    assert.deepEqual(walk(chains, 9, 1050).hits, ['T-9-1050', 'REST'])
    assert.deepEqual(walk(chains, 9, 5).hits, ['REST'])
  })

  test('IPv6 addresses are told apart by their last byte, also a short one', () => {
    const many = Array.from(
      { length: 64 },
      (_, index): Entry => ({
        address: `fd00::${index === 0 ? '' : index.toString(16)}`,
        rules: ['-j DROP'],
      }),
    )
    const root = dispatch('ip6', 'ROOT', many).get('ROOT') ?? []
    assert.equal(root.length, 16)
    assert.equal(root[0], '-d ::/::f -j ROOT-0')
    assert.ok(root.includes('-d ::a/::f -j ROOT-a'))
  })

  test('names of chains fit (28 characters)', () => {
    const nodePorts = Array.from({ length: 2768 }, (_, index) => service(255, 30_000 + index))
    const names = [...dispatch('ip', 'ROADSTEAD-EXTERNAL', nodePorts).keys()]
    assert.ok(Math.max(...names.map((name) => name.length)) <= 28)
  })
})
