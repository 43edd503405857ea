/** The process behind the built-in image `dns`. */
import { pino } from 'pino'
import { UsageError } from '../../kube/flags.ts'
import { run } from './command.ts'

const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort())
const io = {
  env: process.env,
  signal: stopping.signal,
  stdout: (text: string) => void process.stdout.write(text),
  stderr: (text: string) => void process.stderr.write(text),
}

try {
  process.exitCode = await run(process.argv.slice(2), io, pino({ name: 'dns' }, pino.destination(2)))
} catch (error) {
  const usage = error instanceof UsageError
  io.stderr(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = usage ? 2 : 1
}
