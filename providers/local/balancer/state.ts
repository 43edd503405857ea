/**
 * The state machine of the local cloud, pure: a request and a state in, the next state out, or a Refusal.
 * Creates are idempotent by name and content; nothing of another owner is touched; what is in use is not deleted; a listener that
 * goes leaves its connections the drain time, and its address is not given to anybody else before that.
 */
import type { CloudKind, CloudObject, CloudRequest, ListenerRequest, LoadBalancerRequest, Tags } from '../wire.ts'
import { Refusal } from '../wire.ts'
import { allocate, canonical, familyOf, inPools } from './addresses.ts'
import { frontendsOf } from './frontends.ts'
import type { BalancerState, Settings } from './model.ts'
import { createGroup, isPending, targetStatuses, updateGroup } from './targets.ts'

export function create(state: BalancerState, request: CloudRequest, settings: Settings, now: number): BalancerState {
  const present = find(state, request.kind, request.name)
  if (present) {
    requireOwner(present, request.tags)
    if (same(present.spec, request.spec)) return state
    throw new Refusal('AlreadyExists', `${request.kind} ${request.name} exists with other properties`)
  }
  return put(state, request, settings, now)
}

export function update(state: BalancerState, request: CloudRequest, settings: Settings, now: number): BalancerState {
  const present = find(state, request.kind, request.name)
  if (!present) throw new Refusal('NotFound', `${request.kind} ${request.name} does not exist`)
  requireOwner(present, request.tags)
  if (same(present.spec, request.spec)) return state
  return put(state, request, settings, now)
}

export function remove(state: BalancerState, kind: CloudKind, name: string, tags: Tags, now: number): BalancerState {
  const present = find(state, kind, name)
  if (!present) throw new Refusal('NotFound', `${kind} ${name} does not exist`)
  requireOwner(present, tags)
  const user = Object.values(state.listeners).find(
    ({ request }) => request.spec.loadBalancer === name || request.spec.targetGroup === name,
  )
  if (kind !== 'listener' && user) {
    throw new Refusal('InUse', `${kind} ${name} is used by listener ${user.request.name}`)
  }
  if (kind === 'load-balancer') return { ...state, loadBalancers: without(state.loadBalancers, name) }
  if (kind === 'target-group') return { ...state, targetGroups: without(state.targetGroups, name) }
  return { ...retire(state, name, now), listeners: without(state.listeners, name) }
}

function put(state: BalancerState, request: CloudRequest, settings: Settings, now: number): BalancerState {
  if (request.kind === 'load-balancer') return putLoadBalancer(state, request, settings, now)
  if (request.kind === 'listener') return putListener(state, request)
  const present = state.targetGroups[request.name]
  const names = request.spec.targets.map(({ node }) => node)
  if (new Set(names).size < names.length) throw new Refusal('InvalidRequest', 'a node is listed twice')
  const group = present ? updateGroup(present, request, now) : createGroup(request)
  return {
    ...state,
    targetGroups: { ...state.targetGroups, [request.name]: group },
    nodeIds: withNodes(
      state.nodeIds,
      request.spec.targets.flatMap(({ addresses }) => addresses),
    ),
  }
}

function putLoadBalancer(
  state: BalancerState,
  request: LoadBalancerRequest,
  settings: Settings,
  now: number,
): BalancerState {
  const present = state.loadBalancers[request.name]
  if (!present && Object.keys(state.loadBalancers).length >= settings.loadBalancerQuota) {
    throw new Refusal('TooManyLoadBalancers', `the quota of ${settings.loadBalancerQuota} load balancers is used up`)
  }
  if (present && present.request.spec.scheme !== request.spec.scheme) {
    throw new Refusal('InvalidRequest', 'the scheme of a load balancer cannot change')
  }
  const addresses = chooseAddresses(state, request, settings, present?.addresses ?? [])
  const loadBalancer = { request, addresses, createdAt: present?.createdAt ?? now }
  const dropped = (present?.addresses ?? []).filter((address) => !addresses.includes(address))
  const retired = frontendsOf(state, now).filter(({ address }) => dropped.includes(address))
  return {
    ...state,
    retired: [...state.retired, ...retired.map((frontend) => retirement(state, frontend, now))],
    loadBalancers: { ...state.loadBalancers, [request.name]: loadBalancer },
  }
}

function chooseAddresses(
  state: BalancerState,
  request: LoadBalancerRequest,
  settings: Settings,
  held: readonly string[],
): string[] {
  const { scheme, families, requestedAddresses } = request.spec
  const pools = settings.pools[scheme]
  if (pools.length === 0)
    throw new Refusal(
      'InvalidRequest',
      `no address pool for ${scheme} load balancers; see --${scheme === 'internal' ? 'internal-' : ''}pool`,
    )
  const others = Object.values(state.loadBalancers).filter(({ request: other }) => other.name !== request.name)
  const used = new Set(others.flatMap(({ addresses }) => addresses))
  const taken = new Set([...used, ...state.retired.map(({ address }) => address)])
  for (const address of requestedAddresses) {
    if (!inPools(pools, address)) {
      const ranges = pools.map(({ cidr }) => cidr).join(', ')
      throw new Refusal('AddressNotInPool', `the requested address ${address} is not in ${ranges}`)
    }
    if (!families.includes(familyOf(address))) {
      throw new Refusal('InvalidRequest', `the requested address ${address} is of no family of the load balancer`)
    }
    if (used.has(canonical(address))) throw new Refusal('AddressInUse', `the requested address ${address} is in use`)
  }
  return families.map((family) => {
    const wish = requestedAddresses.find((address) => familyOf(address) === family)
    if (wish !== undefined) return canonical(wish)
    return held.find((address) => familyOf(address) === family) ?? allocate(pools, family, taken)
  })
}

