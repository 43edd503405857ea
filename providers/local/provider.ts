/**
 * The local provider: resources to the local cloud's objects and back. An object's name is `<cluster>.<uid>.<key>`, so a second
 * create finds the first one's object, and another cluster's or Service's objects never collide with ours.
 */
import type {
  Addresses,
  Features,
  Json,
  JsonObject,
  Owner,
  Provider,
  Resource,
  Step,
  TargetHealth,
} from '../contract.ts'
import { CloudError, ownerKey } from '../contract.ts'
import type { LocalCloud } from './cloud.ts'
import { lower, portsPerLoadBalancer, targetsPerLoadBalancer } from './lower.ts'
import type { CloudObject } from './wire.ts'
import { cloudRequest } from './wire.ts'

const features: Features = {
  protocols: ['TCP', 'UDP'],
  dualStack: true,
  withoutNodePorts: true,
  sourceRanges: true,
  clientIpAffinity: true,
  requestedAddress: true,
  parameters: {
    mode: "node-port (default: packets go to the nodes' node ports) or passthrough (packets reach a node unchanged)",
  },
  limits: { portsPerLoadBalancer, targetsPerLoadBalancer },
}

export interface LocalProviderOptions {
  /** Address ranges of the load balancer, when the operator knows them. */
  pools?: readonly string[]
}

export function createLocalProvider(cloud: LocalCloud, { pools = [] }: LocalProviderOptions = {}): Provider {
  return {
    name: 'local',
    features,
    ownsNode: (providerId) => providerId.startsWith('roadstead-local://'),
    lower: (spec) => lower(spec, { pools }),
    assemble: () => ({ resources: [] }),
    async observe(target, signal) {
      if ('document' in target) return []
      const objects = await cloud.list({ ...target }, signal)
      return objects.map((object) => resourceOf(object, target))
    },
    async *owners(cluster, signal) {
      const objects = await cloud.list({ cluster }, signal)
      yield* new Map(objects.map(({ tags }) => [ownerKey(tags), tags])).values()
    },
    execute: (step, signal) => execute(cloud, step, signal),
    addresses,
    targets,
  }
}

async function execute(cloud: LocalCloud, { verb, resource }: Step, signal: AbortSignal): Promise<void> {
  const request = requestOf(resource)
  if (verb === 'create') return cloud.create(request, signal)
  if (verb === 'update') return cloud.update(request, signal)
  try {
    await cloud.remove(request.kind, request.name, request.tags, signal)
  } catch (error) {
    // A delete whose answer was lost is done.
    if (!(error instanceof CloudError && error.kind === 'not-found')) throw error
  }
}

function requestOf({ kind, key, owner, needs, immutable, mutable, drain }: Resource) {
  if ('document' in owner) throw new CloudError('invalid', 'the local cloud has no shared documents')
  const { cluster, namespace, name, uid } = owner
  const [loadBalancer, targetGroup] = needs.map((need) => objectName(owner, need))
  const joins = kind === 'listener' ? { loadBalancer, targetGroup } : {}
  const slowly = drain !== undefined && (drain.seconds > 0 || drain.since !== undefined) ? { drain } : {}
  const spec = { ...joins, ...immutable, ...mutable, ...slowly }
  const parsed = cloudRequest.safeParse({
    kind,
    name: objectName(owner, key),
    tags: { cluster, namespace, name, uid },
    spec,
  })
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const message = `${key}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`
  throw new CloudError('invalid', message, { cause: parsed.error })
}

function resourceOf(object: CloudObject, owner: Owner): Resource {
  const { status } = object
  const common = { kind: object.kind, key: keyOf(object.name, owner), owner, id: object.name, state: status.state }
  if (object.kind === 'listener') {
    const { loadBalancer, targetGroup, protocol, port, ...mutable } = object.spec
    const needs = [loadBalancer, targetGroup].map((name) => keyOf(name, owner))
    return { ...common, needs, immutable: { protocol, port }, mutable, observed: {} }
  }
  if (object.kind === 'load-balancer') {
    const { scheme, drain: { seconds = 0, since } = {}, ...mutable } = object.spec
    const observed = { addresses: status.addresses ?? [] }
    const drain = since === undefined ? { seconds } : { seconds, since }
    return { ...common, needs: [], immutable: { scheme }, mutable, drain, observed }
  }
  const targets = (status.targets ?? []).map(({ node, state, reason }) => ({ node, state, reason: reason ?? null }))
  const observed = { targets, inService: status.inService ?? false }
  return { ...common, needs: [], immutable: {}, mutable: { ...object.spec }, observed }
}

function objectName({ cluster, uid }: Owner, key: string): string {
  return `${cluster}.${uid}.${key}`
}

function keyOf(name: string, { cluster, uid }: Owner): string {
  const prefix = `${cluster}.${uid}.`
  return name.startsWith(prefix) ? name.slice(prefix.length) : name
}

/**
 * Ready as soon as clients can be served: the load balancer has its addresses, the target group's first health check is in effect and
 * listeners stand. Later changes of targets or checks do not take the address back.
 */
function addresses(observed: readonly Resource[]): Addresses {
  const listeners = observed.filter(({ kind }) => kind === 'listener')
  const group = observed.find(({ kind }) => kind === 'target-group')
  const used = new Set(listeners.flatMap(({ needs }) => needs))
  // While one load balancer replaces another, the one with more listeners is the better answer.
  const balancers = observed.filter(
    ({ kind, key, state }) => kind === 'load-balancer' && state === 'ready' && used.has(key),
  )
  const share = ({ key }: Resource) => listeners.filter(({ needs }) => needs.includes(key)).length
  const balancer = balancers.toSorted((a, b) => share(b) - share(a))[0]
  if (!balancer) return pending('Provisioning', 'the load balancer is being made')
  if (group?.observed?.['inService'] !== true)
    return pending('CheckingTargets', 'waiting for the first health checks of the nodes')
  const own = listeners.filter(({ needs }) => needs.includes(balancer.key))
  const passthrough = own.some(({ mutable }) => field(mutable['forward'], 'mode') === 'passthrough')
  const ips = list(balancer.observed?.['addresses']).filter((ip) => typeof ip === 'string')
  return {
    kind: 'ready',
    addresses: ips.map((ip) => ({ ip, ipMode: passthrough ? ('VIP' as const) : ('Proxy' as const) })),
  }
}

function pending(reason: string, message: string): Addresses {
  return { kind: 'pending', reason, message }
}

function targets(observed: readonly Resource[]): TargetHealth[] {
  const group = observed.find(({ kind }) => kind === 'target-group')
  return list(group?.observed?.['targets']).map((target) => {
    const state = field(target, 'state')
    const reason = field(target, 'reason')
    const node = field(target, 'node')
    return {
      node: typeof node === 'string' ? node : '',
      healthy: state === 'healthy',
      ...(typeof reason === 'string' ? { reason } : {}),
      ...(state === 'draining' ? { draining: true } : {}),
    }
  })
}

function list(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : []
}

function field(value: Json | undefined, name: string): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject)[name] : undefined
}
