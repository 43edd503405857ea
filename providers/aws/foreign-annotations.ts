/**
 * What the annotations of aws-load-balancer-controller and of the AWS cloud provider are called here. Pure. One row an annotation; a row says
 * what its value becomes, or why nothing does. Sources: the guide of aws-load-balancer-controller 3.5, cloud-provider-aws (pkg/providers/v1/aws.go).
 */

/** Which of the two controllers reads an annotation. */
export type Origin = 'controller' | 'cloud-provider' | 'both'

/** What a value becomes. Keys of annotations are ours, without the prefix. */
export type Equivalent =
  | { kind: 'annotations'; annotations: Readonly<Record<string, string>>; note?: string }
  | { kind: 'field'; field: string; value: string }
  | { kind: 'class'; scheme: 'public' | 'internal' }
  /** Roadstead does it anyway. */
  | { kind: 'unneeded'; why: string }
  | { kind: 'none'; why: string }

export interface ForeignAnnotation {
  of: Origin
  /** For the docs: what it becomes in general. */
  about: string
  /** `others`: all annotations of the Service, read by names without prefix. */
  translate(value: string, others: (name: string) => string | undefined): Equivalent
}

export const foreignPrefix = 'service.beta.kubernetes.io/'
const elb = 'aws-load-balancer-'
const check = `${elb}healthcheck-`

const isTrue = (value: string | undefined) => value === 'true'
const annotations = (given: Record<string, string>, note?: string): Equivalent => ({
  kind: 'annotations',
  annotations: given,
  ...(note === undefined ? {} : { note }),
})
const none = (why: string): Equivalent => ({ kind: 'none', why })
const unneeded = (why: string): Equivalent => ({ kind: 'unneeded', why })

