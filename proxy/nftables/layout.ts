/**
 * How the maps and sets of the skeleton look as bytes: the fields of each key and value, in order. Must agree with the types that
 * skeleton.ts declares (a test writes and lists an element of each). Everything netlink needs to know about a map stands here.
 */
import type { MapName } from '../rules/elements.ts'

/**
 * `address` 4 or 16 bytes, `protocol` 1, `port` 2, `number` 4 in the machine's order, `slot` the same (slot-handles.ts), `id` the same in nft's
 * spelling of a `classid`; `choice` the same, a verdict to us (choices.ts); `range` an address or a network in a set with `flags interval`, two addresses. In a concatenation each field is
 * padded to 4 bytes.
 */
export type Field = 'address' | 'protocol' | 'port' | 'number' | 'slot' | 'id' | 'choice' | 'range'

export interface Layout {
  key: readonly Field[]
  /** Undefined for sets. */
  value?: 'verdict' | readonly Field[]
}

/** What the kernel fills: clients and the endpoints they keep (affinity-maps.ts). */
export type AffinityMap = 'affinity' | 'affinity-address' | 'affinity-port'

const frontend: readonly Field[] = ['address', 'protocol', 'port']
const slot: readonly Field[] = [...frontend, 'slot']
const target: readonly Field[] = ['address', 'port']
const client: readonly Field[] = ['number', 'number', 'id']

/** Every map and set of a table. */
export type SetName = MapName | AffinityMap | 'choices'

export const layouts: Readonly<Record<SetName, Layout>> = {
  pods: { key: ['range'] },
  'service-cidrs': { key: ['range'] },
  'cluster-ips': { key: ['address'] },
  frontends: { key: frontend },
  'no-ep': { key: frontend },
  'fw-vips': { key: frontend },
  'fw-allow': { key: [...frontend, 'range'] },
  masq: { key: frontend },
  'local-vips': { key: frontend },
  svc: { key: frontend, value: ['choice'] },
  ep: { key: slot, value: target },
  'svc-local': { key: frontend, value: ['choice'] },
  'ep-local': { key: slot, value: target },
  hairpin: { key: ['address', 'address'] },
  session: { key: frontend, value: ['id'] },
  learn: { key: ['id'], value: 'verdict' },
  'health-ports': { key: ['port'], value: ['address'] },
  affinity: { key: ['address', 'id'], value: target },
  'affinity-address': { key: client, value: ['address'] },
  'affinity-port': { key: client, value: ['port'] },
  choices: { key: ['id'], value: 'verdict' },
}
