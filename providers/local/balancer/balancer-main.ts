/** The balancer as a process of its own, for those who start it without the command-line tool. */
import { run } from './run.ts'

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => stop.abort())
process.exitCode = await run(process.argv.slice(2), {
  signal: stop.signal,
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
})
