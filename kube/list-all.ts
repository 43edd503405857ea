/** A complete list by pages: what `kubectl get` does. One consistent state, also when a continue token expires halfway. */
import { isApiError, type KubeClient, type ListOptions } from './client.ts'
import type { KubeObject } from './objects.ts'
import type { ResourceType } from './resources.ts'

export interface Selection {
  namespace?: string | undefined
  labelSelector?: string | undefined
  fieldSelector?: string | undefined
}

export interface ListAllOptions<T> extends Selection {
  /** Default 500, as kubectl's. */
  pageSize?: number | undefined
  /** Applied page by page, so that the full objects of one page at most are in memory. */
  transform?: ((object: T) => T) | undefined
  signal?: AbortSignal | undefined
}

export interface WholeList<T> {
  objects: T[]
  pages: number
  resourceVersion: string | undefined
}

/** Throws what the client throws. An expired continue token (410) leads to one list without pages, as in client-go's pager. */
export async function listAll<T extends KubeObject>(
  client: KubeClient,
  type: ResourceType<T>,
  options: ListAllOptions<T> = {},
): Promise<WholeList<T>> {
  const { namespace, signal, transform = (object: T) => object } = options
  const page = (more: ListOptions) => client.list(type, namespace, { ...selectors(options), ...more }, signal)
  const limit = options.pageSize ?? 500
  let list = await page({ limit })
  const objects = list.items.map(transform)
  for (let pages = 1; ; pages += 1) {
    const token = list.metadata.continue
    if (!token) return { objects, pages, resourceVersion: list.metadata.resourceVersion }
    signal?.throwIfAborted()
    try {
      list = await page({ limit, continue: token })
    } catch (error) {
      if (!isApiError(error, 410)) throw error
      const whole = await page({})
      return {
        objects: whole.items.map(transform),
        pages: pages + 1,
        resourceVersion: whole.metadata.resourceVersion,
      }
    }
    for (const object of list.items) objects.push(transform(object))
  }
}

/** The selectors that are set, as list and watch options. */
export function selectors({ labelSelector, fieldSelector }: Selection): {
  labelSelector?: string
  fieldSelector?: string
} {
  return { ...(labelSelector && { labelSelector }), ...(fieldSelector && { fieldSelector }) }
}
