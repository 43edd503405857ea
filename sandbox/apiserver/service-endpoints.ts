/**
 * When a Service is gone, the Endpoints object of its name goes in the same moment, so that a new Service of that name never starts with
 * old endpoints. Source: afterDelete in pkg/registry/core/service/storage/storage.go. EndpointSlices are left to their controller.
 */
import type { ApiContext } from './context.ts'
import { remove } from './deletes.ts'

export function followServices(context: ApiContext): void {
  context.afterWrite.push(({ kind }, { metadata }, gone) => {
    if (!gone || kind.custom || kind.type.plural !== 'services') return
    const endpoints = context.resources.find('', 'v1', 'endpoints')
    const entry = endpoints?.collection.get(metadata.namespace ?? '', metadata.name ?? '')
    if (endpoints && entry) remove(context, endpoints, entry, { dryRun: false })
  })
}
