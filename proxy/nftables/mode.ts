/** The mode `nftables`: whether this machine can do it, and its writers. */
import type { Mode } from '../mode.ts'
import { ProgramMissing, type Run } from '../program.ts'
import { removeText } from './chains.ts'
import { chooseWriter } from './choose-writer.ts'
import { nftProgram } from './nft.ts'
import { specimen } from './skeleton.ts'

const elsewhere = 'or use --proxy-mode=iptables'

export function nftablesMode(run: Run): Mode {
  /** Output and complaint of `nft -f -`; undefined when there is no such program. */
  const nft = async (args: readonly string[], text: string) => {
    try {
      return await run('nft', [...args, '-f', '-'], text)
    } catch (error) {
      if (error instanceof ProgramMissing) return undefined
      throw error
    }
  }
  return {
    name: 'nftables',
    async detect(options) {
      // The kernel looks through all of it and takes nothing.
      const checked = await nft(['--check'], specimen(options.skeleton))
      if (checked === undefined) return `there is no program nft: install nftables 1.0.1 or later, ${elsewhere}`
      if (checked.code === 0) return undefined
      if (/Operation not permitted/.test(checked.stderr)) return 'nft is not permitted: run as root (CAP_NET_ADMIN)'
      return `nft or the kernel refuses our tables: nft 1.0.1, Linux 5.13 and its nf_tables are needed, ${elsewhere} (${checked.stderr.split('\n')[0]})`
    },
    open: ({ skeleton: options, writer, log }) => chooseWriter(writer, { nft: nftProgram(), skeleton: options, log }),
    async remove() {
      const removed = await nft([], removeText())
      if (removed === undefined || removed.code === 0 || /not supported/i.test(removed.stderr)) return
      throw new Error(`the tables of mode nftables could not be removed: ${removed.stderr}`)
    },
  }
}
