/**
 * Image `client`: without arguments it waits to be used by `roadstead sandbox exec POD -- ...`; with arguments it is the load tool of
 * probe.ts (`http URL ...`). Ends at once on SIGTERM.
 */
import { probeCommand } from './probe.ts'

if (process.argv.length > 2) {
  process.exitCode = await probeCommand(process.argv.slice(2), (line) => process.stdout.write(`${line}\n`))
} else {
  const waiting = setInterval(() => {}, 60_000)
  process.once('SIGTERM', () => clearInterval(waiting))
}
