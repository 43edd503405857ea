/** Says once that a Service has more endpoints than get traffic, and again when it was within the limit in between. Pure. */
import { maxSlots } from './slots.ts'

/** @param tell gets the Service's key and what to say about it. Returns what takes the state after each change (Ruleset.tooMany). */
export function capacityWatch(
  tell: (service: string, message: string) => void,
): (tooMany: ReadonlyMap<string, number>) => void {
  const told = new Set<string>()
  return (tooMany) => {
    for (const key of told) if (!tooMany.has(key)) told.delete(key)
    for (const [key, endpoints] of tooMany) {
      if (told.has(key)) continue
      told.add(key)
      tell(key, `${endpoints} endpoints are ready, of which ${maxSlots} get traffic: a Service port can have no more`)
    }
  }
}
