/** The rules of mode iptables against the programs and the kernel, both flavours, in a private namespace: test, restore, save, change. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../kube/clock.ts'
import { families } from '../../proxy/addresses.ts'
import { difference } from '../../proxy/elements.ts'
import { findPrograms, iptables } from '../../proxy/iptables/iptables.ts'
import { elementsOf, options, randomNode } from '../../proxy/iptables/testing.ts'
import { iptablesWriter } from '../../proxy/iptables/writer.ts'
import { type Run, runProgram } from '../../proxy/program.ts'
import { createNamespaces, deleteNamespaces, runIn } from '../../sandbox/nodes/netns.ts'
import { requires } from '../../scripts/requires.ts'

const namespace = 'rs-iptables-rules'
const log = { debug() {}, info() {}, warn() {}, error() {} }
const seeds = [1, 77, 1234, 98_765]

const run: Run = async (program, args, input = '') => {
  const { code, stdout, stderr } = await runIn(namespace, [program, ...args], { input })
  return { code: code ?? undefined, stdout, stderr }
}

describe('rules of iptables in the kernel', {
  skip: requires('root', 'linux', 'ip', 'nsenter', 'iptables'),
}, async () => {
  before(async () => {
    await deleteNamespaces([namespace])
    await createNamespaces([namespace])
  })
  after(() => deleteNamespaces([namespace]))

  for (const programs of await findPrograms(runProgram)) {
    const writer = () =>
      iptablesWriter({
        programs: families.map((family) => iptables(run, programs, family)),
        options,
        clock: systemClock,
        log,
      })
    const elements = (seed: number) =>
      new Map(families.flatMap((family) => [...elementsOf(family, randomNode(seed, 150))]))

    test(`${programs.flavour}: what is written is read back, by another process as well`, async () => {
      for (const seed of seeds) {
        await writer().replace(elements(seed))
        const found = await writer().read()
        assert.ok(found, `seed ${seed}`)
        const { remove, add } = difference(found, elements(seed))
        assert.deepEqual([...remove.keys(), ...[...add.keys()].filter((id) => !/ (session|learn) /.test(id))], [])
      }
    })
  }
})
