/**
 * The node port space: one set of numbers for all protocols and for health check node ports.
 * Bands: KEP-3668, offset min(max(16, size/32), 128), none when there are 16 ports or fewer.
 */
import { createBandAllocator, lowBandSize } from '../band-allocator.ts'

export interface PortRange {
  from: number
  /** Inclusive. */
  to: number
}

export interface NodePorts {
  /** The reason when it cannot be had. */
  take(port: number): string | undefined
  takeNext(): number | undefined
  release(port: number): void
  readonly free: number
}

export function createNodePorts(range: PortRange, random: () => number): NodePorts {
  const size = BigInt(range.to - range.from + 1)
  const lowBand = lowBandSize(size, { min: 16n, max: 128n, step: 32n })
  const space = createBandAllocator({ first: BigInt(range.from), size, lowBand, random })
  return {
    take: (port) => {
      if (port < range.from || port > range.to) {
        return `provided port is not in the valid range. The range of valid ports is ${range.from}-${range.to}`
      }
      return space.take(BigInt(port)) ? undefined : 'provided port is already allocated'
    },
    takeNext: () => {
      const port = space.takeNext()
      return port === undefined ? undefined : Number(port)
    },
    release: (port) => space.release(BigInt(port)),
    get free() {
      return Number(space.free)
    },
  }
}
