/**
 * Collects node changes for a short window, then hands over the clouds whose set of targets differs: a hundred nodes that come within a
 * second are one change for a target group. The first sets are taken at once.
 */
import type { Clock } from '../../kube/clock.ts'
import type { Node } from '../../kube/objects.ts'
import type { Json, TargetNode } from '../../providers/contract.ts'
import { jsonEqual } from '../../providers/json-equal.ts'
import { nodeSets } from './node-sets.ts'
import type { CloudOfNodes, NodeSets } from './node-sets.ts'

export interface NodeWindow {
  /** The targets of a cloud as of the last window. */
  of(cloud: string): readonly TargetNode[]
  /** Call on every node event. */
  noticed(): void
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
}

export function createNodeWindow({ clock, windowMs, nodes, clouds, changed }: NodeWindowOptions): NodeWindow {
  let sets: NodeSets | undefined
  let cancel: (() => void) | undefined
  const take = () => {
    cancel?.()
    cancel = undefined
    const before = sets
    const after = nodeSets(nodes(), clouds, before)
    const differing = [...after.keys()].filter((cloud) => !sameTargets(before?.get(cloud), after.get(cloud)))
    // An unchanged set keeps its identity: thousands of specs share one array.
    sets = new Map(
      [...after].map(([cloud, set]) => [cloud, differing.includes(cloud) ? set : (before?.get(cloud) ?? set)]),
    )
    if (differing.length > 0) changed(differing)
  }
  return {
    of: (cloud) => sets?.get(cloud) ?? [],
    noticed() {
      cancel ??= clock.after(windowMs, take)
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

function asJson({ addresses, ...rest }: TargetNode): Json {
  return { ...rest, addresses }
}
