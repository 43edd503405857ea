/**
 * charts/roadstead/values.schema.json from values.yaml: types from the defaults, descriptions from the comments, limits from the table here,
 * the settings of providers from the registry, those of the proxy from its table and the spec of classes from the custom resource. Objects are
 * closed: a typing mistake fails.
 */
import { isMap, isScalar, isSeq, parseDocument } from 'yaml'
import type { YAMLMap } from 'yaml'
import { cloudSettings } from '../../providers/registry.ts'
import { ignoredFields } from '../../proxy/config/ignored.ts'
import { settings as proxySettings } from '../../proxy/config/settings.ts'
import { modeNames } from '../../proxy/mode-names.ts'

export interface Schema {
  description?: string
  type?: string | readonly string[]
  enum?: readonly unknown[]
  pattern?: string
  minimum?: number
  maximum?: number
  required?: readonly string[]
  properties?: Readonly<Record<string, Schema>>
  propertyNames?: Schema
  additionalProperties?: Schema | boolean
  items?: Schema
  [more: string]: unknown
}

/** A key of values.yaml. Sections have children. */
export interface ValueKey {
  path: readonly string[]
  description: string
  value: unknown
  children: readonly ValueKey[]
}

const dnsLabel = '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$'
const strings: Schema = { type: 'object', additionalProperties: { type: 'string' } }
const objects: Schema = { type: 'array', items: { type: 'object' } }
const anyObject: Schema = { type: 'object' }
const duration: Schema = { type: 'string', pattern: '^([0-9]+([.][0-9]+)?(ms|s|m|h)|0)$' }
const port: Schema = { type: 'integer', minimum: 1, maximum: 65535 }
const positive: Schema = { type: 'integer', minimum: 1 }
const share: Schema = { type: ['integer', 'string'], minimum: 0, pattern: '^[0-9]{1,3}%$' }

/** What the default alone does not say, by path. */
const refinements: Readonly<Record<string, Schema>> = {
  clusterId: { type: 'string', pattern: dnsLabel },
  imagePullSecrets: objects,
  commonLabels: strings,
  replicaCount: positive,
  'image.repository': { type: 'string', minLength: 1 },
  'image.digest': { type: 'string', pattern: '^(sha256:[0-9a-f]{64})?$' },
  'image.pullPolicy': { type: 'string', enum: ['Always', 'IfNotPresent', 'Never'] },
  'leaderElection.leaseDuration': duration,
  'leaderElection.renewDeadline': duration,
  'leaderElection.retryPeriod': duration,
  'operator.driftInterval': duration,
  'operator.nodeWindow': duration,
  'operator.orphanInterval': duration,
  'operator.concurrency': positive,
  'operator.cloudQps': positive,
  'operator.cloudBurst': positive,
  'operator.serviceNodePortRange': { type: 'string', pattern: '^[0-9]{1,5}-[0-9]{1,5}$' },
  'operator.logLevel': { type: 'string', enum: ['trace', 'debug', 'info', 'warn', 'error', 'silent'] },
  'operator.extraArgs': { type: 'array', items: { type: 'string', pattern: '^--' } },
  'operator.extraEnv': objects,
  'operator.extraEnvFrom': objects,
  'operator.extraVolumes': objects,
  'operator.extraVolumeMounts': objects,
  'serviceAccount.annotations': strings,
  'metrics.port': port,
  'metrics.annotations': strings,
  'metrics.serviceMonitor.additionalLabels': strings,
  'metrics.serviceMonitor.relabelings': objects,
  'metrics.serviceMonitor.metricRelabelings': objects,
  'health.port': port,
  livenessProbe: anyObject,
  readinessProbe: anyObject,
  'podDisruptionBudget.maxUnavailable': share,
  resources: anyObject,
  podAnnotations: strings,
  podLabels: strings,
  podSecurityContext: anyObject,
  securityContext: anyObject,
  nodeSelector: strings,
  tolerations: objects,
  affinity: anyObject,
  topologySpreadConstraints: objects,
  extraObjects: objects,
  'proxy.apiServer.host': { type: 'string', pattern: '^[^/ ]*$' },
  'proxy.apiServer.port': port,
  'proxy.namespace': { type: 'string', pattern: dnsLabel },
  'proxy.mode': { type: 'string', enum: modeNames },
  'proxy.config': proxyConfig(),
  'proxy.extraArgs': { type: 'array', items: { type: 'string', pattern: '^--' } },
  'proxy.extraEnv': objects,
  'proxy.serviceAccount.annotations': strings,
  'proxy.resources': anyObject,
  'proxy.podAnnotations': strings,
  'proxy.podLabels': strings,
  'proxy.livenessProbe': anyObject,
  'proxy.readinessProbe': anyObject,
  'proxy.nodeSelector': strings,
  'proxy.tolerations': objects,
  'proxy.affinity': anyObject,
  'proxy.maxUnavailable': share,
}

/** The keys of values.yaml with the comments above them. */
export function valueKeys(text: string): ValueKey[] {
  const { contents } = parseDocument(text)
  if (!isMap(contents)) throw new Error('values.yaml is no map')
  return keysOf(contents, [])
}

export function valuesSchema(keys: readonly ValueKey[], classSpec: Schema): Schema {
  const root = closed(keys, { classes: classes(keys, classSpec), ...refinements })
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart roadstead',
    ...root,
    required: ['clusterId'],
    properties: { ...root.properties, global: { description: 'Of parent charts; not read.', type: 'object' } },
  }
}

