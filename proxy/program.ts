/** Runs a program to its end with text on its standard input. */
import { spawn } from 'node:child_process'

export interface Ended {
  /** Undefined when a signal ended it. */
  code: number | undefined
  stdout: string
  /** The first 2000 characters of what it complained about. */
  stderr: string
}

/** Rejects with ProgramMissing when it cannot be started. */
export type Run = (program: string, args: readonly string[], input?: string) => Promise<Ended>

export class ProgramMissing extends Error {
  override readonly name = 'ProgramMissing'
}

/** @param started is told the id of the process */
export function runProgram(
  program: string,
  args: readonly string[],
  input = '',
  started: (pid: number) => void = () => {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    if (child.pid !== undefined) started(child.pid)
    const output: Buffer[] = []
    let stderr = ''
    child.stdout.on('data', (part: Buffer) => output.push(part))
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      if (stderr.length < 2000) stderr += part
    })
    // It can end at an error before it has read everything.
    child.stdin.on('error', () => {})
    child.on('error', (cause) =>
      reject(new ProgramMissing(`${program} could not be started: ${cause.message}`, { cause })),
    )
    child.on('close', (code) =>
      resolve({ code: code ?? undefined, stdout: Buffer.concat(output).toString(), stderr: stderr.trim() }),
    )
    child.stdin.end(input)
  })
}
