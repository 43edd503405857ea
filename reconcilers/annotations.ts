/**
 * The strict parser of `roadstead.dev/...` annotations on Services. Pure. Every key is known and every value well formed, or the Service is
 * refused with the key by name: a typing mistake must not silently provision something else than was meant.
 */
import type { HealthCheck, Reason } from '../providers/contract.ts'
import { canonicalCidr, canonicalIp } from './addresses.ts'
import { didYouMean } from './near-matches.ts'
import { annotationPrefix } from './words.ts'

/** What a Service's annotations say; absent means: as the class says. */
export interface Overrides {
  healthCheck: { -readonly [K in keyof HealthCheck]?: HealthCheck[K] }
  /** A port of the Service, whose node port is checked. */
  healthCheckPortName?: string
  drainSeconds?: number
  deleteDrainSeconds?: number
  replacementWaitSeconds?: number
  scheme?: 'public' | 'internal'
  /** Labels a node must have; '' for any value. */
  nodeSelector?: Record<string, string>
  /** From the annotation of Kubernetes' own controllers; spec.loadBalancerSourceRanges goes before it. */
  sourceRanges?: string[]
  requestedAddresses?: string[]
  /** Parameters of providers by name. */
  parameters: Record<string, string>
}

export type ParsedAnnotations = { ok: true; value: Overrides } | { ok: false; reasons: Reason[] }

const legacySourceRanges = 'service.beta.kubernetes.io/load-balancer-source-ranges'

/** Also read from Services that are being deleted, whose other annotations do not matter any more. */
const deleteDrain = 'delete-drain-seconds'

type Reader = { expects: string; read(value: string, into: Overrides): boolean }

