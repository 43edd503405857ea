/**
 * Objects of one kind with their recent past, so that a read can answer what stood a moment ago: AWS is eventually consistent, its
 * describe calls may miss what was just created and show what was just deleted. Values are replaced, never changed in place.
 */
export interface Table<T> {
  /** What stands now; mutations and their checks go by this. */
  get(id: string): T | undefined
  values(): T[]
  put(id: string, value: T): void
  remove(id: string): void
  /** What stood `ago` milliseconds before now, in the order of creation. */
  seen(ago: number): T[]
}

interface Version<T> {
  at: number
  /** undefined: removed. */
  value: T | undefined
}

/** `longest`: nobody asks for a state older than this. */
export function createTable<T>(now: () => number, longest: () => number): Table<T> {
  const histories = new Map<string, Version<T>[]>()

  const write = (id: string, value: T | undefined) => {
    const old = histories.get(id) ?? []
    const kept = old.filter(({ at }, index) => {
      const next = old[index + 1]
      return next === undefined || next.at > now() - longest() || at > now() - longest()
    })
    if (longest() === 0) kept.length = 0
    kept.push({ at: now(), value })
    // A removed object forgets its place, so that a new one of that id comes last, as a new one would.
    if (value === undefined && longest() === 0) histories.delete(id)
    else histories.set(id, kept)
  }
  const truth = (id: string) => histories.get(id)?.at(-1)?.value
  return {
    get: truth,
    values: () => [...histories.keys()].map(truth).filter((value) => value !== undefined),
    put: write,
    remove(id) {
      if (truth(id) !== undefined) write(id, undefined)
    },
    seen(ago) {
      const moment = now() - ago
      return [...histories].flatMap(([id, versions]) => {
        const version = versions.findLast(({ at }) => at <= moment)
        if (version === undefined && versions.length === 0) histories.delete(id)
        return version?.value === undefined ? [] : [version.value]
      })
    },
  }
}
