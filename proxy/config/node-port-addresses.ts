/** Where node ports are answered, as an administrator says it: networks and the keywords of kube-proxy 1.37. Pure. */
import { type Address, type Cidr, contains, type Family, families, parseCidr } from '../rules/addresses.ts'
import type { Kind } from './kinds.ts'
import type { ModeName } from '../mode-names.ts'

const keywords = ['primary', 'localhost', 'all'] as const

export type NodePortEntry = (typeof keywords)[number] | Cidr

export const nodePortEntry: Kind<NodePortEntry> = {
  expected: `${keywords.join(', ')} or a network such as 192.168.0.0/16`,
  fromText: read,
  fromYaml: (value) => (typeof value === 'string' ? read(value) : undefined),
  toYaml: (value) => (typeof value === 'string' ? value : value.text),
}

function read(text: string): NodePortEntry | undefined {
  return keywords.find((keyword) => keyword === text) ?? parseCidr(text)
}

/** Families whose loopback address is among these: by name, or by a network. */
export function onLoopback(entries: readonly NodePortEntry[], mode: ModeName): Family[] {
  return families.filter((family) =>
    entries.some((entry) => (typeof entry === 'string' ? entry !== 'primary' : holds(entry, loopback[family], mode))),
  )
}

const loopback = {
  ip: { family: 'ip', text: '127.0.0.1' },
  ip6: { family: 'ip6', text: '::1' },
} as const satisfies Record<Family, Address>

/** In mode iptables any network that has the address in it, as for kube-proxy; elsewhere one of loopback addresses only. */
function holds(range: Cidr, address: Address, mode: ModeName): boolean {
  return contains(range, address) && (mode === 'iptables' || range.prefix >= (address.family === 'ip' ? 8 : 128))
}
