/**
 * The built-in resources: their kinds, schemas and strategies brought together. strategies/ has the kinds the sandbox acts on.
 */
import type { ApiContext } from './context.ts'
import { definitionStrategy } from './crd/definition-strategy.ts'
import { builtinKinds, storageId } from './kind.ts'
import { secretStrategy, serviceAccountStrategy } from './plain-data.ts'
import { decodingSchema } from './schema/decode.ts'
import { builtinSchema } from './schema/openapi.ts'
import { anything } from './schema/schema.ts'
import { builtinStrategies, type StrategyOptions } from './strategies/registry.ts'
import type { Strategy } from './strategy.ts'

export function builtinResources(context: ApiContext, options: Omit<StrategyOptions, 'random'>): void {
  const strategies = new Map<string, Strategy>([
    ...builtinStrategies({ ...options, random: context.random }),
    ['customresourcedefinitions', definitionStrategy()],
    ['secrets', secretStrategy()],
    ['serviceaccounts', serviceAccountStrategy()],
  ])
  for (const kind of builtinKinds) {
    const { group, version, plural, kind: name } = kind.type
    const strategy = strategies.get(plural)
    if (!strategy) throw new Error(`no strategy for ${plural}`)
    const schema = decodingSchema(builtinSchema(group, version, name) ?? anything)
    context.resources.add({ kind, strategy, schema, collection: context.store.collection(storageId(kind.type)) })
  }
}
