/** Where node ports are answered, as an administrator says it: networks and the keywords of kube-proxy 1.37. Pure. */
import { type Cidr, parseCidr } from './addresses.ts'
import type { Kind } from './config-kinds.ts'

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

/** Whether the entry asks for node ports on this machine's loopback addresses: by name, or by a network of theirs. */
export function isLocalhost(entry: NodePortEntry): boolean {
  if (typeof entry === 'string') return entry !== 'primary'
  return entry.family === 'ip' ? entry.network.startsWith('127.') && entry.prefix >= 8 : entry.text === '::1/128'
}
