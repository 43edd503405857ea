/** Runs the `nft` program. The only place where it is started. */
import { spawn } from 'node:child_process'
import { WriteError } from './writer.ts'

/** Runs `nft -f -` with this text and resolves with what it printed. Rejects with WriteError: nothing of the text happened. */
export type RunNft = (text: string) => Promise<string>

/** @param program `nft`, or a path to it */
export function nftProgram(program = 'nft'): RunNft {
  return (text) =>
    new Promise((resolve, reject) => {
      const child = spawn(program, ['-f', '-'], { stdio: ['pipe', 'pipe', 'pipe'] })
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
}
