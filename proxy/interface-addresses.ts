/** The addresses of this machine's network interfaces, and when they change. Asked for now and then: Node tells of no changes. */
import { networkInterfaces } from 'node:os'
import type { Clock } from '../kube/clock.ts'
import { type Address, parseAddress } from './rules/addresses.ts'

/** How late a change is noticed at most. One look takes some 10 us an interface. */
const everyMs = 2000

/** Link-local IPv6 addresses are left out: they mean something only together with an interface. */
export function interfaceAddresses(read = networkInterfaces): Address[] {
  return Object.values(read()).flatMap((entries) =>
    (entries ?? []).flatMap((entry) => (entry.address.startsWith('fe80:') ? [] : (parseAddress(entry.address) ?? []))),
  )
}

/** Calls `look` every other second until it is stopped by what it returns. */
export function lookAgain(clock: Clock, look: () => void): () => void {
  let cancel = () => {}
  const next = () => {
    cancel = clock.after(everyMs, () => {
      look()
      next()
    })
  }
  next()
  return () => cancel()
}
