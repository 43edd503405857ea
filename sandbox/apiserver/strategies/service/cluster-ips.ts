/**
 * The cluster IP space of one family. Usable: all but the network address and, for IPv4, the broadcast address.
 * Bands: KEP-3070, offset min(max(16, size/16), 256). The first usable address of the first range belongs to default/kubernetes.
 */
import type { IPFamily } from '../../../../kube/objects.ts'
import { createBandAllocator, lowBandSize } from '../band-allocator.ts'
import { formatAddress, networkOf, parseAddress, parseBlock } from '../ip.ts'

export interface ClusterIps {
  readonly family: IPFamily
  /** The reason when it cannot be had. */
  take(address: string, owner: string): string | undefined
  takeNext(): string | undefined
  release(address: string): void
}

/** `reserveFirstFor` is `namespace/name` of the Service that alone may have the first address. */
export function createClusterIps(range: string, random: () => number, reserveFirstFor?: string): ClusterIps {
  const block = parseBlock(range)
  if (block === undefined) throw new Error(`service cluster IP range ${range} is not a CIDR`)
  const family = block.address.family
  const bits = family === 'IPv4' ? 32 : 128
  const network = networkOf(block)
  const total = 1n << BigInt(bits - block.prefix)
  const size = total - (family === 'IPv4' ? 2n : 1n)
  const first = network + 1n
  const lowBand = lowBandSize(total, { min: 16n, max: 256n, step: 16n })
  const space = createBandAllocator({ first, size: size < 0n ? 0n : size, lowBand, random })
  let firstIsHeld = false
  if (reserveFirstFor !== undefined) space.take(first)

  return {
    family,
    take: (text, owner) => {
      const address = parseAddress(text)
      // The network and broadcast addresses count as outside, as the ServiceCIDR allocator has it.
      const value = address?.family === family ? address.value : -1n
      if (value < first || value >= first + size) return 'the provided network does not match the current range'
      if (value === first && owner === reserveFirstFor && !firstIsHeld) {
        firstIsHeld = true
        return undefined
      }
      return space.take(value) ? undefined : 'provided IP is already allocated'
    },
    takeNext: () => {
      const value = space.takeNext()
      return value === undefined ? undefined : formatAddress(family, value)
    },
    release: (text) => {
      const address = parseAddress(text)
      if (address === undefined || address.family !== family) return
      if (address.value === first && reserveFirstFor !== undefined) firstIsHeld = false
      else space.release(address.value)
    },
  }
}
