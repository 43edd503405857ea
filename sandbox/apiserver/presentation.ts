/**
 * Turns the answer of an operation into what the client asked to see. Objects pass through untouched, so their bytes stay shared.
 */
import type { KubeObject } from '../../kube/objects.ts'
import type { Clock } from '../../kube/clock.ts'
import type { Wanted } from './negotiation.ts'
import type { ApiResponse } from './request.ts'
import type { Resource } from './resource.ts'
import { partial, tableOf, tableView } from './tables/table.ts'
import { frameObject, type WatchFrame, type WatchStream } from './watch.ts'

export function present(response: ApiResponse, resource: Resource, wanted: Wanted, clock: Clock): ApiResponse {
  const { body } = response
  response.format = wanted.format
  if (wanted.as === 'object') return response
  if (body.kind === 'watch') {
    body.stream = presented(body.stream, resource, wanted, clock)
    return response
  }
  if (body.kind === 'list') {
    const objects = body.entries.map(({ object }) => object)
    response.body = { kind: 'value', value: listShape(objects, body.metadata, resource, wanted, clock) }
  } else if (body.kind === 'entry') {
    response.body = { kind: 'value', value: objectShape(body.entry.object, resource, wanted, clock, true) }
  }
  return response
}

function listShape(
  objects: KubeObject[],
  metadata: Record<string, unknown>,
  resource: Resource,
  { as, include }: Wanted,
  clock: Clock,
): unknown {
  if (as === 'table') {
    return tableOf(objects, { view: tableView(resource), include, now: clock.now(), metadata, headers: true })
  }
  const items = objects.map((object) => partial(object))
  return { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata, items }
}

function objectShape(
  object: KubeObject,
  resource: Resource,
  { as, include }: Wanted,
  clock: Clock,
  headers: boolean,
): unknown {
  if (as === 'metadata') return partial(object)
  const metadata = { resourceVersion: object.metadata.resourceVersion }
  return tableOf([object], { view: tableView(resource), include, now: clock.now(), metadata, headers })
}

/** The stream with every object in the wanted shape; the table's headers come with the first event only. */
function presented(stream: WatchStream, resource: Resource, wanted: Wanted, clock: Clock): WatchStream {
  let first = true
  return {
    next: () => stream.next(),
    onWake: (listener) => stream.onWake(listener),
    end: () => stream.end(),
    get ended() {
      return stream.ended
    },
    apiVersion: stream.apiVersion,
    kind: stream.kind,
    shape(frame: WatchFrame) {
      if (frame.type === 'ERROR') return frame.status
      const object = frameObject(frame, stream) as KubeObject
      if (frame.type === 'BOOKMARK') {
        return wanted.as === 'table'
          ? { kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata, columnDefinitions: [], rows: [] }
          : partial(object)
      }
      const shaped = objectShape(object, resource, wanted, clock, first)
      first = false
      return shaped
    },
  }
}