function putListener(state: BalancerState, request: ListenerRequest): BalancerState {
  const { spec } = request
  const loadBalancer = state.loadBalancers[spec.loadBalancer]
  const group = state.targetGroups[spec.targetGroup]
  if (!loadBalancer) throw new Refusal('NotFound', `load-balancer ${spec.loadBalancer} does not exist`)
  if (!group) throw new Refusal('NotFound', `target-group ${spec.targetGroup} does not exist`)
  requireOwner(loadBalancer.request, request.tags)
  requireOwner(group.request, request.tags)
  const present = state.listeners[request.name]?.request.spec
  if (
    present &&
    (present.loadBalancer !== spec.loadBalancer || present.protocol !== spec.protocol || present.port !== spec.port)
  ) {
    throw new Refusal('InvalidRequest', 'load balancer, protocol and port of a listener cannot change')
  }
  const twin = Object.values(state.listeners).find(
    ({ request: { name, spec: other } }) =>
      name !== request.name &&
      other.loadBalancer === spec.loadBalancer &&
      other.protocol === spec.protocol &&
      other.port === spec.port,
  )
  if (twin)
    throw new Refusal('DuplicateListener', `listener ${twin.request.name} has ${spec.protocol} port ${spec.port}`)
  return { ...state, listeners: { ...state.listeners, [request.name]: { request } } }
}

function retire(state: BalancerState, listener: string, now: number): BalancerState {
  const gone = frontendsOf(state, now).filter((frontend) => frontend.listener === listener)
  return { ...state, retired: [...state.retired, ...gone.map((frontend) => retirement(state, frontend, now))] }
}

function retirement(state: BalancerState, frontend: ReturnType<typeof frontendsOf>[number], now: number) {
  const { address, protocol, port, keep } = frontend
  const listener = state.listeners[frontend.listener]
  const group = listener && state.targetGroups[listener.request.spec.targetGroup]
  const balancer = listener && state.loadBalancers[listener.request.spec.loadBalancer]
  // A load balancer that is to drain before it goes is worth nothing without its connections.
  const seconds = Math.max(group?.request.spec.drainSeconds ?? 0, balancer?.request.spec.drain?.seconds ?? 0)
  return { address, protocol, port, nodes: keep, until: now + seconds * 1000 }
}

/** Forgets what has drained. */
export function expire(state: BalancerState, now: number): BalancerState {
  const retired = state.retired.filter(({ until }) => until > now)
  let changed = retired.length < state.retired.length
  const targetGroups = Object.fromEntries(
    Object.entries(state.targetGroups).map(([name, group]) => {
      const draining = group.draining.filter(({ until }) => until > now)
      if (draining.length === group.draining.length) return [name, group]
      changed = true
      return [name, { ...group, draining }]
    }),
  )
  return changed ? { ...state, retired, targetGroups } : state
}

/** Every object of the owners that `wanted` accepts, as a client sees it. `provisioningMs`: how long a new load balancer is pending. */
export function list(
  state: BalancerState,
  wanted: (tags: Tags) => boolean,
  now: number,
  provisioningMs = 0,
): CloudObject[] {
  const balancers = Object.values(state.loadBalancers).map(({ request, addresses, createdAt }): CloudObject => {
    const pending = now < createdAt + provisioningMs
    return { ...request, status: pending ? { state: 'pending' } : { state: 'ready', addresses: [...addresses] } }
  })
  const groups = Object.values(state.targetGroups).map(
    (group): CloudObject => ({
      ...group.request,
      status: {
        state: isPending(group) ? 'pending' : 'ready',
        targets: targetStatuses(group),
        inService: group.check !== undefined,
      },
    }),
  )
  const listeners = Object.values(state.listeners).map(
    ({ request }): CloudObject => ({ ...request, status: { state: 'ready' } }),
  )
  return [...balancers, ...groups, ...listeners].filter(({ tags }) => wanted(tags))
}

function find(state: BalancerState, kind: CloudKind, name: string): CloudRequest | undefined {
  if (kind === 'load-balancer') return state.loadBalancers[name]?.request
  if (kind === 'target-group') return state.targetGroups[name]?.request
  return state.listeners[name]?.request
}

function requireOwner(present: CloudRequest, tags: Tags): void {
  if (same(present.tags, tags)) return
  throw new Refusal('OwnedByOther', `${present.kind} ${present.name} exists and carries another owner's tags`)
}

function withNodes(ids: BalancerState['nodeIds'], addresses: readonly string[]): BalancerState['nodeIds'] {
  const fresh = addresses.map(canonical).filter((address) => !(address in ids))
  if (fresh.length === 0) return ids
  const used = new Set(Object.values(ids))
  const next: Record<string, number> = { ...ids }
  let id = 1
  for (const address of fresh) {
    while (used.has(id)) id++
    if (id > 0xffff) throw new Refusal('InvalidRequest', 'more than 65,535 node addresses')
    used.add(id)
    next[address] = id
  }
  return next
}

function without<T>(record: Readonly<Record<string, T>>, name: string): Record<string, T> {
  const { [name]: _, ...rest } = record
  return rest
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
