/**
 * The built-in resources and their strategies: the per-kind ones of strategies/, the generic one for kinds without rules of their own.
 */
import type { ApiContext } from './context.ts'
import { definitionStrategy } from './crd/definition-strategy.ts'
import { genericStrategy } from './generic-strategy.ts'
import { builtinKinds, crdKind, type Kind, storageId } from './kind.ts'
import { decodingSchema } from './schema/decode.ts'
import { builtinSchema } from './schema/openapi.ts'
import { anything } from './schema/schema.ts'
import { builtinStrategies, type StrategyOptions } from './strategies/registry.ts'
import type { Strategy } from './strategy.ts'

export function builtinResources(context: ApiContext, options: Omit<StrategyOptions, 'random'>): void {
  const strategies = builtinStrategies({ ...options, random: context.random })
  const definitions = definitionStrategy() as Strategy
  for (const kind of builtinKinds) {
    const strategy = kind === crdKind ? definitions : (strategies.get(kind.type.plural) ?? fallback(kind))
    const { group, version, kind: name } = kind.type
    const schema = decodingSchema(builtinSchema(group, version, name) ?? anything)
    context.resources.add({ kind, strategy, schema, collection: context.store.collection(storageId(kind.type)) })
  }
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