const readers: Readonly<Record<string, Reader>> = {
  'health-check-protocol': {
    expects: 'HTTP or TCP',
    read(value, { healthCheck }) {
      if (value !== 'HTTP' && value !== 'TCP') return false
      healthCheck.protocol = value
      return true
    },
  },
  'health-check-path': {
    expects: 'a path that starts with / and holds no blanks',
    read(value, { healthCheck }) {
      healthCheck.path = value
      return /^\/[!-~]{0,1023}$/.test(value)
    },
  },
  'health-check-port': {
    expects: "a whole number from 1 to 65535, or the name of one of the Service's ports for its node port",
    read(value, into) {
      const isNumber = /^\d+$/.test(value)
      if (isNumber) into.healthCheck.port = Number(value)
      else into.healthCheckPortName = value
      return isNumber
        ? Number(value) >= 1 && Number(value) <= 65_535
        : /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(value)
    },
  },
  'health-check-interval-seconds': integer(1, 300, (n, { healthCheck }) => (healthCheck.intervalSeconds = n)),
  'health-check-timeout-seconds': integer(1, 120, (n, { healthCheck }) => (healthCheck.timeoutSeconds = n)),
  'health-check-healthy-threshold': integer(1, 10, (n, { healthCheck }) => (healthCheck.healthyThreshold = n)),
  'health-check-unhealthy-threshold': integer(1, 10, (n, { healthCheck }) => (healthCheck.unhealthyThreshold = n)),
  'drain-seconds': integer(0, 3600, (n, into) => (into.drainSeconds = n)),
  [deleteDrain]: integer(0, 3600, (n, into) => (into.deleteDrainSeconds = n)),
  'replacement-wait-seconds': integer(0, 86_400, (n, into) => (into.replacementWaitSeconds = n)),
  scheme: {
    expects: 'internal, or public where the class is',
    read(value, into) {
      if (value !== 'public' && value !== 'internal') return false
      into.scheme = value
      return true
    },
  },
  'node-selector': {
    expects: 'labels of the nodes that get traffic, key or key=value, separated by commas',
    read(value, into) {
      const labels = value.split(',').map((label) => label.trim())
      into.nodeSelector = Object.fromEntries(
        labels.map((label) =>
          label.includes('=') ? [label.slice(0, label.indexOf('=')), label.slice(label.indexOf('=') + 1)] : [label, ''],
        ),
      )
      return labels.every((label) =>
        /^([a-z0-9.-]{1,253}\/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?(=[\w.-]{0,63})?$/.test(label),
      )
    },
  },
  addresses: {
    expects: 'one or two IP addresses, separated by a comma',
    read(value, into) {
      const addresses = value.split(',').map(canonicalIp)
      if (addresses.length > 2 || !addresses.every((address) => address !== undefined)) return false
      into.requestedAddresses = addresses
      return true
    },
  },
}

/** The keys without prefix that every cloud understands, with what they expect; for the docs. */
export function commonAnnotations(): Record<string, string> {
  return Object.fromEntries(Object.entries(readers).map(([key, { expects }]) => [key, expects]))
}

/** How long a Service that goes wants its load balancers to drain; undefined where it says nothing, or nothing that can be read. */
export function deleteDrainOf(annotations: Readonly<Record<string, string>> | undefined): number | undefined {
  const text = annotations?.[annotationPrefix + deleteDrain]
  const value: Overrides = { healthCheck: {}, parameters: {} }
  return text !== undefined && readers[deleteDrain]?.read(text.trim(), value) ? value.deleteDrainSeconds : undefined
}

/** `parameters`: keys that some cloud of the class reads. */
export function parseAnnotations(
  annotations: Readonly<Record<string, string>> | undefined,
  parameters: ReadonlySet<string>,
): ParsedAnnotations {
  const value: Overrides = { healthCheck: {}, parameters: {} }
  const reasons: Reason[] = []
  for (const [key, text] of Object.entries(annotations ?? {})) {
    if (key === legacySourceRanges) {
      const ranges = parseCidrs(text.split(','))
      if (ranges.ok) value.sourceRanges = ranges.value
      else reasons.push(malformed(key, text, 'CIDRs separated by commas'))
    }
    if (!key.startsWith(annotationPrefix)) continue
    const word = key.slice(annotationPrefix.length)
    const reader = Object.hasOwn(readers, word) ? readers[word] : undefined
    if (reader !== undefined) {
      if (!reader.read(text.trim(), value)) reasons.push(malformed(key, text, reader.expects))
    } else if (parameters.has(word)) {
      value.parameters[word] = text.trim()
    } else {
      const known = [...Object.keys(readers), ...parameters].map((known) => annotationPrefix + known)
      const message = `annotation ${key} is unknown to the clouds of this class${didYouMean(key, known) || '; remove it or correct its name'}`
      reasons.push({ reason: 'UnknownAnnotation', message })
    }
  }
  return reasons.length === 0 ? { ok: true, value } : { ok: false, reasons }
}

/** Canonical CIDRs without doubles, or the texts that are none. Empty texts are left out. */
export function parseCidrs(texts: readonly string[]): { ok: true; value: string[] } | { ok: false; wrong: string[] } {
  const given = texts.map((text) => text.trim()).filter((text) => text !== '')
  const wrong = given.filter((text) => canonicalCidr(text) === undefined)
  if (wrong.length > 0) return { ok: false, wrong }
  return { ok: true, value: [...new Set(given.map((text) => canonicalCidr(text) ?? text))] }
}

function integer(min: number, max: number, set: (value: number, into: Overrides) => void): Reader {
  return {
    expects: `a whole number from ${min} to ${max}`,
    read(text, into) {
      const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN
      if (!(value >= min && value <= max)) return false
      set(value, into)
      return true
    },
  }
}

function malformed(key: string, text: string, expects: string): Reason {
  const shown = text.length > 80 ? `${text.slice(0, 80)}...` : text
  return {
    reason: 'MalformedAnnotation',
    message: `annotation ${key} is ${JSON.stringify(shown)}; it must be ${expects}`,
  }
}
