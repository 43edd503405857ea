/**
 * A relay as a process, to be started inside a namespace: `relay-main.ts LISTEN TARGET [LISTEN TARGET ...]`, addresses as in relay.ts.
 * Prints `ready` when all of them listen; SIGTERM ends it. Exit code 2: bad arguments, 1: an address that cannot be listened on.
 */
import { formatRelayAddress, parseRelayAddress, type Relay, startRelay } from './relay.ts'

const relays: Relay[] = []
try {
  const addresses = process.argv.slice(2).map(parseRelayAddress)
  if (addresses.length === 0 || addresses.length % 2 !== 0)
    throw new RangeError('usage: relay-main.ts LISTEN TARGET ...')
  for (let i = 0; i < addresses.length; i += 2) {
    const [listen, target] = [addresses[i], addresses[i + 1]]
    if (listen && target) relays.push(await startRelay(listen, target))
  }
  process.stdout.write(`ready ${relays.map(({ address }) => formatRelayAddress(address)).join(' ')}\n`)
} catch (error) {
  process.stderr.write(`relay: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(error instanceof RangeError ? 2 : 1)
}

process.on('SIGTERM', () => {
  void Promise.all(relays.map((relay) => relay.close())).then(() => process.exit(0))
})
