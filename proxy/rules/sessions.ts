/**
 * Ids of sessions: what stands for a Service port in the kernel's memory of clients. An id is the fingerprint of the session's name, so that a
 * restarted proxy finds the same one; where another session has it, the next free one.
 */
import { fingerprint } from './fingerprint.ts'

export interface SessionIds {
  /** The session's id, `xxxx:yyyy` in hex as nft prints a classid; held until it is released. */
  of(name: string): string
  /** The id that a previous process gave to this session. Nothing if it has one, or somebody else has the id. */
  adopt(name: string, id: string): void
  /** Ids that no session gets but by adopting them; replaces those of the call before. */
  reserve(ids: Iterable<string>): void
  release(name: string): void
}

export function createSessionIds(
  hash = (name: string) => Number.parseInt(fingerprint(name).slice(0, 8), 16),
): SessionIds {
  const ids = new Map<string, string>()
  const held = new Set<string>()
  let reserved = new Set<string>()
  const hold = (name: string, id: string) => {
    ids.set(name, id)
    held.add(id)
    return id
  }
  return {
    of(name) {
      const known = ids.get(name)
      if (known !== undefined) return known
      for (let number = hash(name); ; number++) {
        const id = idText(number)
        if (id !== undefined && !held.has(id) && !reserved.has(id)) return hold(name, id)
      }
    },
    adopt(name, id) {
      if (!ids.has(name) && !held.has(id)) hold(name, id)
    },
    reserve(adopted) {
      reserved = new Set(adopted)
    },
    release(name) {
      const id = ids.get(name)
      if (id !== undefined) held.delete(id)
      ids.delete(name)
    },
  }
}

/** Undefined for numbers with an empty half, which nft writes in another way. */
function idText(number: number): string | undefined {
  const high = (number >>> 16) & 0xffff
  const low = number & 0xffff
  // ffff:ffff is `root`.
  return high === 0 || low === 0 || high === 0xffff ? undefined : `${high.toString(16)}:${low.toString(16)}`
}
