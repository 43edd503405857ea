/**
 * The placements this process knows: what each one should be and what the last look found. A restart begins with none and learns them again
 * from Services, LoadBalancer objects and the clouds.
 */
import type { Json, LastWords, Owner, TargetNode } from '../../providers/contract.ts'
import { jsonEqual } from '../../providers/json-equal.ts'
import type { PlacementBase } from '../service/desire.ts'
import type { Outcome } from './outcome.ts'

export interface Placement {
  readonly cloud: string
  readonly owner: Owner
  /** undefined: everything of it is to go. */
  base: PlacementBase | undefined
  outcome: Outcome | undefined
  /** `base` has changed since the look that `outcome` tells of. */
  asked: boolean
  /** The base of the look that is under way, or of the last one. */
  looking: PlacementBase | undefined
  /** This process put the finalizer on, so the Service is known to exist as the cache shows it. */
  proven: boolean
  /** Changes made since everything stood for the last time. */
  changed: boolean
  /** The base and the nodes with which everything stood last: a difference while they are the same is drift. */
  settled: { base: PlacementBase | undefined; nodes: readonly TargetNode[] } | undefined
  /** The addresses that stand beside older ones of replaced objects, and since when they are published. */
  succession: { addresses: string; since: number } | undefined
  /** The addresses whose targets are compared with those of the object that they are to replace, and since when. */
  comparison: { addresses: string; since: number } | undefined
  /** Nothing is healthy since then, and first health checks are under way. */
  checkingSince: number | undefined
  /** Being released: how long it drains, by the Service or its class as they are now; undefined: as it stands in the cloud. */
  deleteDrainSeconds: number | undefined
  /** Being released: what the Service and its class say now; undefined: nobody knows. */
  lastWords: LastWords | undefined
  /** Being released: taken out of the shared documents. */
  withdrawn: boolean
  /** Looks in a row that ended in waiting. */
  waits: number
}

export interface Placements {
  at(cloud: string, key: string): Placement | undefined
  /** Placements of any UID under `namespace/name`. */
  ofName(serviceKey: string): Placement[]
  inCloud(cloud: string): Iterable<string>
  /** Makes or changes a placement; true when something differs from before. */
  want(cloud: string, owner: Owner, base: PlacementBase | undefined, proven?: boolean): boolean
  /** How long one that is released drains; true when that is new. */
  drain(cloud: string, owner: Owner, seconds: number | undefined): boolean
  /** What is said of one that is released; true when that is new. */
  hear(cloud: string, owner: Owner, words: LastWords | undefined): boolean
  forget(placement: Placement): void
  all(): Iterable<Placement>
}

/** Key of a placement in its cloud's queue. */
export function placementKey({ namespace, name, uid }: Owner): string {
  return `${namespace}/${name}/${uid}`
}

export function serviceKeyOf({ namespace, name }: Owner): string {
  return `${namespace}/${name}`
}

export function createPlacements(): Placements {
  const clouds = new Map<string, Map<string, Placement>>()
  const names = new Map<string, Set<Placement>>()
  const ofName = (key: string) => [...(names.get(key) ?? [])]
  return {
    at: (cloud, key) => clouds.get(cloud)?.get(key),
    ofName,
    inCloud: (cloud) => clouds.get(cloud)?.keys() ?? [],
    want(cloud, owner, base, proven = false) {
      const known = clouds.get(cloud)?.get(placementKey(owner))
      if (known !== undefined) {
        known.proven ||= proven
        const same = (known.base === undefined) === (base === undefined) && sameBase(known.base, base)
        if (!same) {
          if (known.base === undefined || base === undefined) known.outcome = undefined
          known.base = base
          known.asked = true
          known.waits = 0
          known.withdrawn = false
          known.deleteDrainSeconds = undefined
          known.lastWords = undefined
        }
        return !same
      }
      const placement: Placement = {
        asked: true,
        looking: undefined,
        cloud,
        owner,
        base,
        outcome: undefined,
        proven,
        changed: false,
        settled: undefined,
        succession: undefined,
        comparison: undefined,
        checkingSince: undefined,
        deleteDrainSeconds: undefined,
        lastWords: undefined,
        waits: 0,
        withdrawn: false,
      }
      const own = clouds.get(cloud) ?? new Map<string, Placement>()
      clouds.set(cloud, own.set(placementKey(owner), placement))
      names.set(serviceKeyOf(owner), (names.get(serviceKeyOf(owner)) ?? new Set()).add(placement))
      return true
    },
    drain(cloud, owner, seconds) {
      const placement = clouds.get(cloud)?.get(placementKey(owner))
      if (placement === undefined || placement.deleteDrainSeconds === seconds) return false
      placement.deleteDrainSeconds = seconds
      return true
    },
    hear(cloud, owner, words) {
      const placement = clouds.get(cloud)?.get(placementKey(owner))
      if (placement === undefined || JSON.stringify(placement.lastWords) === JSON.stringify(words)) return false
      placement.lastWords = words
      return true
    },
    forget(placement) {
      clouds.get(placement.cloud)?.delete(placementKey(placement.owner))
      const set = names.get(serviceKeyOf(placement.owner))
      set?.delete(placement)
      if (set?.size === 0) names.delete(serviceKeyOf(placement.owner))
    },
    *all() {
      for (const own of clouds.values()) yield* own.values()
    },
  }
}

export function sameBase(a: PlacementBase | undefined, b: PlacementBase | undefined): boolean {
  return jsonEqual(asJson(a), asJson(b))
}

/** A PlacementBase is plain data. */
function asJson(base: PlacementBase | undefined): Json | undefined {
  if (base === undefined) return undefined
  const { owner, healthCheck, ports, affinity, ...rest } = base
  return {
    ...rest,
    owner: { ...owner },
    healthCheck: { ...healthCheck },
    ports: ports.map((port) => ({ ...port })),
    affinity: { ...affinity },
  }
}
