/**
 * Command-line flags in the manner of Kubernetes components: `--kebab-case=value`, long names only, `-h`.
 * A mistake is a UsageError with one line that says what to do; commands end with exit code 2 on it and start nothing.
 */
import { parseArgs } from 'node:util'

export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export interface FlagSpec {
  type: 'string' | 'boolean'
  short?: string
  multiple?: boolean
  default?: string | boolean | string[]
}

export interface Flags {
  values: Record<string, string | boolean | (string | boolean)[] | undefined>
  positionals: string[]
}

/** What a command gets instead of the process. */
export interface CommandIo {
  env: Readonly<Record<string, string | undefined>>
  /** Aborts on SIGINT or SIGTERM: clean up and return. */
  signal: AbortSignal
  stdout: (text: string) => void
  stderr: (text: string) => void
  /** Columns of the terminal on stdout; undefined when it is not one. */
  columns?: number
}

/** Parses `argv` (without node and script). Throws UsageError. */
export function parseFlags(argv: readonly string[], options: Record<string, FlagSpec>, positionals = false): Flags {
  try {
    const parsed = parseArgs({ args: [...argv], options, allowPositionals: positionals, strict: true })
    return { values: { ...parsed.values }, positionals: parsed.positionals }
  } catch (error) {
    throw new UsageError(error instanceof Error ? (error.message.split('. ')[0] ?? '') : String(error), {
      cause: error,
    })
  }
}
