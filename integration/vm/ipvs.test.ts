/** Mode ipvs of the proxy: the behaviour tests of integration/proxy, in a virtual machine, because IPVS is in few kernels. */
import { test } from 'node:test'
import { requires } from '../../scripts/requires.ts'
import { testInMachine } from './testing.ts'

const behaviours = ['cluster-ip', 'external', 'policy', 'affinity', 'ipvs']

test('mode ipvs in a kernel that has it', { skip: requires('root', 'linux', 'qemu', 'nft', 'ip', 'ipvsadm') }, (t) =>
  testInMachine(t, {
    files: behaviours.map((name) => `integration/proxy/${name}.test.ts`),
    env: { ROADSTEAD_MODES: 'ipvs' },
    modules: ['ip_vs', 'ip_vs_rr', 'dummy'],
    timeoutMs: 1_500_000,
  }),
)
