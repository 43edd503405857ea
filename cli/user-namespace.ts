/**
 * Where a command that needs namespaces runs: here, for root; for an ordinary user the same command again inside a user namespace,
 * which shares the machine's network; nowhere, with a message, on a machine that cannot.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { CommandIo } from '../kube/flags.ts'
import { exitOf } from '../sandbox/nodes/processes.ts'
import { prepareMachine } from '../sandbox/prerequisites.ts'

/** Set for the process inside: it need not prepare the machine again. */
const insideVariable = 'ROADSTEAD_INSIDE'

/**
 * The command line that runs this tool's commands. V8 sizes its young generation for throughput; 16 MiB instead saves each of the
 * long-running processes 70 MiB and more (measured by `npm run bench -- kube`). --expose-gc: proxy/garbage.ts.
 */
export const roadsteadCommand: readonly string[] = [
  process.execPath,
  '--max-semi-space-size=16',
  '--expose-gc',
  join(import.meta.dirname, 'main.ts'),
]

/** Prepares the machine. undefined: go on here; otherwise the command is over, with this exit code. `argv` includes the command's name. */
export async function elsewhere(argv: readonly string[], io: CommandIo): Promise<number | undefined> {
  if (io.env[insideVariable] !== undefined) return undefined
  const machine = await prepareMachine((line) => io.stdout(`${line}\n`))
  if (machine.kind === 'lacking') {
    io.stderr(`roadstead ${argv[0]}: ${machine.message}\n`)
    return 1
  }
  return machine.launcher.length > 0 ? await runInside(machine.launcher, argv, io) : undefined
}

/** Runs `argv` of this tool behind the launcher, with our terminal, and resolves with its exit code. */
async function runInside(launcher: readonly string[], argv: readonly string[], io: CommandIo): Promise<number> {
  const [file = '', ...rest] = [...launcher, ...roadsteadCommand, ...argv]
  const child = spawn(file, rest, { stdio: 'inherit', env: { ...io.env, [insideVariable]: '1' } })
  const forward = () => void child.kill('SIGTERM')
  io.signal.addEventListener('abort', forward, { once: true })
  const { code } = await exitOf(child)
  io.signal.removeEventListener('abort', forward)
  return code ?? 1
}
