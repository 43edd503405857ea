import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { silent } from '../kube/log.ts'
import { createVirtualClock } from '../kube/virtual-clock.ts'
import { options as skeleton } from './iptables/testing.ts'
import type { Mode, ModeOptions } from './mode.ts'
import { type ModeName, modeNames } from './mode-names.ts'
import { allModes, removeOthers } from './modes.ts'
import { type Ended, ProgramMissing, type Run } from './program.ts'

const options: ModeOptions = { skeleton, writer: 'auto', log: silent }

/** A machine with nft alone, which answers so. */
function withNft(answer: Partial<Ended> | undefined) {
  const texts: string[] = []
  const run: Run = (program, args, input = '') => {
    if (program !== 'nft' || answer === undefined) return Promise.reject(new ProgramMissing(program))
    texts.push(`${args.join(' ')}\n${input}`)
    return Promise.resolve({ code: 0, stdout: '', stderr: '', ...answer })
  }
  const modes = allModes(run, createVirtualClock())
  const mode = (name: ModeName): Mode => modes.find((each) => each.name === name) ?? assert.fail(`no mode ${name}`)
  return { modes, mode, texts }
}

describe('modes', () => {
  test('every mode that can be configured is there, the default first', () => {
    assert.deepEqual(
      withNft({}).modes.map(({ name }) => name),
      modeNames,
    )
  })

  test('nftables asks nft and the kernel with a small table of its own, and takes nothing', async () => {
    const { mode, texts } = withNft({})
    assert.equal(await mode('nftables').detect(options), undefined)
    assert.equal(texts.length, 1)
    assert.match(texts[0] ?? '', /^--check -f -\n/)
    assert.deepEqual(
      new Set(texts[0]?.match(/^table ip6? .*/gm)),
      new Set(['table ip roadstead-specimen {', 'table ip6 roadstead-specimen {']),
    )
  })

  const lacks: [string, Partial<Ended> | undefined, RegExp][] = [
    ['no nft', undefined, /no program nft: install nftables 1\.0\.1 or later, or use --proxy-mode=iptables/],
    [
      'no permission',
      { code: 1, stderr: 'Operation not permitted (you must be root)' },
      /run as root \(CAP_NET_ADMIN\)/,
    ],
    [
      'a kernel without nf_tables',
      { code: 1, stderr: 'Error: Could not process rule: Operation not supported\nmore' },
      /Linux 5\.13 and its nf_tables are needed, or use --proxy-mode=iptables \(Error: Could not process rule: Operation not supported\)$/,
    ],
  ]
  for (const [name, answer, reason] of lacks) {
    test(`nftables with ${name} says so and what to do`, async () => {
      const { mode } = withNft(answer)
      assert.match((await mode('nftables').detect(options)) ?? 'nothing', reason)
      await mode('nftables')
        .remove()
        .catch((error: unknown) => assert.match(String(error), /not permitted/))
    })
  }

  test('the rules of all modes but the one in use are removed; a mode that fails is told and does not keep the others', async () => {
    const removed: string[] = []
    const modes = modeNames.map(
      (name): Mode => ({
        name,
        detect: () => Promise.resolve(undefined),
        open: () => Promise.reject(new Error('not asked for')),
        remove: () =>
          name === 'nftables' ? Promise.reject(new Error('no')) : Promise.resolve(void removed.push(name)),
      }),
    )
    const told: object[] = []
    const log = { ...silent, warn: (fields: object) => void told.push(fields) }
    assert.equal(await removeOthers(modes, 'iptables', log), false)
    assert.deepEqual(removed, ['ipvs'])
    assert.equal(told.length, 1)
    assert.equal(await removeOthers(modes, 'nftables', log), true)
    assert.deepEqual(removed, ['ipvs', 'iptables', 'ipvs'])
    assert.equal(await removeOthers(modes, undefined, log), false)
  })
})
