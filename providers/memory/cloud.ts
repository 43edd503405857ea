/**
 * A cloud in memory: named objects with an ownership mark, addresses from a pool, and the refusals of a real one (missing needs,
 * objects in use, names of others, stale conditional writes). It knows no clock: what is `held` stays pending until `settle()`.
 * Everything a test wants to see (counts, the calls in order) or to break (failures, interruption, a gate before each call) is here.
 */
import { CloudError, ownerKey } from '../contract.ts'
import type { DocumentKey, JsonObject, Owner, Resource } from '../contract.ts'
import { jsonEqual } from '../json-equal.ts'
import { fragmentsOf } from './lower.ts'

type Mark = Owner | DocumentKey

/** What travelled: enough to compare with a plan. `target` is the owner's key or the document's name. */
interface Mutation {
  verb: 'create' | 'update' | 'delete'
  kind: string
  key: string
  target: string
}

type Call = { verb: 'observe' | 'owners' | 'documents'; target: string } | Mutation

interface Failure {
  /** Which calls it hits; all when absent. */
  match?: (call: Call) => boolean
  error: CloudError
  /** How often; Infinity until it is taken out of the list. */
  times: number
  /** The mutation happens and only its answer is lost. */
  afterwards?: boolean
}

interface Stored {
  resource: Resource
  revision: number
}

export interface MemoryCloudOptions {
  /** Load balancers that get an address before AddressPoolExhausted; default 65,536. */
  addresses?: number
  /** Load balancers before the quota error; default no quota. */
  loadBalancers?: number
}

export interface MemoryCloud {
  readonly counts: { reads: number; writes: number }
  /** Mutations that changed something, oldest first. Grows for ever: take() empties it. */
  mutations(): readonly Mutation[]
  take(): Mutation[]
  readonly failures: Failure[]
  /** Awaited before every call: lag, order of arrival. */
  gate: ((call: Call) => Promise<void>) | undefined
  /** While true, created and updated objects are pending until settle(). */
  hold: boolean
  settle(): void
  /** After `calls` more mutations every call fails until reconnect(); the last one is done without an answer, or not done. */
  interrupt(calls: number, last: 'done' | 'not-done'): void
  reconnect(): void
  /** An object without any mark under the name that `resource` would get. */
  squat(resource: Resource): void
  /** Every object, in a form that two runs can be compared by. */
  inventory(): string[]
  observe(target: Mark): Promise<Resource[]>
  owners(cluster: string): Promise<Owner[]>
  /** Every document that holds something for an owner of the cluster. */
  documents(cluster: string): Promise<DocumentKey[]>
  create(resource: Resource): Promise<void>
  update(resource: Resource, from: Resource): Promise<void>
  remove(resource: Resource): Promise<void>
}

const connectionLost = () =>
  new CloudError('unavailable', 'the connection to the cloud was lost', { code: 'ConnectionLost' })

