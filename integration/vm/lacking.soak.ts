/** Kernels that lack something: the proxy ends at once, says in one line what it is and what to do, and leaves nothing behind. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { requires } from '../../scripts/requires.ts'
import { runInMachine } from './machine.ts'

/** By mode: what the kernel is deprived of, and what is said of it. */
const lacks: Readonly<Record<string, { without: string; said: RegExp }>> = {
  nftables: {
    without: 'nft_numgen',
    said: /nft or the kernel refuses our tables: .* are needed, or use --proxy-mode=iptables \(.*No such file or directory\)/,
  },
  iptables: {
    // Those of iptables-legacy are not loaded in the first place.
    without: '',
    said: /iptables-legacy does not work here \(.*\), and there is iptables-nft, .* --proxy-mode=nftables .*: use that, or load ip_tables/,
  },
  ipvs: { without: '', said: /this kernel has no IPVS: modules ip_vs, .* are needed; or use --proxy-mode=nftables/ },
}

for (const [mode, { without, said }] of Object.entries(lacks)) {
  test(`a kernel that cannot do mode ${mode}`, {
    skip: requires('root', 'linux', 'qemu', 'nft', 'iptables', 'ipvsadm'),
  }, async () => {
    const results = mkdtempSync(join(tmpdir(), 'roadstead-vm-results-'))
    const script = `${without === '' ? '' : `/run/rmmod ${without} || echo kept`}
        echo /bin/false > /proc/sys/kernel/modprobe
        node cli/main.ts proxy --proxy-mode=${mode} --master=http://127.0.0.1:1
        echo "code $?"
        nft list ruleset`
    try {
      const { code, output, console } = await runInMachine({
        argv: ['sh', '-c', script],
        results,
        timeoutMs: 300_000,
      })
      assert.equal(code, 0, `${output}\n${console}`)
      const [line = '', ended, ...more] = output.split('\n')
      assert.match(line, new RegExp(`^roadstead proxy: mode ${mode} cannot be used: .*${said.source}`), output)
      assert.deepEqual([ended, ...more], ['code 1', ''], output)
    } finally {
      rmSync(results, { recursive: true, force: true })
    }
  })
}
