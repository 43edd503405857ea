/**
 * A KubeProxyConfiguration as a flat list of what it says: path with dots -> value. Pure. As kube-proxy reads v1alpha1, a field that is
 * not known is no mistake but is named; null, empty texts, lists and mappings say nothing.
 */
import { UsageError } from '../../kube/flags.ts'
import { ignoredFields } from './ignored.ts'
import { settings } from './settings.ts'

export interface ConfigFile {
  readonly fields: ReadonlyMap<string, unknown>
  /** Things said in vain, each a whole sentence. */
  readonly warnings: readonly string[]
}

export const apiVersion = 'kubeproxy.config.k8s.io/v1alpha1'
export const kind = 'KubeProxyConfiguration'

const known: ReadonlySet<string> = new Set(
  Object.values(settings).flatMap(({ sources }) =>
    sources.filter(({ from }) => from === 'field').map(({ name }) => name),
  ),
)
const groups: ReadonlySet<string> = new Set(
  [...known, ...Object.keys(ignoredFields)].flatMap((path) => {
    const parts = path.split('.')
    return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('.'))
  }),
)

/** @param document what the YAML parser made of the file. Throws UsageError when it is not a KubeProxyConfiguration. */
export function readConfigFile(document: unknown): ConfigFile {
  if (!isMapping(document)) throw new UsageError(`expected one ${kind}, found ${describe(document)}`)
  if (document['apiVersion'] !== apiVersion) {
    throw new UsageError(`apiVersion: ${describe(document['apiVersion'])} is not ${apiVersion}`)
  }
  if (document['kind'] !== kind) throw new UsageError(`kind: ${describe(document['kind'])} is not ${kind}`)
  const fields = new Map<string, unknown>()
  const warnings: string[] = []
  const look = (path: string, value: unknown) => {
    if (saysNothing(value)) return
    const reason = ignoredFields[path]
    if (known.has(path)) fields.set(path, value)
    else if (reason !== undefined) {
      if (!isZero(value)) warnings.push(`${path} has no meaning here: ${reason}`)
    } else if (groups.has(path)) {
      if (!isMapping(value)) throw new UsageError(`${path}: ${describe(value)} is not a mapping`)
      for (const [name, inner] of Object.entries(value)) look(`${path}.${name}`, inner)
    } else warnings.push(`unknown field ${path}`)
  }
  for (const [name, value] of Object.entries(document)) {
    if (name !== 'apiVersion' && name !== 'kind') look(name, value)
  }
  return { fields, warnings }
}

/** `0`, `0s`, false, and groups of nothing else: what kubeadm writes for a field nobody has set. */
export function isZero(value: unknown): boolean {
  if (isMapping(value)) return Object.values(value).every(isZero)
  return saysNothing(value) || value === 0 || value === '0' || value === '0s' || value === false
}

export function describe(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value)
}

function saysNothing(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0
  if (isMapping(value)) return Object.keys(value).length === 0
  return value === null || value === undefined || value === ''
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
