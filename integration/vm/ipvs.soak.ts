/**
 * Mode ipvs of the proxy: behaviour tests of integration/proxy, in a virtual machine, because IPVS is in few kernels. The rest of them is in
 * behaviour.soak.ts. Run with `npm run integration -- vm`: minutes where the processor is emulated. Not every test of cluster-ip holds in
 * this mode yet.
 */
import { test } from 'node:test'
import { requires } from '../../scripts/requires.ts'
import { testInMachine } from './testing.ts'

const behaviours = ['cluster-ip', 'external', 'affinity', 'ipvs']

test('mode ipvs in a kernel that has it', { skip: requires('root', 'linux', 'qemu', 'nft', 'ip', 'ipvsadm') }, (t) =>
  testInMachine(t, {
    files: behaviours.map((name) => `integration/proxy/${name}.test.ts`),
    env: { ROADSTEAD_MODES: 'ipvs' },
    modules: ['ip_vs', 'ip_vs_rr', 'ip_vs_sh', 'dummy'],
    timeoutMs: 1_150_000,
  }),
)
