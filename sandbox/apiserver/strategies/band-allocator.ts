/**
 * A numbered space handed out in two bands: the low one is kept for numbers people ask for, unasked ones come from the high one
 * while it has room (KEP-3070 for cluster IPs, KEP-3668 for node ports). A number is never handed out twice before its release.
 */
export interface BandAllocator {
  /** False when taken or outside the space. */
  take(number: bigint): boolean
  /** A free number: high band from a random start, then low band the same way. `undefined` when full. */
  takeNext(): bigint | undefined
  /** Releasing a free number is nothing. */
  release(number: bigint): void
  has(number: bigint): boolean
  readonly free: bigint
}

export interface BandAllocatorOptions {
  first: bigint
  /** How many numbers the space has. */
  size: bigint
  /** How many of them, from the first, form the low band. */
  lowBand: bigint
  /** Uniform in [0, 1). */
  random: () => number
}

export function createBandAllocator({ first, size, lowBand, random }: BandAllocatorOptions): BandAllocator {
  const taken = new Set<bigint>()
  let takenLow = 0n
  const inside = (number: bigint) => number >= first && number < first + size
  const isLow = (number: bigint) => number < first + lowBand

  const take = (number: bigint): boolean => {
    if (!inside(number) || taken.has(number)) return false
    taken.add(number)
    if (isLow(number)) takenLow += 1n
    return true
  }
  const scan = (from: bigint, count: bigint, used: bigint): bigint | undefined => {
    if (used >= count) return undefined
    const start = BigInt(Math.floor(random() * Number(count)))
    for (let i = 0n; i < count; i += 1n) {
      const number = from + ((start + i) % count)
      if (take(number)) return number
    }
    return undefined
  }
  return {
    take,
    takeNext: () =>
      scan(first + lowBand, size - lowBand, BigInt(taken.size) - takenLow) ?? scan(first, lowBand, takenLow),
    release: (number) => {
      if (taken.delete(number) && isLow(number)) takenLow -= 1n
    },
    has: (number) => taken.has(number),
    get free() {
      return size - BigInt(taken.size)
    },
  }
}

/** The size of the low band: `size / step`, kept between `min` and `max`; none when the space is too small to split. */
export function lowBandSize(size: bigint, { min, max, step }: { min: bigint; max: bigint; step: bigint }): bigint {
  if (size <= min) return 0n
  const wanted = size / step
  return wanted < min ? min : wanted > max ? max : wanted
}