/** The structural schema of a custom resource as JSON Schema that refuses unknown fields. */
export function closedSchema(schema: Schema): Schema {
  const { properties, items, additionalProperties, type, description, enum: values, pattern } = schema
  const limits = ['minimum', 'maximum', 'minItems', 'maxItems', 'minLength', 'maxLength', 'required'] as const
  return {
    ...(description === undefined ? {} : { description }),
    ...(type === undefined ? {} : { type }),
    ...(values === undefined ? {} : { enum: values }),
    ...(pattern === undefined ? {} : { pattern }),
    ...Object.fromEntries(limits.filter((key) => schema[key] !== undefined).map((key) => [key, schema[key]])),
    ...(items === undefined ? {} : { items: closedSchema(items) }),
    ...(properties === undefined
      ? {}
      : { additionalProperties: false, properties: mapped(properties, (value) => closedSchema(value)) }),
    ...(typeof additionalProperties === 'object' ? { additionalProperties: closedSchema(additionalProperties) } : {}),
  }
}

function keysOf(map: YAMLMap, path: readonly string[]): ValueKey[] {
  return map.items.map((pair, index) => {
    const { key, value } = pair
    if (!isScalar(key)) throw new Error('a key of values.yaml is no scalar')
    const own = [...path, String(key.value)]
    const comment = key.commentBefore ?? (index === 0 ? map.commentBefore : undefined) ?? ''
    const plain = isScalar(value) ? value.value : isMap(value) || isSeq(value) ? (value.toJSON() as unknown) : null
    return {
      path: own,
      description: lastParagraph(comment),
      value: plain,
      children: isMap(value) && refinements[own.join('.')] === undefined ? keysOf(value, own) : [],
    }
  })
}

/** A paragraph above, set off by a blank line, speaks of the whole file. */
function lastParagraph(comment: string): string {
  const paragraph = comment.split(/\n\s*\n/).at(-1) ?? ''
  return paragraph
    .split('\n')
    .map((line) => line.trim())
    .join(' ')
}

function closed(keys: readonly ValueKey[], known: Readonly<Record<string, Schema>>): Schema {
  const properties = Object.fromEntries(keys.map((key) => [key.path.at(-1) ?? '', schemaOf(key, known)]))
  return { type: 'object', additionalProperties: false, properties }
}

function schemaOf(key: ValueKey, known: Readonly<Record<string, Schema>>): Schema {
  const { path, description, value, children } = key
  const about = description === '' ? {} : { description }
  const given = known[path.join('.')]
  if (given !== undefined) return { ...about, ...given }
  if (path[0] === 'providers' && path[2] === 'settings') return { ...about, ...settings(path[1] ?? '') }
  if (children.length > 0) return { ...about, ...closed(children, known) }
  if (typeof value === 'boolean') return { ...about, type: 'boolean' }
  if (typeof value === 'number') return { ...about, type: 'integer', minimum: 0 }
  if (typeof value === 'string') return { ...about, type: 'string' }
  throw new Error(`${path.join('.')}: say in scripts/reference/chart-schema.ts what may stand here`)
}

/** The flag --provider separates settings by commas. */
function settings(cloud: string): Schema {
  const value: Schema = { type: 'string', pattern: '^[^,]*$' }
  const known = cloudSettings(cloud)
  if (known === undefined) return { type: 'object', additionalProperties: value }
  return {
    type: 'object',
    additionalProperties: false,
    properties: mapped(known, (description) => ({ description, ...value })),
  }
}

/** The fields of a KubeProxyConfiguration but for those the chart gives; what kinds of values they take the proxy itself says. */
function proxyConfig(): Schema {
  const given = ['mode', 'hostnameOverride', 'clientConnection.kubeconfig']
  const read = Object.values(proxySettings).flatMap(({ sources, help }) =>
    sources.flatMap(({ from, name }): [string, string][] => (from === 'field' ? [[name, help]] : [])),
  )
  const idle = Object.entries(ignoredFields).map(([name, why]): [string, string] => [name, `Not used: ${why}.`])
  return fieldTree([...read, ...idle].filter(([name]) => !given.includes(name)))
}

/** @param fields path with dots -> description */
function fieldTree(fields: readonly (readonly [string, string])[]): Schema {
  const groups = Map.groupBy(fields, ([path]) => path.split('.', 1)[0] ?? '')
  const properties = [...groups].map(([name, inside]): [string, Schema] => {
    const [[path, description] = ['', '']] = inside
    if (path === name) return [name, { description }]
    return [name, fieldTree(inside.map(([inner, help]) => [inner.slice(name.length + 1), help]))]
  })
  return { type: 'object', additionalProperties: false, properties: Object.fromEntries(properties) }
}

/** Every class looks like the first one of values.yaml, and may have any name. */
function classes(keys: readonly ValueKey[], classSpec: Schema): Schema {
  const example = keys.find(({ path }) => path[0] === 'classes')?.children[0]?.children ?? []
  const spec = { ...classSpec, description: example.find(({ path }) => path[2] === 'spec')?.description ?? '' }
  const { required: _, ...open } = spec
  return {
    type: 'object',
    propertyNames: { pattern: dnsLabel },
    additionalProperties: closed(
      example.map((key) => ({ ...key, path: ['class', key.path[2] ?? ''] })),
      { 'class.spec': open },
    ),
  }
}

function mapped<A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]))
}
