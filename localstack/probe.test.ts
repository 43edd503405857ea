/** The probe finds moto's deviations, none of them through the proxy, and the README's table says the same. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { parse } from 'yaml'
import { requires } from '../scripts/requires.ts'
import { type Emulator, motoVersion, startEmulator } from './emulator.ts'
import { startFaultProxy } from './fault-proxy.ts'
import { type Finding, lacking, probe, repairsFor } from './probe.ts'
import { table } from './probe-table.ts'
import { repairNames } from './repairs/repairs.ts'

describe('the capability probe', { skip: requires('moto') }, () => {
  let emulator: Emulator
  let plain: readonly Finding[]
  before(async () => {
    emulator = await startEmulator({ kind: 'moto' })
    plain = await probe(emulator.url)
  })
  after(async () => await emulator.close())

  test('names what moto does unlike AWS, and every repair is needed', () => {
    assert.deepEqual(repairsFor(plain), repairNames)
    const needed = plain.filter(({ deviation }) => deviation !== undefined).map(({ repairedBy }) => repairedBy)
    assert.deepEqual([...new Set(needed)].sort(), [...repairNames].sort())
    const arns = plain.find(({ name }) => name === 'network ARNs')
    assert.match(arns?.deviation ?? '', /:loadbalancer\/app\//)
  })

  test('finds nothing unlike AWS through the proxy', async (context) => {
    const proxy = await startFaultProxy({ upstream: emulator.url })
    context.after(() => proxy.close())
    const unlike = (await probe(proxy.url)).filter(({ deviation }) => deviation !== undefined)
    assert.deepEqual(unlike, [])
  })

  test('gives the reason to skip a test, by name', () => {
    assert.equal(
      lacking(plain, 'group attributes', 'targets by id and port')
        ?.toString()
        .includes('targets by id and port (1 target)'),
      true,
    )
    const asAws = plain.map((finding) => ({ ...finding, deviation: undefined }))
    assert.equal(lacking(asAws, 'target health'), false)
    assert.throws(() => lacking(plain, 'frob'), /no capability is called frob/)
  })

  test('the table in the README is what was found', () => {
    const readme = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8')
    const rows = table(plain).join('\n')
    assert.ok(readme.includes(rows), `README.md lacks:\n${rows}`)
  })
})

test('docker-compose.yml: images are pinned, ports are on loopback', () => {
  const { services } = parse(readFileSync(join(import.meta.dirname, 'docker-compose.yml'), 'utf8')) as {
    services: Record<string, { image: string; ports: string[]; profiles: string[] }>
  }
  assert.deepEqual(Object.keys(services), ['moto', 'localstack'])
  for (const [name, { image, ports, profiles }] of Object.entries(services)) {
    assert.deepEqual(profiles, [name])
    assert.match(image, /:(\$\{\w+:-)?\d+\.\d+\.\d+\}?$/)
    for (const port of ports) assert.match(port, /^127\.0\.0\.1:/)
  }
  assert.ok(services['moto']?.image.endsWith(`:${motoVersion}`))
})