const rows: Readonly<Record<string, ForeignAnnotation>> = {
  'load-balancer-source-ranges': {
    of: 'both',
    about: '`spec.loadBalancerSourceRanges`; the annotation is read as well',
    translate: (value) => ({ kind: 'field', field: 'spec.loadBalancerSourceRanges', value }),
  },
  [`${elb}type`]: {
    of: 'both',
    about: 'nothing: `spec.loadBalancerClass` decides; Pods as targets (`nlb-ip`) are not offered',
    translate: (value) => (value === 'nlb-ip' ? noPods() : unneeded('spec.loadBalancerClass decides')),
  },
  [`${elb}nlb-target-type`]: {
    of: 'controller',
    about: 'nothing: targets are always nodes',
    translate: (value) => (value === 'ip' ? noPods() : unneeded('targets are always nodes')),
  },
  [`${elb}name`]: never('controller', 'names are derived from cluster and Service; find the load balancer by its tags'),
  [`${elb}scheme`]: {
    of: 'controller',
    about: 'the class: `roadstead.dev/public` or `roadstead.dev/internal`',
    translate: (value) => ({ kind: 'class', scheme: value === 'internet-facing' ? 'public' : 'internal' }),
  },
  [`${elb}internal`]: {
    of: 'both',
    about: 'the class: `roadstead.dev/internal`, or `roadstead.dev/public` for false',
    translate: (value) => ({ kind: 'class', scheme: value === '' || value === 'false' ? 'public' : 'internal' }),
  },
  [`${elb}ip-address-type`]: {
    of: 'controller',
    about: '`spec.ipFamilyPolicy: RequireDualStack` for dualstack',
    translate: (value) =>
      value === 'dualstack'
        ? { kind: 'field', field: 'spec.ipFamilyPolicy', value: 'RequireDualStack' }
        : unneeded('the address families are those of the Service'),
  },
  [`${elb}subnets`]: same('both', 'subnets'),
  [`${elb}eip-allocations`]: same('both', 'eip-allocations'),
  [`${elb}private-ipv4-addresses`]: same('both', 'private-ipv4-addresses'),
  [`${elb}ipv6-addresses`]: same('controller', 'ipv6-addresses'),
  [`${elb}enable-prefix-for-ipv6-source-nat`]: {
    of: 'controller',
    about: 'nothing: it is on for UDP over dual stack, which needs it',
    translate: () => unneeded('it is on for UDP over dual stack, which needs it'),
  },
  [`${elb}source-nat-ipv6-prefixes`]: same('controller', 'source-nat-ipv6-prefixes'),
  [`${elb}security-groups`]: {
    of: 'both',
    about: '`roadstead.dev/security-groups`, with `roadstead.dev/node-rules: none` where node rules were not managed',
    translate: (value, others) =>
      annotations({
        'security-groups': spaced(value),
        ...(isTrue(others(`${elb}manage-backend-security-group-rules`)) ? {} : { 'node-rules': 'none' }),
      }),
  },
  [`${elb}manage-backend-security-group-rules`]: {
    of: 'controller',
    about: 'nothing for true; `roadstead.dev/node-rules: none` for false',
    translate: (value) =>
      isTrue(value) ? unneeded('the rules of the nodes are managed by default') : annotations({ 'node-rules': 'none' }),
  },
  [`${elb}extra-security-groups`]: never(
    'cloud-provider',
    'groups beside the managed one are not offered; `roadstead.dev/security-groups` replaces it',
  ),
  [`${elb}security-group-prefix-lists`]: same('controller', 'source-prefix-lists'),
  [`${elb}disable-nlb-sg`]: {
    of: 'controller',
    about: 'nothing: every load balancer has a security group',
    translate: (value) =>
      isTrue(value)
        ? none('every load balancer has a security group; without one AWS cannot add one later')
        : unneeded('every load balancer has a security group'),
  },
  [`${elb}inbound-sg-rules-on-private-link-traffic`]: same('controller', 'private-link-rules'),
  [`${elb}enable-icmp-for-path-mtu-discovery`]: {
    of: 'controller',
    about: ours('icmp-path-mtu'),
    translate: (value) => annotations({ 'icmp-path-mtu': String(value === 'on') }),
  },
  [`${elb}attributes`]: {
    of: 'controller',
    about: ours('cross-zone', 'deletion-protection', 'access-logs', 'load-balancer-attributes'),
    translate: (value) => loadBalancerAttributes(value),
  },
  [`${elb}access-log-enabled`]: {
    of: 'both',
    about: ours('access-logs'),
    translate: (value, others) =>
      isTrue(value)
        ? accessLogs(others(`${elb}access-log-s3-bucket-name`), others(`${elb}access-log-s3-bucket-prefix`))
        : unneeded('access logs are off by default'),
  },
  [`${elb}access-log-s3-bucket-name`]: partOf('both', 'access-logs'),
  [`${elb}access-log-s3-bucket-prefix`]: partOf('both', 'access-logs'),
  [`${elb}access-log-emit-interval`]: never('cloud-provider', 'of Classic Load Balancers'),
  [`${elb}cross-zone-load-balancing-enabled`]: same('both', 'cross-zone'),
  [`${elb}target-group-attributes`]: {
    of: 'both',
    about: ours(
      'preserve-client-ip',
      'proxy-protocol',
      'drain-seconds',
      'deregistration-termination',
      'target-group-attributes',
    ),
    translate: (value) => targetGroupAttributes(value),
  },
  [`${elb}proxy-protocol`]: {
    of: 'both',
    about: ours('proxy-protocol'),
    translate: () => annotations({ 'proxy-protocol': 'all' }),
  },
  [`${elb}proxy-protocol-per-target-group`]: same('controller', 'proxy-protocol'),
  [`${elb}backend-protocol`]: {
    of: 'both',
    about: '`roadstead.dev/tls-backend: all` for ssl and https',
    translate(value) {
      const word = value.toLowerCase()
      if (word === 'ssl' || word === 'https') return annotations({ 'tls-backend': 'all' })
      return word === 'http' ? none('a Network Load Balancer does not read HTTP') : unneeded('TCP is the default')
    },
  },
  [`${elb}ssl-cert`]: same('both', 'tls-certificates'),
  [`${elb}ssl-ports`]: {
    of: 'both',
    about: ours('tls-ports'),
    translate: (value) => annotations({ 'tls-ports': value.trim() === '*' ? 'all' : spaced(value) }),
  },
  [`${elb}ssl-negotiation-policy`]: same('both', 'tls-policy'),
  [`${elb}alpn-policy`]: same('controller', 'tls-alpn'),
  [`${check}protocol`]: {
    of: 'both',
    about: ours('health-check-protocol', 'health-check-https', 'health-check-traffic-port'),
    translate: (value, others) => annotations(healthCheck(value, others(`${check}port`), others(`${check}path`))),
  },
  [`${check}port`]: {
    of: 'both',
    about: ours('health-check-port', 'health-check-traffic-port'),
    translate(value, others) {
      const protocol = others(`${check}protocol`)
      const named = value === 'traffic-port' ? {} : { 'health-check-port': value }
      // With a protocol its own row says the rest.
      return annotations({
        ...named,
        ...(protocol !== undefined && value !== 'traffic-port'
          ? {}
          : healthCheck(protocol, value, others(`${check}path`))),
      })
    },
  },
  [`${check}path`]: ofHttpCheck('both', 'health-check-path'),
  [`${check}healthy-threshold`]: same('both', 'health-check-healthy-threshold'),
  [`${check}unhealthy-threshold`]: same('both', 'health-check-unhealthy-threshold'),
  [`${check}interval`]: same('both', 'health-check-interval-seconds'),
  [`${check}timeout`]: same('both', 'health-check-timeout-seconds'),
  [`${check}success-codes`]: ofHttpCheck('controller', 'health-check-codes'),
  [`${elb}target-node-labels`]: same('both', 'node-selector'),
  [`${elb}additional-resource-tags`]: same('both', 'tags'),
  [`${elb}enable-tcp-udp-listener`]: {
    of: 'controller',
    about: 'nothing: TCP and UDP on one port share a listener by themselves',
    translate: () => unneeded('TCP and UDP on one port share a listener by themselves'),
  },
  [`${elb}quic-enabled-ports`]: never(
    'controller',
    'AWS takes QUIC listeners only on load balancers without security groups, and by a server id of each target, which node ports hide from the Pods; UDP carries QUIC without connection migration',
  ),
  [`${elb}multi-cluster-target-group`]: {
    of: 'controller',
    about: ours('keep-foreign-targets'),
    translate: (value) =>
      isTrue(value) ? annotations({ 'keep-foreign-targets': 'true' }) : unneeded('it is off by default'),
  },
  [`${elb}minimum-load-balancer-capacity`]: {
    of: 'controller',
    about: ours('capacity-units'),
    translate(value) {
      const units = /^CapacityUnits=(\d+)$/.exec(value.trim())?.[1] ?? value
      return units === '0' ? unneeded('nothing is reserved by default') : annotations({ 'capacity-units': units })
    },
  },
  [`${elb}connection-draining-enabled`]: partOf('cloud-provider', 'drain-seconds'),
  [`${elb}connection-draining-timeout`]: same('cloud-provider', 'drain-seconds'),
  [`${elb}connection-idle-timeout`]: same('cloud-provider', 'idle-timeout-seconds'),
}

