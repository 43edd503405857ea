/**
 * The command-line tool: finds the command, gives it flags, environment, output and a stop signal, and turns its answer
 * into an exit code. A usage error is one line on stderr and exit code 2, with nothing started.
 */
import { UsageError } from '../kube/flags.ts'
import type { CommandIo } from '../kube/flags.ts'
import { version } from '../kube/version.ts'

interface Command {
  summary: string
  load: () => Promise<(argv: string[], io: CommandIo) => Promise<number>>
}

const commands: Record<string, Command> = {
  up: {
    summary: 'start a whole small cluster with load balancers on this machine',
    load: async () => (await import('./up.ts')).run,
  },
  tour: {
    summary: 'the same without a person: checks every promise with real connections',
    load: async () => (await import('./tour/tour.ts')).run,
  },
  sandbox: {
    summary: 'exec: run a command inside a running sandbox; list; clean',
    load: async () => (await import('./sandbox.ts')).run,
  },
  operator: {
    summary: 'the controller process',
    load: async () => (await import('../operator/run.ts')).run,
  },
  proxy: {
    summary: 'the per-node proxy process',
    load: async () => (await import('../proxy/run.ts')).run,
  },
  analyze: {
    summary: 'what Services of other controllers become, and what is wrong with ours',
    load: async () => (await import('./analyze.ts')).run,
  },
  apiserver: {
    summary: 'the sandbox API server alone, without controllers',
    load: async () => (await import('../sandbox/apiserver/command.ts')).run,
  },
  balancer: {
    summary: "the local cloud's load balancer process",
    load: async () => (await import('../providers/local/balancer/run.ts')).run,
  },
}

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => stop.abort())
// A reader that went away (`roadstead up | head`) is a wish to stop, not a crash.
process.stdout.on('error', () => stop.abort())

process.exitCode = await main(process.argv.slice(2))

async function main(argv: string[]): Promise<number> {
  const [name, ...rest] = argv
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(usage())
    return name === undefined ? 2 : 0
  }
  if (name === 'version' || name === '--version') {
    process.stdout.write(`roadstead ${version}\n`)
    return 0
  }
  const command = commands[name]
  if (command === undefined) {
    process.stderr.write(`roadstead: unknown command "${name}"; see roadstead help\n`)
    return 2
  }
  try {
    return await (await command.load())(rest, {
      env: process.env,
      signal: stop.signal,
      stdout: (text) => void process.stdout.write(text),
      stderr: (text) => void process.stderr.write(text),
      ...(process.stdout.isTTY ? { columns: process.stdout.columns } : {}),
    })
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`roadstead ${name}: ${error.message}\n`)
      return 2
    }
    process.stderr.write(
      `roadstead ${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    )
    return 1
  }
}

function usage(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length))
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)
  return `Usage: roadstead COMMAND [flags]   (also: kubectl roadstead COMMAND)\n\n${lines.join('\n')}\n\nroadstead COMMAND --help prints the flags of one.\n`
}
