/** The frame of every recorded write: what follows from a refusal, and small changes to records. */
import { CloudError } from '../../contract.ts'
import type { List, Life, Records, Words } from './records.ts'
import { graceMs, wordsOf } from './records.ts'

interface Touched {
  lists: readonly List[]
  /** What the call refers to: young ones may not be visible everywhere. */
  of: readonly (Life | undefined)[]
  /** More to forget when the answer is not clear. */
  unsure?: () => void
}

/** Throws CloudError. */
export async function write<T>(
  records: Records,
  now: () => number,
  { lists, of, unsure }: Touched,
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if (!(error instanceof CloudError)) throw error
    const { kind, message, code, requestId } = error
    const young = of.some((life) => life?.madeAt !== undefined && now() - life.madeAt < graceMs)
    if (kind === 'not-found' && young) {
      throw new CloudError('not-visible', `AWS does not show yet what was just made: ${message}`, {
        cause: error,
        ...(code === undefined ? {} : { code }),
        ...(requestId === undefined ? {} : { requestId }),
      })
    }
    if (kind !== 'throttled' && kind !== 'in-use' && kind !== 'denied') {
      for (const list of lists) records.listedAt[list] = -Infinity
      unsure?.()
    }
    throw error
  }
}

/** An action of the port about one object: `done` lays it over the object's record, where there is one; `unsure` as in Touched. */
export function onRecord<I, R extends Life, T>(
  { records, now, lists }: { records: Records; now: () => number; lists: readonly List[] },
  recordOf: (input: I) => R | undefined,
  call: (input: I, signal: AbortSignal) => Promise<T>,
  done: (record: R, input: I) => void,
  unsure: (record: R | undefined, input: I) => void = () => {},
): (input: I, signal: AbortSignal) => Promise<T> {
  return async (input, signal) => {
    const record = recordOf(input)
    const touched = { lists, of: [record], unsure: () => unsure(record, input) }
    const answer = await write(records, now, touched, () => call(input, signal))
    if (record !== undefined) done(record, input)
    return answer
  }
}

/** A delete of what is gone is done. */
export async function removal(
  records: Records,
  now: () => number,
  list: List,
  record: Life | undefined,
  call: () => Promise<void>,
): Promise<void> {
  try {
    await write(records, now, { lists: [list], of: [] }, call)
  } catch (error) {
    if (!(error instanceof CloudError && error.kind === 'not-found')) throw error
  }
  if (record !== undefined) record.deletedAt = now()
}

export function retag(
  record: { tags: { at: number; value: Words } | undefined; writtenAt?: number } | undefined,
  value: Words,
  at: number,
): void {
  if (record === undefined) return
  record.tags = { at, value }
  record.writtenAt = at
}

export function without(words: Words = {}, keys: readonly string[]): Words {
  return Object.fromEntries(Object.entries(words).filter(([key]) => !keys.includes(key)))
}

/** What was written over what was read; the age stays that of the read. */
export function patched(
  held: { at: number; value: Words } | undefined,
  written: readonly { key: string; value: string }[],
  at: number,
) {
  return { at: held?.at ?? at, value: { ...held?.value, ...wordsOf(written) } }
}

export function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}
