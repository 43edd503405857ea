/** Runs the `nft` program. The only place where it is started. */
import { spawn } from 'node:child_process'
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
  const run = (args: readonly string[], text: string) =>
    new Promise<string>((resolve, reject) => {
      const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
      if (child.pid !== undefined && started.push(child.pid) > remembered) started.shift()
      const output: Buffer[] = []
      let complaint = ''
      child.stdout.on('data', (part: Buffer) => output.push(part))
      child.stderr.setEncoding('utf8').on('data', (part: string) => {
        if (complaint.length < 2000) complaint += part
      })
      // nft can end at a syntax error before it has read everything.
      child.stdin.on('error', () => {})
      child.on('error', (cause) =>
        reject(new WriteError(`${program} could not be started: ${cause.message}`, { cause })),
      )
      child.on('close', (code, signal) => {
        if (code === 0) resolve(Buffer.concat(output).toString())
        else
          reject(new WriteError(`nft failed (${signal ?? `exit code ${code}`}): ${complaint.trim() || 'no message'}`))
      })
      child.stdin.end(text)
    })
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
