/**
 * `--publish 8080=web:80`: keeps a port of the machine's loopback leading to a Service's load balancer address, whatever the address is.
 * The loopback side listens on the machine; the other side is a relay in the client's namespace; a unix socket joins them.
 */
import { join } from 'node:path'
import { systemClock } from '../kube/clock.ts'
import { startInformer } from '../kube/informer.ts'
import { silent } from '../kube/log.ts'
import type { Service } from '../kube/objects.ts'
import { services } from '../kube/resources.ts'
import type { Cluster } from '../sandbox/cluster.ts'
import { firstAddress } from './live-table.ts'
import type { Publication } from './up-settings.ts'

export function publishSocket(folder: string, localPort: number): string {
  return join(folder, `publish-${localPort}.sock`)
}

/** Follows the Services; the returned function ends it. */
export function keepPublished(
  cluster: Cluster,
  publications: readonly Publication[],
  say: (line: string) => void,
): () => void {
  if (publications.length === 0) return () => {}
  const current = new Map<number, string>()
  const informer = startInformer({
    client: cluster.client,
    type: services,
    clock: systemClock,
    random: Math.random,
    log: silent,
  })
  informer.cache.onChange((change) => {
    if (change.kind === 'removed') return
    for (const publication of publications) {
      const target = targetOf(publication, change.after)
      if (target === undefined) continue
      const text = `${target.host} port ${target.port}`
      if (current.get(publication.localPort) === text) continue
      current.set(publication.localPort, text)
      void lead(publication, target, text)
    }
  })
  return () => void informer.stop()

  async function lead(publication: Publication, target: { host: string; port: number }, text: string): Promise<void> {
    try {
      await cluster.publish(publishSocket(cluster.instance.folder, publication.localPort), target)
      say(`http://127.0.0.1:${publication.localPort} leads to ${publication.service} (${text})`)
    } catch (error) {
      say(`! port ${publication.localPort} does not lead to ${publication.service}: ${String(error)}`)
    }
  }
}

/** Where a publication leads, or undefined while the Service has no address or no such port. */
export function targetOf(publication: Publication, service: Service): { host: string; port: number } | undefined {
  const { namespace, name } = service.metadata
  if (namespace !== publication.namespace || name !== publication.service) return undefined
  const host = firstAddress(service)
  const port = service.spec.ports?.find((entry) => entry.port === publication.port || entry.name === publication.port)
  return host === undefined || port === undefined ? undefined : { host, port: port.port }
}
