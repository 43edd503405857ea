/**
 * The client's half of the kube benchmark: the operator's caches and one of EndpointSlices as the proxy keeps them, alone in a
 * process, so that its memory is theirs. Takes the server's URL as argument, sends the figures to its parent and ends.
 */
import { systemClock } from '../kube/clock.ts'
import { plainConnection } from '../kube/connection.ts'
import { createHttpClient } from '../kube/http-client.ts'
import { startInformer } from '../kube/informer.ts'
import { silent } from '../kube/log.ts'
import { endpointSlices } from '../kube/resources.ts'
import { startCaches } from '../operator/caches.ts'
import { createCommon, trimSlice } from '../proxy/trimmed.ts'
import { mebibytes, residentBytes } from './resident.ts'

const url = process.argv[2] ?? ''
const client = createHttpClient(plainConnection(url))
const started = performance.now()
const before = residentBytes()
const surroundings = { client, clock: systemClock, random: Math.random, log: silent }
const caches = startCaches(surroundings)
const common = createCommon()
const slices = startInformer({ ...surroundings, type: endpointSlices, transform: (slice) => trimSlice(slice, common) })
await Promise.all([caches.synced, slices.synced])
const syncSeconds = (performance.now() - started) / 1000
const atSync = residentBytes()
// What the operating system sees a moment later, when the collector has had its turn by itself.
await new Promise((resolve) => setTimeout(resolve, 5000))
process.send?.({
  syncSeconds,
  objects: caches.services.cache.size + caches.nodes.cache.size + slices.cache.size,
  rssBeforeMb: mebibytes(before),
  rssAtSyncMb: mebibytes(atSync),
  rssMb: mebibytes(residentBytes()),
  rssPeakMb: mebibytes(process.resourceUsage().maxRSS * 1024),
  heapMb: mebibytes(process.memoryUsage().heapUsed),
})
await Promise.all([caches.stop(), slices.stop()])
client.close()
process.disconnect?.()
