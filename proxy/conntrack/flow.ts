/**
 * What the proxy sees of the kernel's connection tracking, and the port through which it takes entries out. An entry is called a flow:
 * the way that the packets of one client port to one address take, chosen with the first packet and kept as long as packets come.
 */
import type { Family } from '../rules/addresses.ts'

/** Protocols that Services have. */
export type FlowProtocol = 'tcp' | 'udp' | 'sctp'

/** `<family> <address> . <protocol> . <port>`, a frontend as in the `frontends` elements. */
export type FrontendId = string

export interface Flow {
  /** Where the client sends to: a frontend's id, if that is one. */
  frontend: FrontendId
  protocol: FlowProtocol
  /** `ip . port` of who answers: the endpoint, or the frontend itself when nothing was translated. */
  target: string
  /** Whether the target is another than where the client sends to, whoever translates (IPVS leaves IPS_DST_NAT unset). */
  translated: boolean
  /** Whether IPVS did that, not NAT (IPS_DST_NAT is unset). Undefined where the table does not tell. */
  byIpvs?: boolean
  /** Whether an answer was seen (IPS_SEEN_REPLY). */
  replied: boolean
}

export interface FlowQuery {
  family: Family
  protocol: FlowProtocol
  /** Only flows to this address and port. */
  destination: { address: string; port: number } | undefined
  /** Only flows without an answer. */
  unreplied: boolean
}

export interface Swept {
  /** Flows that the kernel showed, last if it was asked several times. */
  seen: number
  removed: number
}

/** Its calls reject with FlowFailure. */
export interface FlowTable {
  readonly name: string
  /** How many flows there are, of all families and protocols. Costs next to nothing. */
  count(): Promise<number>
  /**
   * Removes the flows that match the query and of which `isStale` says so; the query alone is only a hint, what is shown can be more.
   * A flow is good during that call only. Never holds the event loop for long, however large the table is. When it fails, some flows may be gone.
   */
  sweep(query: FlowQuery, isStale: (flow: Flow) => boolean): Promise<Swept>
}

export class FlowFailure extends Error {
  override readonly name = 'FlowFailure'
}
