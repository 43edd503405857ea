/**
 * Reflector and cache at the size Kubernetes promises: time until the caches are complete and the memory they take. The API server
 * and the informers run in processes of their own, so neither's memory counts for the other.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { BenchRow } from './row.ts'

interface ClientFigures {
  syncSeconds: number
  objects: number
  rssBeforeMb: number
  rssAtSyncMb: number
  rssPeakMb: number
  rssMb: number
  heapMb: number
}

export async function bench(): Promise<BenchRow[]> {
  const server = fork(new URL('./kube-server-main.ts', import.meta.url))
  try {
    const { url } = await message<{ url: string }>(server)
    const figures = await measure(url, [smallYoungGeneration])
    const roomy = await measure(url, [])
    return [
      { id: 'kube.objects', value: figures.objects, unit: 'objects' },
      { id: 'kube.syncSeconds', value: figures.syncSeconds, unit: 's' },
      { id: 'kube.objectsPerSecond', value: Math.round(figures.objects / figures.syncSeconds), unit: 'objects/s' },
      { id: 'kube.rssMb', value: figures.rssMb, unit: 'MiB' },
      { id: 'kube.rssPeakMb', value: figures.rssPeakMb, unit: 'MiB' },
      { id: 'kube.rssAtSyncMb', value: figures.rssAtSyncMb, unit: 'MiB' },
      { id: 'kube.rssBeforeMb', value: figures.rssBeforeMb, unit: 'MiB' },
      { id: 'kube.rssDefaultFlagsMb', value: roomy.rssMb, unit: 'MiB' },
      { id: 'kube.heapMb', value: figures.heapMb, unit: 'MiB' },
    ]
  } finally {
    server.kill()
  }
}

/**
 * V8 of Node 24 lets the young generation grow to three times 32 MiB while lists are parsed, and keeps it. With 16 MiB, the
 * limit of earlier versions, nothing becomes slower.
 */
const smallYoungGeneration = '--max-semi-space-size=16'

async function measure(url: string, execArgv: string[]): Promise<ClientFigures> {
  const client = fork(new URL('./kube-client-main.ts', import.meta.url), [url], { execArgv })
  const figures = await message<ClientFigures>(client)
  await once(client, 'exit')
  return figures
}

/** The child's first message; rejects when it ends without one. */
async function message<T>(child: ChildProcess): Promise<T> {
  const ended = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`${child.spawnfile} ended with ${code ?? signal} before it sent its figures`)
  })
  const [figures] = await Promise.race([once(child, 'message'), ended])
  return figures as T
}