/** Annotations whose name ends with a port: by what stands before it; the row for what stands after. */
const families: Readonly<Record<string, (suffix: string) => ForeignAnnotation>> = {
  [`${elb}target-group-attributes.`]: (port) => ofPort('target-group-attributes', port),
  // `TCP-80`: the protocol goes without saying, since a port has one listener.
  [`${elb}listener-attributes.`]: (suffix) => ofPort('listener-attributes', suffix.slice(suffix.lastIndexOf('-') + 1)),
  'actions.': () => never('controller', 'weighted target groups are not offered'),
}

/** The row of an annotation by its full name; undefined for one of neither controller. */
export function foreignAnnotation(key: string): ForeignAnnotation | undefined {
  if (!key.startsWith(foreignPrefix)) return undefined
  const name = key.slice(foreignPrefix.length)
  if (Object.hasOwn(rows, name)) return rows[name]
  const [start, family] = Object.entries(families).find(([beginning]) => name.startsWith(beginning)) ?? []
  return start === undefined ? undefined : family?.(name.slice(start.length))
}

/** Whether a name is of the form the two controllers use, known or not. */
export function looksForeign(key: string): boolean {
  return key.startsWith(foreignPrefix + elb)
}

/** Full name -> row, for the docs. */
export function foreignAnnotations(): [string, ForeignAnnotation][] {
  const named = Object.entries(families).map(([start, family]): [string, ForeignAnnotation] => [
    `${start}PORT`,
    family('PORT'),
  ])
  return [...Object.entries(rows), ...named].map(([name, row]) => [foreignPrefix + name, row])
}

function same(of: Origin, key: string): ForeignAnnotation {
  return { of, about: ours(key), translate: (value) => annotations({ [key]: spaced(value) }) }
}

/** The node proxy, which is asked by default, answers /healthz with 200 or 503: carried over only where an application is asked. */
function ofHttpCheck(of: Origin, key: string): ForeignAnnotation {
  return {
    of,
    about: `${ours(key)}, for HTTP checks`,
    translate(value, others) {
      const protocol = others(`${check}protocol`) ?? 'TCP'
      return protocol.toUpperCase() === 'TCP'
        ? unneeded('a TCP check does not read an answer')
        : annotations({ [key]: spaced(value) })
    },
  }
}

