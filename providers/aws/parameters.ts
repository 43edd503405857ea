/**
 * The vocabulary of this cloud: keys of a class's parameters and, with the prefix `roadstead.dev/`, annotations of Services. Pure and strict:
 * what is not understood is refused with the key by name. The docs are generated from this table.
 */
import type { LoadBalancerSpec, Reason } from '../contract.ts'
import type { Attributes, Tags } from './resources.ts'
import { extraTagsLimit } from './tags.ts'

/** Ports as numbers or names; `all`. */
export type PortChoice = 'all' | readonly string[]

export type AttributesByPort = Readonly<Record<string, Attributes>>

/** What the parameters say; absent means AWS's own default. */
export interface Parameters {
  subnets?: readonly string[]
  allocationIds?: readonly string[]
  privateIpv4Addresses?: readonly string[]
  ipv6Addresses?: readonly string[]
  /** `auto_assigned` or a /80; absent where AWS chooses them all. */
  sourceNatPrefixes?: readonly string[]
  prefixLists?: readonly string[]
  securityGroups?: readonly string[]
  nodeRules?: 'managed' | 'none'
  privateLinkRules?: 'on' | 'off'
  pathMtu?: boolean
  crossZone?: boolean
  /** With which protocol each target's own port is checked. */
  healthCheckTrafficPort?: 'TCP' | 'HTTP' | 'HTTPS'
  healthCheckCodes?: string
  healthCheckHttps?: boolean
  proxyProtocol?: PortChoice
  preserveClientIp?: boolean
  deregistrationTermination?: boolean
  idleTimeoutSeconds?: number
  accessLogs?: { bucket: string; prefix: string }
  deletionProtection?: boolean
  capacityUnits?: number
  tags?: Tags
  maxTargets?: number
  keepForeignTargets?: boolean
  earlyAddress?: boolean
  certificates?: readonly string[]
  tlsPorts?: PortChoice
  tlsPolicy?: string
  tlsAlpn?: string
  tlsBackend?: PortChoice
  loadBalancerAttributes?: Attributes
  targetGroupAttributes?: Attributes
  listenerAttributes?: Attributes
  /** By number or name of the port; over those of all ports. */
  targetGroupAttributesOf?: AttributesByPort
  listenerAttributesOf?: AttributesByPort
}

interface Word {
  /** For the docs and for refusals: what the value is. */
  meaning: string
  /** False: the value is malformed. */
  read(value: string, into: Parameters): boolean
}

const alpnPolicies = ['HTTP1Only', 'HTTP2Only', 'HTTP2Optional', 'HTTP2Preferred', 'None']

