/** Pages as AWS cuts them: in the order of the objects' ids, the marker says after which one to go on. */
import type { Account } from './account.ts'

export interface Cut<T> {
  items: T[]
  next: string | undefined
}

export function page<T>(
  account: Account,
  all: readonly T[],
  idOf: (item: T) => string,
  { after, size = account.pageLimit }: { after?: string | undefined; size?: number | undefined },
): Cut<T> {
  const sorted = all.toSorted((a, b) => (idOf(a) < idOf(b) ? -1 : 1))
  const rest = after === undefined ? sorted : sorted.filter((item) => idOf(item) > after)
  const items = rest.slice(0, Math.min(size, account.pageLimit))
  const last = items.at(-1)
  return { items, next: items.length < rest.length && last !== undefined ? idOf(last) : undefined }
}
