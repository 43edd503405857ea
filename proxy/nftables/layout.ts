/**
 * How the maps and sets of the skeleton look as bytes: the fields of each key and value, in order. Must agree with the types that
 * skeleton.ts declares (a test writes and lists an element of each). Everything netlink needs to know about a map stands here.
 */
import type { MapName } from '../elements.ts'

/**
 * `address` 4 or 16 bytes, `protocol` 1, `port` 2, `slot` (of `numgen` and `jhash`) 4 in the machine's order; `range` an address or a
 * network in a set with `flags interval`, two addresses. In a concatenation each field is padded to 4 bytes.
 */
export type Field = 'address' | 'protocol' | 'port' | 'slot' | 'range'

export interface Layout {
  key: readonly Field[]
  /** Undefined for sets. */
  value?: 'verdict' | readonly Field[]
}

const frontend: readonly Field[] = ['address', 'protocol', 'port']
const slot: readonly Field[] = [...frontend, 'slot']
const target: readonly Field[] = ['address', 'port']

/** `affinity`: what the kernel fills. */
export const layouts: Readonly<Record<MapName | 'affinity', Layout>> = {
  svc: { key: frontend, value: 'verdict' },
  'svc-local': { key: frontend, value: 'verdict' },
  ep: { key: slot, value: target },
  'ep-local': { key: slot, value: target },
  learn: { key: frontend, value: 'verdict' },
  'cluster-ips': { key: ['address'] },
  frontends: { key: frontend },
  masq: { key: frontend },
  'local-vips': { key: frontend },
  hairpin: { key: ['address', 'address'] },
  'no-ep': { key: frontend, value: 'verdict' },
  'fw-vips': { key: frontend },
  'fw-allow': { key: [...frontend, 'range'] },
  'health-ports': { key: ['port'], value: ['address'] },
  affinity: { key: ['address', ...frontend], value: target },
}
