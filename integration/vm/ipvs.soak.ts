/**
 * Mode ipvs of the proxy, in virtual machines because IPVS is in few kernels: every behaviour test of integration/proxy that is about modes,
 * and real SCTP associations in all modes, for which few kernels have sockets either. Machines run side by side, each with its share of
 * the files. Run with `npm run integration -- vm ipvs`, which continuous integration does as well.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { requires } from '../../scripts/requires.ts'
import { projectRoot, sourceFiles } from '../../scripts/source-files.ts'
import { fetchKernel } from './kernel.ts'
import { testInMachine } from './testing.ts'

const file = (name: string) => `integration/proxy/${name}.test.ts`
/** Those whose tests are about more than one mode at a time. */
const acrossModes = ['mode-switch', 'sctp-sockets'].map(file)
const ipvsAlone = sourceFiles('integration/proxy', '.test.ts').filter(
  (path) =>
    !acrossModes.includes(path) &&
    (path === file('ipvs') || readFileSync(join(projectRoot, path), 'utf8').includes('describeEachMode(')),
)
/** Seconds on an emulated processor, as far as they are far from the others'. */
const costs: Readonly<Record<string, number>> = {}
const usualCost = 60
const machines = 4

interface Share {
  files: string[]
  modes: string
  cost: number
}

/** The costliest first, each to whoever has least. */
function shares(): Share[] {
  const ipvs: Share[] = Array.from({ length: machines }, () => ({ files: [], modes: 'ipvs', cost: 0 }))
  const costOf = (path: string) => costs[path] ?? usualCost
  for (const path of ipvsAlone.sort((a, b) => costOf(b) - costOf(a))) {
    const [least] = ipvs.sort((a, b) => a.cost - b.cost)
    least?.files.push(path)
    if (least) least.cost += costOf(path)
  }
  return [...ipvs, { files: acrossModes, modes: 'nftables,iptables,ipvs', cost: 0 }]
}

describe('a kernel with IPVS', {
  skip: requires('root', 'linux', 'qemu', 'nft', 'ip', 'ipvsadm', 'iptables'),
  // Not more machines than processors: an emulated one is busy all the time.
  concurrency: Math.min(machines, availableParallelism()),
}, () => {
  before(() => fetchKernel())

  for (const { files, modes } of shares()) {
    const names = files.map((path) => /([\w-]+)\.test\.ts$/.exec(path)?.[1])
    test(`${modes}: ${names.join(', ')}`, (t) =>
      testInMachine(t, {
        files,
        env: { ROADSTEAD_MODES: modes },
        modules: ['ip_vs', 'ip_vs_rr', 'ip_vs_sh', 'dummy', 'sctp'],
        timeoutMs: 1_150_000,
      }))
  }
})
