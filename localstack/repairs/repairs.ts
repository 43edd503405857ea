/** The repairs by name, in the order of their layers (outermost first), and the state they share. */
import type { Layer } from '../layer.ts'
import type { Settings } from '../settings.ts'
import { arnForm } from './arn-form.ts'
import { attributes } from './attributes.ts'
import { bookkeeping } from './bookkeeping.ts'
import { listeners } from './listeners.ts'
import { loadBalancers } from './load-balancers.ts'
import { securityGroups } from './security-groups.ts'
import { emptyState, type RepairContext } from './state.ts'
import { subnets } from './subnets.ts'
import { tags } from './tags.ts'
import { targetGroups } from './target-groups.ts'
import { targets } from './targets.ts'

const table = {
  tags,
  'load-balancers': loadBalancers,
  'target-groups': targetGroups,
  targets,
  listeners,
  attributes,
  'security-groups': securityGroups,
  subnets: () => subnets,
  // Innermost, and always together: the others see AWS's names and rely on the books.
  'arn-form': () => arnForm,
} satisfies Record<string, (context: RepairContext) => Layer>

export type RepairName = keyof typeof table

export const repairNames = Object.keys(table) as RepairName[]

/** What can be set by hand beyond AWS's own calls. */
export interface RepairedCloud {
  /** What DescribeTargetHealth says of this instance's targets from now on; undefined: as its phases go. */
  setHealth(instanceId: string, health: 'unhealthy' | 'initial' | undefined): void
}

export interface RepairOptions {
  now: () => number
  settings: () => Settings
  /** Default: all. */
  names: readonly RepairName[] | undefined
}

export function repairLayers({ now, settings, names = repairNames }: RepairOptions): {
  layers: Layer[]
  cloud: RepairedCloud
} {
  const state = emptyState()
  const context: RepairContext = { state, now, settings, exclusive: exclusively() }
  const wanted = repairNames.filter((name) => names.includes(name))
  const layers = wanted.map((name) => table[name](context))
  const at = wanted.indexOf('arn-form')
  layers.splice(at < 0 ? layers.length : at, 0, bookkeeping(context))
  return {
    layers,
    cloud: {
      setHealth(instanceId, health) {
        if (health === undefined) state.health.delete(instanceId)
        else state.health.set(instanceId, health)
      },
    },
  }
}

/** Runs work of one key one after the other. */
function exclusively(): RepairContext['exclusive'] {
  const tails = new Map<string, Promise<unknown>>()
  return async (key, work) => {
    const before = tails.get(key) ?? Promise.resolve()
    const mine = before.then(work, work)
    const tail = mine.catch(() => undefined)
    tails.set(key, tail)
    try {
      return await mine
    } finally {
      if (tails.get(key) === tail) tails.delete(key)
    }
  }
}
