/** The numbers of ctnetlink, which is how the kernel shows and takes out flows: linux/netfilter/nfnetlink_conntrack.h. */
import type { Family } from '../rules/addresses.ts'
import type { FlowProtocol } from './flow.ts'

export const subsystem = 1
export const command = { new: 0, get: 1, delete: 2, count: 5 } as const
export const protocolFamily: Readonly<Record<Family, number>> = { ip: 2, ip6: 10 }
export const addressBytes: Readonly<Record<Family, number>> = { ip: 4, ip6: 16 }
export const attribute = { original: 1, reply: 2, status: 3, id: 12, zone: 18, filter: 25, statusMask: 26 } as const
export const tupleAttribute = { address: 1, protocol: 2 } as const
export const addressAttribute: Readonly<Record<Family, { source: number; destination: number }>> = {
  ip: { source: 1, destination: 2 },
  ip6: { source: 3, destination: 4 },
}
export const countAttribute = { entries: 1 } as const
export const protocolAttribute = { number: 1, sourcePort: 2, destinationPort: 3 } as const
export const filterAttribute = { originalFlags: 1 } as const
/** Which fields of the tuple a filter compares (CTA_FILTER_FLAG). */
export const filterFlag = { destination: 1 << 1, protocol: 1 << 3, destinationPort: 1 << 5 } as const
export const statusBit = { seenReply: 1 << 1, dstNat: 1 << 5 } as const
export const protocolNumbers: Readonly<Record<FlowProtocol, number>> = { tcp: 6, udp: 17, sctp: 132 }
export const protocolNames: ReadonlyMap<number, FlowProtocol> = new Map(
  Object.entries(protocolNumbers).map(([name, number]) => [number, name as FlowProtocol]),
)
