/** All behaviour tests of the proxy in every mode on Debian's kernel, a file at a time. Hours where the processor is emulated. */
import { test } from 'node:test'
import { requires } from '../../scripts/requires.ts'
import { sourceFiles } from '../../scripts/source-files.ts'
import { testInMachine } from './testing.ts'

for (const mode of ['ipvs', 'nftables', 'iptables']) {
  for (const file of sourceFiles('integration/proxy', '.test.ts')) {
    test(
      `${file}, mode ${mode}`,
      { skip: requires('root', 'linux', 'qemu', 'nft', 'ip', 'ipvsadm', 'iptables') },
      (t) =>
        testInMachine(t, {
          files: [file],
          env: { ROADSTEAD_MODES: mode },
          modules: ['ip_vs', 'ip_vs_rr', 'ip_vs_sh', 'dummy', 'sctp'],
          timeoutMs: 1_150_000,
        }),
    )
  }
}
