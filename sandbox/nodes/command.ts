/**
 * Runs a short command to its end and returns what it printed. No shell, no inherited stdin.
 * A command that fails throws CommandError with its own words; one that runs too long is killed.
 */
import { spawn } from 'node:child_process'

class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly argv: readonly string[]
  readonly code: number | undefined
  readonly stderr: string

  constructor(argv: readonly string[], code: number | undefined, stderr: string, cause?: unknown) {
    const said = stderr.trim() || (cause instanceof Error ? cause.message : `exit code ${code ?? 'none'}`)
    super(`${argv.join(' ')}: ${said}`, { cause })
    this.argv = argv
    this.code = code
    this.stderr = stderr
  }
}

export interface CommandOptions {
  /** Text for stdin. */
  input?: string
  /** The whole environment; inherited when absent. */
  env?: Readonly<Record<string, string | undefined>>
  cwd?: string
  /** Default 30,000. */
  timeoutMs?: number
  signal?: AbortSignal
}

export interface CommandResult {
  /** undefined: ended by a signal. */
  code: number | undefined
  stdout: string
  stderr: string
}

/** Runs `argv` and resolves with its result, whatever the exit code. Throws CommandError only when it could not be started. */
export function tryCommand(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const [file = '', ...args] = argv
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: options.timeoutMs ?? 30_000,
      killSignal: 'SIGKILL',
      ...(options.env ? { env: { ...options.env } } : {}),
      ...(options.cwd ? { cwd: options.cwd } : {}),
      ...(options.signal ? { signal: options.signal } : {}),
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    // A command may end without reading its input; EPIPE then says nothing new.
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
    child.on('error', (error) => reject(new CommandError(argv, undefined, stderr, error)))
    child.on('close', (code) => resolve({ code: code ?? undefined, stdout, stderr }))
  })
}

/** Runs `argv` and resolves with its stdout. Throws CommandError on any exit code but 0. */
export async function command(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
  const result = await tryCommand(argv, options)
  if (result.code !== 0) throw new CommandError(argv, result.code, result.stderr)
  return result.stdout
}