export function createMemoryCloud(options: MemoryCloudOptions = {}): MemoryCloud {
  const objects = new Map<string, Map<string, Stored>>()
  const squatters = new Set<string>()
  const freed: number[] = []
  const counts = { reads: 0, writes: 0 }
  const failures: Failure[] = []
  let mutations: Mutation[] = []
  let nextAddress = 1
  let loadBalancers = 0
  let revision = 0
  let interruption: { left: number; last: 'done' | 'not-done' } | undefined

  const cloud: MemoryCloud = {
    counts,
    failures,
    gate: undefined,
    hold: false,
    mutations: () => mutations,
    take() {
      const taken = mutations
      mutations = []
      return taken
    },
    settle() {
      for (const group of objects.values()) {
        for (const stored of group.values()) {
          if (stored.resource.state === 'pending') stored.resource = { ...stored.resource, state: 'ready' }
        }
      }
    },
    interrupt(calls, last) {
      interruption = { left: calls, last }
    },
    reconnect() {
      interruption = undefined
    },
    squat(resource) {
      squatters.add(cloudName(resource))
    },
    inventory() {
      const owned = [...objects.values()].flatMap((group) =>
        [...group.values()].map(({ resource }) => `${cloudName(resource)} ${JSON.stringify(comparable(resource))}`),
      )
      return [...owned, ...[...squatters].map((name) => `${name} of somebody else`)].sort()
    },
    async observe(target) {
      await arrive({ verb: 'observe', target: markKey(target) })
      counts.reads++
      return [...(objects.get(markKey(target))?.values() ?? [])].map(({ resource, revision }) => ({
        ...resource,
        observed: { ...resource.observed, revision },
      }))
    },
    async owners(cluster) {
      await arrive({ verb: 'owners', target: cluster })
      counts.reads++
      return [...objects.values()].flatMap((group) => {
        const owner = [...group.values()][0]?.resource.owner
        return owner && 'uid' in owner && owner.cluster === cluster ? [owner] : []
      })
    },
    async documents(cluster) {
      await arrive({ verb: 'documents', target: cluster })
      counts.reads++
      return [...objects.values()].flatMap((group) =>
        [...group.values()].flatMap(({ resource }) => {
          const { owner } = resource
          if (!('document' in owner)) return []
          return fragmentsOf(owner, [resource]).some((fragment) => fragment.owner.cluster === cluster) ? [owner] : []
        }),
      )
    },
    create: (resource) => mutate('create', resource, () => create(resource)),
    update: (resource, from) => mutate('update', resource, () => update(resource, from)),
    remove: (resource) => mutate('delete', resource, () => remove(resource)),
  }
  return cloud

  async function arrive(call: Call): Promise<Failure | undefined> {
    await cloud.gate?.(call)
    if (interruption && interruption.left <= 0) throw connectionLost()
    const index = failures.findIndex((failure) => failure.match?.(call) ?? true)
    const failure = failures[index]
    if (!failure) return undefined
    failure.times--
    if (failure.times <= 0) failures.splice(index, 1)
    if (!failure.afterwards) throw failure.error
    return failure
  }

  async function mutate(verb: Mutation['verb'], resource: Resource, change: () => void): Promise<void> {
    const call = { verb, kind: resource.kind, key: resource.key, target: markKey(resource.owner) }
    const failure = await arrive(call)
    const last = interruption && --interruption.left === 0 ? interruption.last : undefined
    if (last === 'not-done') throw connectionLost()
    counts.writes++
    const before = revision
    change()
    if (revision > before) mutations.push(call)
    if (last === 'done') throw connectionLost()
    if (failure) throw failure.error
  }

  function create(resource: Resource): void {
    if (squatters.has(cloudName(resource))) {
      throw new CloudError('conflict', `${cloudName(resource)} exists and is not ours`, { reason: 'OwnedByOther' })
    }
    const group = objects.get(markKey(resource.owner)) ?? new Map<string, Stored>()
    const present = group.get(resource.key)
    if (present) {
      if (sameContent(present.resource, resource)) return
      throw new CloudError('conflict', `${cloudName(resource)} exists with other properties`, { code: 'AlreadyExists' })
    }
    requireNeeds(resource, group)
    const observed = resource.kind === 'load-balancer' ? allocate(resource) : {}
    objects.set(markKey(resource.owner), group)
    group.set(resource.key, {
      resource: { ...resource, id: cloudName(resource), state: cloud.hold ? 'pending' : 'ready', observed },
      revision: ++revision,
    })
  }

  function update(resource: Resource, from: Resource): void {
    const group = objects.get(markKey(resource.owner))
    const present = group?.get(resource.key)
    if (!group || !present) throw new CloudError('not-found', `${cloudName(resource)} does not exist`)
    if (sameContent(present.resource, resource)) return
    if (!jsonEqual(present.resource.immutable, resource.immutable)) {
      throw new CloudError('invalid', `${cloudName(resource)}: an immutable property cannot change`)
    }
    const seen = from.observed?.['revision']
    if ('document' in resource.owner && seen !== present.revision) {
      throw new CloudError('conflict', `${cloudName(resource)} was changed since it was read`, {
        code: 'PreconditionFailed',
      })
    }
    requireNeeds(resource, group)
    present.revision = ++revision
    const { observed } = present.resource
    present.resource = {
      ...resource,
      id: cloudName(resource),
      state: cloud.hold ? 'pending' : 'ready',
      observed: observed ?? {},
    }
  }

  function remove(resource: Resource): void {
    const group = objects.get(markKey(resource.owner))
    const present = group?.get(resource.key)
    if (!group || !present) return
    for (const { resource: other } of group.values()) {
      if (other.needs.includes(resource.key)) {
        throw new CloudError('in-use', `${cloudName(resource)} is used by ${other.key}`)
      }
    }
    group.delete(resource.key)
    if (group.size === 0) objects.delete(markKey(resource.owner))
    revision++
    const slot = present.resource.observed?.['slot']
    if (typeof slot === 'number') {
      freed.push(slot)
      loadBalancers--
    }
  }

  function allocate(resource: Resource): JsonObject {
    if (loadBalancers >= (options.loadBalancers ?? Infinity)) {
      throw new CloudError('quota', `the quota of ${options.loadBalancers} load balancers is used up`, {
        code: 'TooManyLoadBalancers',
      })
    }
    const slot = freed.shift() ?? nextAddress
    if (slot > (options.addresses ?? 65_536)) {
      throw new CloudError('quota', 'no address is left in the pool', { reason: 'AddressPoolExhausted' })
    }
    if (slot === nextAddress) nextAddress++
    loadBalancers++
    const families = resource.mutable['families']
    const ips = Array.isArray(families) ? families.map((family) => address(String(family), slot)) : []
    return { slot, addresses: ips }
  }
}

function requireNeeds(resource: Resource, group: ReadonlyMap<string, Stored>): void {
  for (const need of resource.needs) {
    if (!group.has(need))
      throw new CloudError('not-found', `${cloudName(resource)} needs ${need}, which does not exist`)
  }
}

/** From the ranges for benchmarks (RFC 2544) and documentation (RFC 3849), so that it looks like nobody's. */
function address(family: string, slot: number): string {
  return family === 'IPv6' ? `2001:db8:ffff::${slot.toString(16)}` : `198.18.${slot >> 8}.${slot & 255}`
}

function cloudName(resource: Resource): string {
  return `${markKey(resource.owner)}/${resource.key}`
}

function markKey(mark: Mark): string {
  return 'document' in mark ? `document/${mark.document}` : ownerKey(mark)
}

function comparable({ kind, needs, immutable, mutable, state, drain }: Resource): JsonObject {
  return { kind, needs: [...needs], immutable, mutable, state, drain: { ...drain } }
}

function sameContent(a: Resource, b: Resource): boolean {
  return jsonEqual([a.needs, a.immutable, a.mutable, { ...a.drain }], [b.needs, b.immutable, b.mutable, { ...b.drain }])
}