const vocabulary: Readonly<Record<string, Word>> = {
  subnets: list(
    'subnet ids or values of their Name tag, one per zone; default: discovered',
    /^\S(.*\S)?$/,
    (v, p) => (p.subnets = v),
  ),
  'eip-allocations': list(
    'ids of Elastic IPs, one per subnet; public only',
    /^eipalloc-[0-9a-f]+$/,
    (v, p) => (p.allocationIds = v),
  ),
  'private-ipv4-addresses': list(
    'private IPv4 addresses, one per subnet; internal only',
    /^\d{1,3}(\.\d{1,3}){3}$/,
    (v, p) => (p.privateIpv4Addresses = v),
  ),
  'ipv6-addresses': list(
    'IPv6 addresses, one per subnet; dual stack only',
    /^[0-9a-fA-F:]*:[0-9a-fA-F:]*$/,
    (v, p) => (p.ipv6Addresses = v),
  ),
  'source-nat-ipv6-prefixes': {
    meaning: 'IPv6 prefixes of length 80 or auto_assigned (default), one per subnet; for UDP over dual stack',
    read(value, into) {
      const items = value.split(',').map((item) => item.trim())
      const given = items.filter((item) => item !== 'auto_assigned')
      if (given.length > 0) into.sourceNatPrefixes = items
      return (
        given.every((item) => /^[0-9a-fA-F:]*:[0-9a-fA-F:]*\/80$/.test(item)) && new Set(given).size === given.length
      )
    },
  },
  'source-prefix-lists': list(
    'ids of prefix lists whose clients may come in, beside the source ranges',
    /^pl-[0-9a-f]+$/,
    (v, p) => (p.prefixLists = v),
  ),
  'security-groups': list(
    'security groups of your own instead of the one that is made, by id or by the value of their Name tag',
    /^(sg-[0-9a-f]+|(?!sg-)[^\s*?\\]([^*?\\]*[^\s*?\\])?)$/,
    (v, p) => (p.securityGroups = v),
  ),
  'node-rules': choice(
    'managed (default: node ports are opened in the security groups of the nodes) or none',
    ['managed', 'none'],
    (v, p) => (p.nodeRules = v === 'none' ? 'none' : 'managed'),
  ),
  'private-link-rules': choice(
    'on or off: whether inbound rules hold for PrivateLink traffic',
    ['on', 'off'],
    (v, p) => (p.privateLinkRules = v === 'on' ? 'on' : 'off'),
  ),
  'icmp-path-mtu': flag('lets ICMP "fragmentation needed" in, for path MTU discovery', (v, p) => (p.pathMtu = v)),
  'cross-zone': flag('each zone forwards to targets of all zones', (v, p) => (p.crossZone = v)),
  'health-check-traffic-port': {
    meaning:
      'true or TCP, HTTP, HTTPS: checks each node port itself, with this protocol, instead of the node proxy; false (default); not with externalTrafficPolicy Local',
    read(value, into) {
      const protocol = (['TCP', 'HTTP', 'HTTPS'] as const).find((one) => one === (value === 'true' ? 'TCP' : value))
      if (protocol !== undefined) into.healthCheckTrafficPort = protocol
      return protocol !== undefined || value === 'false'
    },
  },
  'health-check-codes': text(
    'HTTP codes of a healthy target, for example 200-399 (default) or 200,204',
    /^\d{3}([-,]\d{3})*$/,
    (v, p) => (p.healthCheckCodes = v),
  ),
  'health-check-https': flag('HTTPS instead of HTTP for health checks', (v, p) => (p.healthCheckHttps = v)),
  'proxy-protocol': ports(
    'PROXY protocol version 2 towards the targets: all, or ports by number or name',
    (v, p) => (p.proxyProtocol = v),
  ),
  'preserve-client-ip': flag(
    "targets see the client's address (default true; UDP always)",
    (v, p) => (p.preserveClientIp = v),
  ),
  'deregistration-termination': flag(
    'connections end when the drain time of a removed target does',
    (v, p) => (p.deregistrationTermination = v),
  ),
  'idle-timeout-seconds': {
    meaning: 'TCP connections without traffic end after 60 to 6000 seconds (default 350)',
    read: (value, into) => whole(value, 60, 6000, (n) => (into.idleTimeoutSeconds = n)),
  },
  'access-logs': {
    meaning: 's3://bucket or s3://bucket/prefix',
    read(value, into) {
      const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([^\s]*?))?\/?$/.exec(value)
      if (match) into.accessLogs = { bucket: match[1] ?? '', prefix: match[2] ?? '' }
      return match !== null
    },
  },
  'deletion-protection': flag('AWS refuses to delete the load balancer', (v, p) => (p.deletionProtection = v)),
  'capacity-units': {
    meaning:
      'capacity units (LCU) that AWS reserves, 1 to 999999; not with TLS listeners, and it costs money while it stands',
    read: (value, into) => whole(value, 1, 999_999, (n) => (into.capacityUnits = n)),
  },
  tags: pairs(
    `further tags on everything that is made: key=value, separated by commas, at most ${extraTagsLimit}`,
    /^(?!aws:|roadstead\.dev\/)[\p{L}\p{N} _.:/+@-]{1,128}$/u,
    (v, p) => (p.tags = v),
    extraTagsLimit,
  ),
  'max-targets': {
    meaning: 'at most so many nodes per target group, 1 to 1000; a stable choice of them',
    read: (value, into) => whole(value, 1, 1000, (n) => (into.maxTargets = n)),
  },
  'keep-foreign-targets': flag(
    'targets that others register (another cluster, a person) stay; those of ours are remembered in tags, at most 420 nodes',
    (v, p) => (p.keepForeignTargets = v),
  ),
  'early-address': flag(
    'publishes the address while AWS still makes the load balancer',
    (v, p) => (p.earlyAddress = v),
  ),
  'tls-certificates': list(
    'ARNs of certificates; the first is the default, the others are chosen by name',
    /^arn:[\w-]+:(acm|iam):\S+$/,
    (v, p) => (p.certificates = v),
  ),
  'tls-ports': ports(
    'ports by number or name that end TLS here; default with certificates: all TCP ports',
    (v, p) => (p.tlsPorts = v),
  ),
  'tls-policy': text(
    "name of the security policy, for example ELBSecurityPolicy-TLS13-1-2-2021-06 (default: AWS's)",
    /^[\w-]{1,128}$/,
    (v, p) => (p.tlsPolicy = v),
  ),
  'tls-alpn': choice(`ALPN policy: ${alpnPolicies.join(', ')}`, alpnPolicies, (v, p) => (p.tlsAlpn = v)),
  'tls-backend': ports('TLS towards the targets too: all, or ports by number or name', (v, p) => (p.tlsBackend = v)),
  'load-balancer-attributes': pairs(
    'any attributes of the load balancer: key=value, separated by commas',
    /^[\w.]{1,256}$/,
    (v, p) => (p.loadBalancerAttributes = v),
  ),
  'target-group-attributes': portPairs(
    'any attributes of the target groups: key=value or port:key=value, separated by commas',
    (v, p) => Object.assign(p, { targetGroupAttributes: v.all, targetGroupAttributesOf: v.of }),
  ),
  'listener-attributes': portPairs(
    'any attributes of the listeners: key=value or port:key=value, separated by commas',
    (v, p) => Object.assign(p, { listenerAttributes: v.all, listenerAttributesOf: v.of }),
  ),
}

