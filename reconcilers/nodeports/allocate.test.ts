import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { array, assert as checkProperty, integer, property, record, string } from 'fast-check'
import { candidates, filled, portsToFill, usedPorts } from './allocate.ts'

const server = { from: 30000, to: 32767 }
const pool = (from: number, to: number) => ({ ranges: [{ from, to }] })

describe('candidates', () => {
  test('the static band comes before the dynamic one, round numbers last in each', () => {
    const ports = candidates(pool(30079, 30092), new Set(), server, 'seed')
    const dynamic = ports.findIndex((port) => port >= 30086)
    assert.ok(ports.slice(dynamic).every((port) => port >= 30086))
    assert.equal(ports[dynamic - 1], 30080)
    assert.equal(ports.at(-1), 30090)
  })

  test('nothing outside the range of the server, nothing that is taken', () => {
    assert.deepEqual(
      candidates(pool(29990, 30003), new Set([30001]), server, 's').toSorted((a, b) => a - b),
      [30000, 30002, 30003],
    )
  })

  test('for any pool: each free port once, and the same order for the same Service', () => {
    const range = record({ from: integer({ min: 29900, max: 32800 }), length: integer({ min: 0, max: 60 }) })
    checkProperty(
      property(
        array(range, { minLength: 1, maxLength: 4 }),
        array(integer({ min: 29900, max: 32800 })),
        string(),
        (ranges, taken, seed) => {
          const spec = { ranges: ranges.map(({ from, length }) => ({ from, to: from + length })) }
          const found = candidates(spec, new Set(taken), server, seed)
          assert.equal(new Set(found).size, found.length)
          assert.ok(found.every((port) => !taken.includes(port) && port >= server.from && port <= server.to))
          assert.ok(found.every((port) => spec.ranges.some(({ from, to }) => port >= from && port <= to)))
          assert.deepEqual(candidates(spec, new Set(taken), server, seed), found)
        },
      ),
    )
  })
})

test('equal ports of two protocols share a node port; ports that have one keep it', () => {
  const ports = [
    { port: 53, protocol: 'TCP' as const },
    { port: 53, protocol: 'UDP' as const },
    { port: 80, nodePort: 30500 },
    { port: 443 },
  ]
  assert.equal(portsToFill(ports), 2)
  assert.deepEqual(
    filled(ports, [30001, 30002]).map(({ nodePort }) => nodePort),
    [30001, 30001, 30500, 30002],
  )
})

test('a protocol added to a port shares the node port that the port has', () => {
  const ports = [
    { port: 53, protocol: 'TCP' as const, nodePort: 30007 },
    { port: 53, protocol: 'UDP' as const },
  ]
  assert.equal(portsToFill(ports), 0)
  assert.deepEqual(
    filled(ports, []).map(({ nodePort }) => nodePort),
    [30007, 30007],
  )
})

test('health check node ports count as used', () => {
  const service = { metadata: {}, spec: { ports: [{ port: 1, nodePort: 30001 }], healthCheckNodePort: 30009 } }
  assert.deepEqual([...usedPorts([service])], [30001, 30009])
})
