/**
 * How a slot stands in the kernel. A chain `n<k>` draws one into the packet's priority, for want of a register that nft could name, and the look-up
 * takes it from there; so it is a traffic control handle to nft: slot 0 is `5ead:1`. With `numgen` in the look-up itself, nft 1.0.6 would need a
 * `typeof` map, and for such a map it can make no more rules once the map is in the kernel. Pure.
 */

/** Slot 0. No handle that anybody is likely to use. */
export const slotBase = 0x5ead_0001

export const lastSlotHandle = (slots: number) => handle(slots - 1)
export const firstSlotHandle = handle(0)

/** `... . 0`, an element's key, to `... . 5ead:1`. */
export function withHandle(key: string): string {
  const at = key.lastIndexOf(' ') + 1
  return key.slice(0, at) + handle(Number(key.slice(at)))
}

/** The way back. */
export function withSlot(key: string): string {
  const at = key.lastIndexOf(':') + 1
  return `${key.slice(0, key.lastIndexOf(' ') + 1)}${Number.parseInt(key.slice(at), 16) - 1}`
}

export function hasSlot(map: string): boolean {
  return map === 'ep' || map === 'ep-local'
}

function handle(slot: number): string {
  return `5ead:${(slot + 1).toString(16)}`
}
