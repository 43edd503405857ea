/**
 * What a Service asks for, decided from the objects alone. Pure: the same objects give the same answer in every process, so a restart
 * or another replica comes to the same plan. Nodes and node port pools come in later; a mistake stops everything before the first cloud call.
 */
import type { LoadBalancerClassSpec } from '../../crds/load-balancer-class.ts'
import type { Parsed } from '../../crds/metadata.ts'
import type { Service } from '../../kube/objects.ts'
import type {
  Features,
  HealthCheck,
  LastWords,
  LoadBalancerPort,
  LoadBalancerSpec,
  Owner,
  Reason,
} from '../../providers/contract.ts'
import { canonicalIp } from '../addresses.ts'
import { deleteDrainOf, parseAnnotations, parseCidrs } from '../annotations.ts'
import type { Overrides } from '../annotations.ts'
import { selects } from '../label-selector.ts'
import { didYouMean } from '../near-matches.ts'
import { annotationPrefix } from '../words.ts'
import { chooseClass } from './class-choice.ts'

/** A placement's spec before its cloud's nodes are known. */
export type PlacementBase = Omit<LoadBalancerSpec, 'nodes'> & {
  /** Labels that nodes must have to get traffic; '' for any value. */
  nodeSelector?: Readonly<Record<string, string>>
}

interface CloudPlacement {
  cloud: string
  base: PlacementBase
}

export type Desire =
  /** Never written. */
  | { kind: 'not-ours' }
  /** Nothing is wanted any more; everything is to be cleaned up, then the finalizer comes off. */
  | {
      kind: 'released'
      finalizer: string
      /** How long load balancers drain before they are deleted, by the Service or its class as they are now; absent: as it was asked for before. */
      deleteDrainSeconds?: number
      /** By cloud: its parameters as the Service and its class have them now. */
      lastWords?: Readonly<Record<string, LastWords>>
    }
  /** Ours, but a person has to change something first. What stands already is left as it is. */
  | { kind: 'invalid'; finalizer: string; className: string; reasons: Reason[] }
  | {
      kind: 'wanted'
      finalizer: string
      className: string
      class: LoadBalancerClassSpec
      placements: CloudPlacement[]
      /** Clouds of the class that this operator was not given. */
      missingClouds: string[]
      /** How long load balancers in clouds that the class has lost drain before they are deleted. */
      deleteDrainSeconds: number
    }

/** The rest of the cluster, as far as it matters for one Service. */
export interface Surroundings {
  cluster: string
  defaultClass: string | undefined
  /** undefined: there is no such class. */
  classSpec(name: string): Parsed<LoadBalancerClassSpec> | undefined
  classNames(): Iterable<string>
  /** Clouds this operator was given. */
  features(cloud: string): Features | undefined
  cloudNames(): Iterable<string>
  namespaceLabels(namespace: string): Readonly<Record<string, string>>
  /** How many older Services of the same namespace use the class already. */
  olderInNamespace(service: Service, className: string): number
}

export function desire(service: Service, around: Surroundings): Desire {
  const choice = chooseClass(service, around.defaultClass)
  if (choice.kind === 'none') return { kind: 'not-ours' }
  if (choice.kind === 'released') return { ...choice, ...lastWill(service, around) }
  const { finalizer, name: className } = choice
  const invalid = (reasons: Reason[]): Desire => ({ kind: 'invalid', finalizer, className, reasons })

  const parsed = around.classSpec(className)
  if (parsed === undefined) return invalid([unknownClass(className, around)])
  if (!parsed.ok) {
    const message = `LoadBalancerClass ${className} is invalid: ${parsed.mistakes.join('; ')}`
    return invalid([{ reason: 'ClassInvalid', message }])
  }
  const spec = parsed.value
  const present = spec.clouds.filter(({ name }) => around.features(name) !== undefined)
  const missingClouds = spec.clouds.map(({ name }) => name).filter((name) => around.features(name) === undefined)
  const annotations = parseAnnotations(service.metadata.annotations, parameterKeys(present, around))
  const ranges = sourceRanges(service, spec, annotations.ok ? annotations.value : undefined)
  const addresses = requestedAddresses(service, spec, annotations.ok ? annotations.value : undefined)

  const reasons: Reason[] = [
    ...permission(service, className, spec, around),
    ...(present.length === 0 ? [cloudsMissing(className, missingClouds, around)] : []),
    ...portMistakes(service, className, spec),
    ...(annotations.ok ? [] : annotations.reasons),
    ...(ranges.ok ? [] : [ranges.reason]),
    ...(addresses.ok ? [] : [addresses.reason]),
    ...(annotations.ok ? healthPortMistakes(service, annotations.value) : []),
    ...(annotations.ok ? schemeMistakes(annotations.value, className, spec) : []),
  ]
  if (reasons.length > 0 || !annotations.ok || !ranges.ok || !addresses.ok) return invalid(reasons)

  const waits = waitsOf(annotations.value, spec)
  const common: Omit<PlacementBase, 'parameters'> = {
    owner: ownerOf(service, around.cluster),
    className,
    scheme: annotations.value.scheme ?? spec.scheme,
    families: service.spec.ipFamilies ?? ['IPv4'],
    ports: loadBalancerPorts(service),
    policy: service.spec.externalTrafficPolicy ?? 'Cluster',
    healthCheck: healthCheckOf(service, {
      ...spec.defaults.healthCheck,
      ...annotations.value.healthCheck,
      ...namedHealthPort(service, annotations.value),
    }),
    sourceRanges: ranges.value,
    affinity: affinityOf(service),
    requestedAddresses: addresses.value,
    ...waits,
    ...(annotations.value.nodeSelector === undefined ? {} : { nodeSelector: annotations.value.nodeSelector }),
  }
  const placements = present.map(({ name, parameters }) => {
    const keys = Object.keys(around.features(name)?.parameters ?? {})
    const pool = spec.defaults.addressPool
    const given = {
      ...(pool !== undefined && keys.includes('address-pool') ? { 'address-pool': pool } : {}),
      ...parameters,
    }
    return { cloud: name, base: { ...common, parameters: overridden(given, annotations.value.parameters, keys) } }
  })
  const { deleteDrainSeconds = 0 } = waits
  return { kind: 'wanted', finalizer, className, class: spec, placements, missingClouds, deleteDrainSeconds }
}

