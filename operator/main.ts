/** The operator as a process of its own: gives `run` what belongs to the process. */
import { UsageError } from '../kube/flags.ts'
import { run } from './run.ts'

const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort())

try {
  process.exitCode = await run(process.argv.slice(2), {
    env: process.env,
    signal: stopping.signal,
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
  })
} catch (error) {
  const usage = error instanceof UsageError
  process.stderr.write(
    usage
      ? `roadstead operator: ${error.message}\n`
      : `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  )
  process.exitCode = usage ? 2 : 1
}
