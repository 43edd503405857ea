/**
 * What every read of the inventory works with: the plain port, the records it fills and the clock. Also what AWS's NotFound means to a read:
 * never a failure, for what the records show may be too young to be seen everywhere, or have gone since.
 */
import { CloudError } from '../../contract.ts'
import type { AwsCloud } from '../cloud.ts'
import type { List, Records } from './records.ts'
import { graceMs } from './records.ts'

export interface Reading {
  /** The port as it is, not the one that records writes. */
  cloud: AwsCloud
  records: Records
  /** Milliseconds. */
  now: () => number
  /** In which every Service is looked at again; milliseconds. */
  lookMs: number
  /** Many placements ask at once: one read of this name serves them all. */
  once: (name: string, read: () => Promise<void>) => Promise<void>
}

export function sharedReads(): Reading['once'] {
  const running = new Map<string, Promise<void>>()
  return (name, read) => {
    const under = running.get(name)
    if (under !== undefined) return under
    const reading = read().finally(() => running.delete(name))
    running.set(name, reading)
    return reading
  }
}

export function notFound(error: unknown): boolean {
  return error instanceof CloudError && error.kind === 'not-found'
}

/** After NotFound of something in a list: the list is read again unless the object is young. Throws every other error. */
export function vanished(error: unknown, { madeAt }: { madeAt?: number }, list: List, { records, now }: Reading): void {
  if (!notFound(error)) throw error
  if (madeAt === undefined || now() - madeAt > graceMs) records.listedAt[list] = -Infinity
}