/** Times in seconds; the Service's word goes before the class's. */
function waitsOf(overrides: Overrides, { defaults }: LoadBalancerClassSpec) {
  const names = ['drainSeconds', 'deleteDrainSeconds', 'replacementWaitSeconds'] as const
  const given = names.flatMap((name): [string, number][] => {
    const seconds = overrides[name] ?? defaults[name]
    return seconds === undefined ? [] : [[name, seconds]]
  })
  return Object.fromEntries(given) as { [K in (typeof names)[number]]?: number }
}

/** The class's parameters of a cloud with the Service's over them. */
function overridden(
  given: Readonly<Record<string, string>>,
  own: Readonly<Record<string, string>>,
  keys: readonly string[],
): Record<string, string> {
  const said = keys.flatMap((key): [string, string][] => (own[key] === undefined ? [] : [[key, own[key]]]))
  return { ...given, ...Object.fromEntries(said) }
}

/** A Service that changed its type has no class any more: then what the cloud was told counts. */
function lastWill(
  service: Service,
  around: Surroundings,
): { deleteDrainSeconds?: number; lastWords?: Record<string, LastWords> } {
  const { deletionTimestamp: _deleted, ...metadata } = service.metadata
  const wanted = chooseClass({ ...service, metadata }, around.defaultClass)
  const parsed = wanted.kind === 'class' ? around.classSpec(wanted.name) : undefined
  const ofClass = parsed?.ok ? (parsed.value.defaults.deleteDrainSeconds ?? 0) : undefined
  const seconds = deleteDrainOf(service.metadata.annotations) ?? ofClass
  const annotations = parseAnnotations(service.metadata.annotations, parameterKeys(cloudsOf(around), around))
  const words = (cloud: string): LastWords => {
    const own = annotations.ok ? annotations.value.parameters : {}
    const ofCloud = parsed?.ok ? parsed.value.clouds.find(({ name }) => name === cloud) : undefined
    const keys = Object.keys(around.features(cloud)?.parameters ?? {})
    return {
      parameters: overridden(ofCloud?.parameters ?? {}, own, keys),
      whole: annotations.ok && ofCloud !== undefined,
    }
  }
  return {
    ...(seconds === undefined ? {} : { deleteDrainSeconds: seconds }),
    lastWords: Object.fromEntries(cloudsOf(around).map(({ name }) => [name, words(name)])),
  }
}

function cloudsOf(around: Surroundings): { name: string }[] {
  return [...around.cloudNames()].map((name) => ({ name }))
}

export function ownerOf(service: Service, cluster: string): Owner {
  const { namespace = '', name = '', uid = '' } = service.metadata
  return { cluster, namespace, name, uid }
}

function unknownClass(className: string, around: Surroundings): Reason {
  const names = [...around.classNames()].toSorted()
  const known = names.length === 0 ? 'there are no classes yet' : `classes here: ${names.join(', ')}`
  const message = `there is no LoadBalancerClass ${className}${didYouMean(className, names)}; create it or recreate the Service with another class (${known})`
  return { reason: 'ClassNotFound', message }
}

function cloudsMissing(className: string, missing: readonly string[], around: Surroundings): Reason {
  const given = [...around.cloudNames()].join(', ') || 'none'
  const message = `LoadBalancerClass ${className} names ${missing.join(', ')}, but this operator was started with: ${given}; start it with --provider ${missing[0]}`
  return { reason: 'CloudNotConfigured', message }
}

