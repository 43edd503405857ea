/**
 * The built-in resources and their strategies: the per-kind ones of strategies/, the generic one for kinds without rules of their own.
 */
import type { ApiContext } from './context.ts'
import { genericStrategy } from './generic-strategy.ts'
import { builtinKinds, type Kind, storageId } from './kind.ts'
import type { Strategy } from './strategy.ts'

interface BuiltinOptions {
  serviceClusterIpRanges: readonly string[]
  serviceNodePortRange: { from: number; to: number }
}

export function builtinResources(context: ApiContext, options: BuiltinOptions): void {
  const strategies = strategiesOf(context, options)
  for (const kind of builtinKinds) {
    const strategy = strategies.get(kind.type.plural) ?? fallback(kind)
    context.resources.add({ kind, strategy, collection: context.store.collection(storageId(kind.type)) })
  }
}

function strategiesOf(_context: ApiContext, _options: BuiltinOptions): Map<string, Strategy> {
  return new Map()
}

const counted: ReadonlySet<string> = new Set([
  'deployments',
  'customresourcedefinitions',
  'endpointslices',
  'services',
  'pods',
])

function fallback(kind: Kind): Strategy {
  return genericStrategy({
    namespaced: kind.type.namespaced,
    status: kind.subresources.includes('status'),
    generation: counted.has(kind.type.plural),
  })
}