function never(of: Origin, why: string): ForeignAnnotation {
  return { of, about: `none: ${why}`, translate: () => none(why) }
}

function partOf(of: Origin, key: string): ForeignAnnotation {
  return { of, about: `part of ${ours(key)}`, translate: () => unneeded(`it is part of roadstead.dev/${key}`) }
}

function ours(...keys: string[]): string {
  return keys.map((key) => `\`roadstead.dev/${key}\``).join(', ')
}

function noPods(): Equivalent {
  return none('Pods are not targets; externalTrafficPolicy Local spares the second hop and keeps the client address')
}

/** Without blanks around commas. */
function spaced(value: string): string {
  return value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .join(',')
}

function pairs(value: string): [string, string][] {
  return value
    .split(',')
    .map((pair): [string, string] => {
      const at = pair.indexOf('=')
      return at < 0 ? [pair.trim(), ''] : [pair.slice(0, at).trim(), pair.slice(at + 1).trim()]
    })
    .filter(([key]) => key !== '')
}

/** Attributes with a word of their own, and the rest under `rest`. */
function attributes(value: string, words: Readonly<Record<string, string>>, rest: string): Record<string, string> {
  const given = pairs(value)
  const named = given.flatMap(([key, text]): [string, string][] => {
    const word = words[key]
    return word === undefined ? [] : [[word, text]]
  })
  const others = given.filter(([key]) => words[key] === undefined).map(([key, text]) => `${key}=${text}`)
  return { ...Object.fromEntries(named), ...(others.length === 0 ? {} : { [rest]: others.join(',') }) }
}

function loadBalancerAttributes(value: string): Equivalent {
  const given = Object.fromEntries(pairs(value))
  const logs = isTrue(given['access_logs.s3.enabled'])
    ? accessLogs(given['access_logs.s3.bucket'], given['access_logs.s3.prefix'])
    : undefined
  if (logs?.kind === 'none') return logs
  const words = {
    'deletion_protection.enabled': 'deletion-protection',
    'load_balancing.cross_zone.enabled': 'cross-zone',
  }
  const others = pairs(value).filter(([key]) => !key.startsWith('access_logs.s3.'))
  const plain = attributes(others.map((pair) => pair.join('=')).join(','), words, 'load-balancer-attributes')
  const all = { ...plain, ...(logs?.kind === 'annotations' ? logs.annotations : {}) }
  return Object.keys(all).length === 0 ? unneeded('these are the defaults') : annotations(all)
}

function targetGroupAttributes(value: string): Equivalent {
  const words = {
    'preserve_client_ip.enabled': 'preserve-client-ip',
    'proxy_protocol_v2.enabled': 'proxy-protocol',
    'deregistration_delay.timeout_seconds': 'drain-seconds',
    'deregistration_delay.connection_termination.enabled': 'deregistration-termination',
  }
  const { 'proxy-protocol': proxy, ...all } = attributes(value, words, 'target-group-attributes')
  const given = { ...all, ...(isTrue(proxy) ? { 'proxy-protocol': 'all' } : {}) }
  return Object.keys(given).length === 0 ? unneeded('these are the defaults') : annotations(given)
}

/** With the port before each key. */
function ofPort(key: string, port: string): ForeignAnnotation {
  return {
    of: 'controller',
    about: `${ours(key)}, as \`PORT:key=value\``,
    translate: (value) =>
      annotations(
        {
          [key]: pairs(value)
            .map(([name, text]) => `${port}:${name}=${text}`)
            .join(','),
        },
        'one annotation for all ports: join them with commas',
      ),
  }
}

function accessLogs(bucket: string | undefined, prefix = ''): Equivalent {
  if (bucket === undefined || bucket === '') return none('access logs need a bucket, and none is named')
  return annotations({ 'access-logs': `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}` })
}

/** Their default port is the one that serves traffic, ours the health port of the node proxy; their default path is /. */
function healthCheck(protocol = 'TCP', port = 'traffic-port', path: string | undefined): Record<string, string> {
  const word = protocol.toUpperCase()
  const atRoot = word !== 'TCP' && path === undefined ? { 'health-check-path': '/' } : {}
  if (port === 'traffic-port') return { 'health-check-traffic-port': word === 'TCP' ? 'true' : word, ...atRoot }
  if (word === 'HTTPS') return { 'health-check-protocol': 'HTTP', 'health-check-https': 'true', ...atRoot }
  return { 'health-check-protocol': word, ...atRoot }
}
