/**
 * Mode ipvs of the proxy, in virtual machines because IPVS is in few kernels: every behaviour test of integration/proxy that is about modes,
 * and real SCTP associations in all modes, for which few kernels have sockets either. As many machines as processors run side by side.
 * `npm run integration -- vm ipvs`, which continuous integration runs as well: minutes where the processor is emulated.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { before, describe, test } from 'node:test'
import { requires } from '../../scripts/requires.ts'
import { projectRoot, sourceFiles } from '../../scripts/source-files.ts'
import { fetchKernel } from './kernel.ts'
import { testInMachine } from './testing.ts'

interface Share {
  /** Without folder and ending. */
  names: string[]
  modes: string
}

/** Their tests are about more than one mode at a time. */
const acrossModes: Share = { names: ['mode-switch', 'sctp-sockets'], modes: 'nftables,iptables,ipvs' }
const tests = sourceFiles('integration/proxy', '.test.ts').map((path) => ({
  name: basename(path, '.test.ts'),
  source: readFileSync(join(projectRoot, path), 'utf8'),
}))
const ofIpvs = tests
  .filter(({ name, source }) => name === 'ipvs' || source.includes('describeEachMode('))
  .map(({ name }) => name)
  .filter((name) => !acrossModes.names.includes(name))
/** What an emulated processor is busy with longest comes first, so that no machine works alone at the end; in seconds, the rest takes less. */
const costs: Readonly<Record<string, number>> = {
  conntrack: 250,
  'many-endpoints': 150,
  'cluster-ip': 80,
  external: 80,
}
/** Each well below its time limit, also where others use the processors. */
const shareCount = 8

/** Each to whoever has least. */
function shares(): Share[] {
  const made = Array.from({ length: shareCount }, () => ({ names: [] as string[], modes: 'ipvs', cost: 0 }))
  const costOf = (name: string) => costs[name] ?? 60
  for (const name of ofIpvs.sort((a, b) => costOf(b) - costOf(a))) {
    const least = made.reduce((one, other) => (other.cost < one.cost ? other : one))
    least.names.push(name)
    least.cost += costOf(name)
  }
  return [acrossModes, ...made]
}

const skip = requires('root', 'linux', 'qemu', 'nft', 'ip', 'ipvsadm', 'iptables')

describe('a kernel with IPVS', { skip, concurrency: availableParallelism() }, () => {
  // Once for all: they would each fetch it.
  before(() => fetchKernel())

  for (const { names, modes } of shares()) {
    test(`${modes}: ${names.join(', ')}`, (t) =>
      testInMachine(t, {
        files: names.map((name) => `integration/proxy/${name}.test.ts`),
        env: { ROADSTEAD_MODES: modes },
        modules: ['ip_vs', 'ip_vs_rr', 'ip_vs_sh', 'dummy', 'sctp'],
        timeoutMs: 1_150_000,
      }))
  }
})
