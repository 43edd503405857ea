/**
 * Collects node changes for a short window, then hands over the clouds whose set of targets differs: a hundred nodes that come within a
 * second are one change for a target group. The first sets are taken at once.
 */
import type { Clock } from '../../kube/clock.ts'
import type { Node } from '../../kube/objects.ts'
import type { Json, TargetNode } from '../../providers/contract.ts'
import { jsonEqual } from '../../providers/json-equal.ts'
import { nodeSets, nodesOfNoCloud, selectNodes } from './node-sets.ts'
import type { CloudOfNodes, NodeSets } from './node-sets.ts'

export interface NodeWindow {
  /** The targets of a cloud as of the last window; with a selector, those it selects. An unchanged set is the same array. */
  of(cloud: string, selector?: Readonly<Record<string, string>>): readonly TargetNode[]
  /** Names of nodes that no cloud owns, as of the last window. */
  readonly ofNoCloud: readonly string[]
  /** Call on every node event. */
  noticed(): void
  /** A change has been noticed and is not taken yet. */
  readonly collecting: boolean
  /** Takes the sets now and ends the window; for the start. */
  take(): void
  stop(): void
}

export interface NodeWindowOptions {
  clock: Clock
  /** How long to collect after the first change. */
  windowMs: number
  nodes: () => Iterable<Node>
  clouds: readonly CloudOfNodes[]
  changed: (clouds: string[]) => void
  /** The nodes of no cloud are others. */
  strangersChanged?: () => void
}

export function createNodeWindow(options: NodeWindowOptions): NodeWindow {
  const { clock, windowMs, nodes, clouds, changed } = options
  let ofNoCloud: readonly string[] = []
  let sets: NodeSets | undefined
  let cancel: (() => void) | undefined
  /** Labels that a selector has asked for. */
  const labelKeys = new Set<string>()
  const selections = new WeakMap<readonly TargetNode[], Map<string, readonly TargetNode[]>>()
  const take = () => {
    cancel?.()
    cancel = undefined
    const before = sets
    const after = nodeSets(nodes(), clouds, before, labelKeys)
    const differing = [...after.keys()].filter((cloud) => !sameTargets(before?.get(cloud), after.get(cloud)))
    // An unchanged set keeps its identity: thousands of specs share one array.
    sets = new Map(
      [...after].map(([cloud, set]) => [cloud, differing.includes(cloud) ? set : (before?.get(cloud) ?? set)]),
    )
    if (differing.length > 0) changed(differing)
    const strangers = nodesOfNoCloud(nodes(), clouds)
    if (strangers.join() === ofNoCloud.join()) return
    ofNoCloud = strangers
    options.strangersChanged?.()
  }
  return {
    of(cloud, selector) {
      const fresh = Object.keys(selector ?? {}).filter((key) => !labelKeys.has(key))
      if (fresh.length > 0) {
        for (const key of fresh) labelKeys.add(key)
        take()
      }
      const all = sets?.get(cloud) ?? []
      if (selector === undefined) return all
      const known = selections.get(all) ?? new Map<string, readonly TargetNode[]>()
      selections.set(all, known)
      const key = JSON.stringify(Object.entries(selector).sort(([a], [b]) => (a < b ? -1 : 1)))
      const chosen = known.get(key) ?? selectNodes(all, selector)
      known.set(key, chosen)
      return chosen
    },
    noticed() {
      cancel ??= clock.after(windowMs, take)
    },
    get ofNoCloud() {
      return ofNoCloud
    },
    get collecting() {
      return cancel !== undefined
    },
    take,
    stop() {
      cancel?.()
      cancel = undefined
    },
  }
}

function sameTargets(a: readonly TargetNode[] | undefined, b: readonly TargetNode[] | undefined): boolean {
  return a !== undefined && b !== undefined && jsonEqual(a.map(asJson), b.map(asJson))
}

function asJson({ addresses, labels = {}, ...rest }: TargetNode): Json {
  return { ...rest, addresses, labels }
}