function permission(service: Service, className: string, spec: LoadBalancerClassSpec, around: Surroundings): Reason[] {
  const namespace = service.metadata.namespace ?? ''
  if (!selects(spec.namespaceSelector, around.namespaceLabels(namespace))) {
    const message = `LoadBalancerClass ${className} does not serve namespace ${namespace}: its labels do not match the class's namespaceSelector`
    return [{ reason: 'NamespaceNotAllowed', message }]
  }
  const limit = spec.limits.servicesPerNamespace
  if (limit !== undefined && around.olderInNamespace(service, className) >= limit) {
    const message = `namespace ${namespace} already has ${limit} Services of LoadBalancerClass ${className}, which is its limit; delete one or ask for a higher limit`
    return [{ reason: 'LimitExceeded', message }]
  }
  return []
}

/** A Service may ask for less exposure than its class gives, not for more. */
function schemeMistakes({ scheme }: Overrides, className: string, spec: LoadBalancerClassSpec): Reason[] {
  if (scheme !== 'public' || spec.scheme === 'public') return []
  const message = `LoadBalancerClass ${className} makes internal load balancers; recreate the Service with a class of scheme public`
  return [{ reason: 'SchemeNotAllowed', message }]
}

function portMistakes(service: Service, className: string, spec: LoadBalancerClassSpec): Reason[] {
  const count = service.spec.ports?.length ?? 0
  if (count === 0) return [{ reason: 'NoPorts', message: 'the Service has no ports; add one' }]
  const limit = spec.limits.portsPerService
  if (limit === undefined || count <= limit) return []
  const message = `the Service has ${count} ports, LoadBalancerClass ${className} allows ${limit}`
  return [{ reason: 'LimitExceeded', message }]
}

function parameterKeys(clouds: readonly { name: string }[], around: Surroundings): Set<string> {
  return new Set(clouds.flatMap(({ name }) => Object.keys(around.features(name)?.parameters ?? {})))
}

function sourceRanges(service: Service, spec: LoadBalancerClassSpec, overrides: Overrides | undefined) {
  const own = service.spec.loadBalancerSourceRanges ?? []
  const parsed = parseCidrs(own.length > 0 ? own : (overrides?.sourceRanges ?? spec.defaults.sourceRanges))
  if (parsed.ok) return parsed
  const message = `spec.loadBalancerSourceRanges holds ${parsed.wrong.map((text) => JSON.stringify(text)).join(', ')}; write CIDRs such as 192.0.2.0/24`
  return { ok: false as const, reason: { reason: 'MalformedSourceRange', message } }
}

function requestedAddresses(service: Service, spec: LoadBalancerClassSpec, overrides: Overrides | undefined) {
  const field = service.spec.loadBalancerIP
  const fromField = field === undefined || field === '' ? undefined : canonicalIp(field)
  if (field !== undefined && field !== '' && fromField === undefined) {
    const message = `spec.loadBalancerIP is ${JSON.stringify(field)}; it must be an IP address`
    return { ok: false as const, reason: { reason: 'MalformedAddress', message } }
  }
  const value = overrides?.requestedAddresses ?? (fromField === undefined ? [] : [fromField])
  if (value.length > 0 && !spec.allowRequestedAddresses) {
    const message = `the class does not let Services choose their address (${value.join(', ')}); remove the request or use another class`
    return { ok: false as const, reason: { reason: 'AddressNotAllowed', message } }
  }
  return { ok: true as const, value }
}

function loadBalancerPorts(service: Service): LoadBalancerPort[] {
  return (service.spec.ports ?? []).map(({ name = '', protocol = 'TCP', port, nodePort = 0, appProtocol }) => ({
    name,
    protocol,
    port,
    nodePort,
    ...(appProtocol === undefined ? {} : { appProtocol }),
  }))
}

/** Until the port has a node port, the check is as without the name. */
function namedHealthPort(service: Service, { healthCheckPortName }: Overrides): { port?: number } {
  const { nodePort = 0 } = (service.spec.ports ?? []).find(({ name }) => name === healthCheckPortName) ?? {}
  return healthCheckPortName === undefined || nodePort === 0 ? {} : { port: nodePort }
}

function healthPortMistakes({ spec }: Service, { healthCheckPortName: wanted }: Overrides): Reason[] {
  const named = (spec.ports ?? []).find(({ name }) => name === wanted)
  if (wanted === undefined || (named !== undefined && (named.protocol ?? 'TCP') === 'TCP')) return []
  const why = named === undefined ? 'which is no port of the Service' : 'which is no TCP port: health checks use TCP'
  return [{ reason: 'MalformedAnnotation', message: `${annotationPrefix}health-check-port names ${wanted}, ${why}` }]
}

/** externalTrafficPolicy Local: the node proxy answers on the health check node port, any path, where a local endpoint is ready. */
function healthCheckOf(service: Service, cluster: HealthCheck): HealthCheck {
  const port = service.spec.healthCheckNodePort ?? 0
  if (service.spec.externalTrafficPolicy !== 'Local' || port === 0) return cluster
  return { ...cluster, protocol: 'HTTP', path: '/healthz', port }
}

function affinityOf(service: Service): LoadBalancerSpec['affinity'] {
  if (service.spec.sessionAffinity !== 'ClientIP') return { kind: 'None' }
  return { kind: 'ClientIP', timeoutSeconds: service.spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800 }
}
