/**
 * The client's half of the kube benchmark: the informers alone in a process, so that its memory is theirs. Takes the server's URL
 * as argument, sends the figures to its parent and ends.
 */
import { systemClock } from '../kube/clock.ts'
import { plainConnection } from '../kube/connection.ts'
import { createHttpClient } from '../kube/http-client.ts'
import { type Informer, startInformer } from '../kube/informer.ts'
import { silent } from '../kube/log.ts'
import type { EndpointSlice, KubeObject, Node, Service } from '../kube/objects.ts'
import { endpointSlices, nodes, type ResourceType, services } from '../kube/resources.ts'
import { mebibytes, residentBytes } from './resident.ts'

const url = process.argv[2] ?? ''
const client = createHttpClient(plainConnection(url))
const started = performance.now()
const before = residentBytes()
const informers = [follow(services, slimService), follow(endpointSlices, slimSlice), follow(nodes, slimNode)]
await Promise.all(informers.map(({ synced }) => synced))
const syncSeconds = (performance.now() - started) / 1000
const atSync = residentBytes()
// What the operating system sees a moment later, when the collector has had its turn by itself.
await new Promise((resolve) => setTimeout(resolve, 5000))
process.send?.({
  syncSeconds,
  objects: informers.reduce((sum, { cache }) => sum + cache.size, 0),
  rssBeforeMb: mebibytes(before),
  rssAtSyncMb: mebibytes(atSync),
  rssMb: mebibytes(residentBytes()),
  rssPeakMb: mebibytes(process.resourceUsage().maxRSS * 1024),
  heapMb: mebibytes(process.memoryUsage().heapUsed),
})
await Promise.all(informers.map((informer) => informer.stop()))
client.close()
process.disconnect?.()

function follow<T extends KubeObject>(type: ResourceType<T>, transform: (object: T) => T): Informer<KubeObject> {
  return startInformer<T>({ client, type, transform, clock: systemClock, random: Math.random, log: silent })
}

function slimService({ metadata, spec, status }: Service): Service {
  return { metadata: slimMeta(metadata), spec, ...(status && { status }) }
}

function slimSlice({ metadata, addressType, endpoints, ports }: EndpointSlice): EndpointSlice {
  return { metadata: slimMeta(metadata), addressType, endpoints, ...(ports && { ports }) }
}

function slimNode({ metadata, spec, status }: Node): Node {
  const { addresses, conditions } = status ?? {}
  return {
    metadata: slimMeta(metadata),
    ...(spec && { spec }),
    status: {
      ...(addresses && { addresses }),
      ...(conditions && { conditions: conditions.filter(({ type }) => type === 'Ready') }),
    },
  }
}

function slimMeta(metadata: KubeObject['metadata']): KubeObject['metadata'] {
  const { managedFields: _, annotations, ...rest } = metadata as KubeObject['metadata'] & { managedFields?: unknown }
  const { 'kubectl.kubernetes.io/last-applied-configuration': __, ...kept } = annotations ?? {}
  return { ...rest, annotations: kept }
}