/** Key -> what its value is; for the docs and for strict readers of annotations. */
export const parameterMeanings: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(vocabulary).map(([key, { meaning }]) => [key, meaning]),
)

export type ParsedParameters = { ok: true; value: Parameters } | { ok: false; reasons: Reason[] }

/** An empty value is as if the key were not there. */
export function parseParameters(given: LoadBalancerSpec['parameters']): ParsedParameters {
  const value: Parameters = {}
  const reasons: Reason[] = []
  for (const [key, raw] of Object.entries(given).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const word = Object.hasOwn(vocabulary, key) ? vocabulary[key] : undefined
    if (word === undefined) {
      reasons.push({ reason: 'UnknownParameter', message: `parameter ${key} is unknown to AWS; remove it` })
    } else if (raw.trim() !== '' && !word.read(raw.trim(), value)) {
      const shown = raw.length > 80 ? `${raw.slice(0, 80)}...` : raw
      const message = `parameter ${key} is ${JSON.stringify(shown)}; it must be: ${word.meaning}`
      reasons.push({ reason: 'InvalidParameter', message })
    }
  }
  return reasons.length === 0 ? { ok: true, value } : { ok: false, reasons }
}

/** Whether a port of the Service is among those chosen. */
export function chosen(choice: PortChoice | undefined, { port, name }: { port: number; name: string }): boolean {
  if (choice === undefined) return false
  return choice === 'all' || choice.includes(String(port)) || (name !== '' && choice.includes(name))
}

function flag(what: string, set: (value: boolean, into: Parameters) => void): Word {
  return {
    meaning: `true or false: ${what}`,
    read(value, into) {
      set(value === 'true', into)
      return value === 'true' || value === 'false'
    },
  }
}

function text(meaning: string, pattern: RegExp, set: (value: string, into: Parameters) => void): Word {
  return {
    meaning,
    read(value, into) {
      set(value, into)
      return pattern.test(value)
    },
  }
}

function choice(meaning: string, values: readonly string[], set: (value: string, into: Parameters) => void): Word {
  return {
    meaning,
    read(value, into) {
      set(value, into)
      return values.includes(value)
    },
  }
}

/** Separated by commas, each once, in the given order. */
function list(meaning: string, pattern: RegExp, set: (value: string[], into: Parameters) => void): Word {
  return {
    meaning,
    read(value, into) {
      const items = value.split(',').map((item) => item.trim())
      set(items, into)
      return items.every((item) => pattern.test(item)) && new Set(items).size === items.length
    },
  }
}

function ports(meaning: string, set: (value: PortChoice, into: Parameters) => void): Word {
  return {
    meaning,
    read(value, into) {
      const items = value.split(',').map((item) => item.trim())
      set(value === 'all' || value === '*' ? 'all' : items, into)
      return value === '*' || items.every((item) => /^[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$/.test(item))
    },
  }
}

/** Each key once, at most `limit` of them. */
function pairs(
  meaning: string,
  key: RegExp,
  set: (value: Record<string, string>, into: Parameters) => void,
  limit = Infinity,
): Word {
  return {
    meaning,
    read(value, into) {
      const entries = value.split(',').map((pair): [string, string] => {
        const at = pair.indexOf('=')
        return at < 0 ? ['', ''] : [pair.slice(0, at).trim(), pair.slice(at + 1).trim()]
      })
      set(Object.fromEntries(entries), into)
      const once = new Set(entries.map(([name]) => name)).size === entries.length
      return once && entries.length <= limit && entries.every(([name, text]) => key.test(name) && text.length <= 256)
    },
  }
}

/** As pairs; with a port by number or name before the key, for that port alone. */
function portPairs(
  meaning: string,
  set: (value: { all: Attributes; of: AttributesByPort }, into: Parameters) => void,
): Word {
  const key = /^(?:([a-z0-9][a-z0-9-]{0,14}):)?([\w.]{1,256})$/
  let given: Record<string, string> = {}
  const word = pairs(meaning, key, (value) => (given = value))
  return {
    meaning,
    read(value, into) {
      if (!word.read(value, into)) return false
      const all: Record<string, string> = {}
      const of: Record<string, Record<string, string>> = {}
      for (const [name, text] of Object.entries(given)) {
        const [, port, attribute = ''] = key.exec(name) ?? []
        if (port === undefined) all[attribute] = text
        else of[port] = { ...of[port], [attribute]: text }
      }
      set({ all, of }, into)
      return true
    },
  }
}

function whole(value: string, min: number, max: number, set: (value: number) => void): boolean {
  const number = /^\d{1,6}$/.test(value) ? Number(value) : Number.NaN
  if (!(number >= min && number <= max)) return false
  set(number)
  return true
}
