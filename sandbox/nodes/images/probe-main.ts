/** The load tool as a program: `probe-main.ts http URL --rate 300 --seconds 10`. SIGINT and SIGTERM end the run and print what was seen. */
import { probeCommand } from './probe.ts'

const stopping = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stopping.abort())
process.exitCode = await probeCommand(
  process.argv.slice(2),
  (line) => process.stdout.write(`${line}\n`),
  stopping.signal,
)
