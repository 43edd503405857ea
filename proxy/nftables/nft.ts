/** The `nft` program as the writers of rules use it. */
import { ProgramMissing, runProgram } from '../program.ts'
import { WriteError } from '../writer.ts'

export interface Nft {
  /** `nft -f -` with this text: one transaction. Rejects with WriteError, and then nothing of it happened. */
  load(text: string): Promise<void>
  /** `nft --check -f -`: rejects with WriteError when the text could not be loaded; changes nothing. */
  check(text: string): Promise<void>
  /** `nft list ...`, what it printed. One object a call: in one file nft 1.0.6 finds only what the last command names. */
  list(...what: readonly string[]): Promise<string>
  /** Whether a netlink port belongs to one of the latest processes started here: the kernel gives a process's id to its first socket. */
  isOurs(portId: number): boolean
}

/** How many processes are remembered; changes are heard of before the process ends. */
const remembered = 16

/** @param program `nft`, or a path to it */
export function nftProgram(program = 'nft'): Nft {
  const started: number[] = []
  const remember = (pid: number) => {
    if (started.push(pid) > remembered) started.shift()
  }
  const run = async (args: readonly string[], text: string) => {
    const ended = await runProgram(program, args, text, remember).catch((cause: unknown) => {
      throw cause instanceof ProgramMissing ? new WriteError(cause.message, { cause }) : cause
    })
    if (ended.code === 0) return ended.stdout
    const how = ended.code === undefined ? 'ended by a signal' : `exit code ${ended.code}`
    throw new WriteError(`nft failed (${how}): ${ended.stderr || 'no message'}`)
  }
  return {
    async load(text) {
      await run(['-f', '-'], text)
    },
    async check(text) {
      await run(['--check', '-f', '-'], text)
    },
    list: (...what) => run(['list', ...what], ''),
    isOurs: (portId) => started.includes(portId),
  }
}
