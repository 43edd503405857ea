/** What `roadstead up` says once the first load balancer has an address: two commands to try. */
import { fileURLToPath } from 'node:url'
import { systemClock } from '../kube/clock.ts'
import type { CommandIo } from '../kube/flags.ts'
import type { KubeObject, Service } from '../kube/objects.ts'
import { services } from '../kube/resources.ts'
import { type Cluster, waitFor } from '../sandbox/cluster.ts'
import { inPath } from '../sandbox/executables.ts'
import { firstAddress } from './live-table.ts'
import type { UpSettings } from './up-settings.ts'

const loadTool = fileURLToPath(new URL('../sandbox/nodes/images/probe-main.ts', import.meta.url))

/** Waits up to 30 s for the first address of an applied Service; without one it says so and goes on. */
export async function greeting(cluster: Cluster, settings: UpSettings, io: CommandIo): Promise<void> {
  const named = settings.name === 'sandbox' ? '' : ` --name ${settings.name}`
  const lines = ['', 'Try, in another terminal:']
  const wanted = settings.manifests.flatMap(({ objects }) => objects).filter(isLoadBalancer)
  if (wanted.length > 0) {
    const service = await firstWithAddress(cluster, wanted, io.signal)
    if (io.signal.aborted) return
    if (service === undefined)
      lines.unshift('  no Service has an address after 30 s: kubectl describe service, and kubectl get lb, say why')
    else lines.push(`  ./roadstead sandbox exec${named} client -- ${askingCommand(service)}`)
  }
  lines.push(
    inPath('kubectl')
      ? `  KUBECONFIG=${cluster.kubeconfig} kubectl get services,lb,pods,nodes -o wide`
      : `  ./roadstead sandbox exec${named} node-1 -- nft list table ip roadstead`,
  )
  io.stdout(`${lines.join('\n')}\n\n`)
}

function isLoadBalancer(object: KubeObject): boolean {
  const spec: unknown = Reflect.get(object, 'spec')
  return object.kind === 'Service' && (spec as { type?: unknown } | undefined)?.type === 'LoadBalancer'
}

async function firstWithAddress(
  cluster: Cluster,
  wanted: readonly KubeObject[],
  signal: AbortSignal,
): Promise<Service | undefined> {
  const look = async () => {
    const { items } = await cluster.client.list(services, undefined, {}, signal)
    return items.find(
      (seen) =>
        firstAddress(seen) !== undefined &&
        wanted.some(
          ({ metadata: { name, namespace = 'default' } }) =>
            name === seen.metadata.name && namespace === seen.metadata.namespace,
        ),
    )
  }
  return await waitFor('an address', 30, systemClock, look, signal).catch(() => undefined)
}

/** curl where there is one, otherwise the sandbox's own load tool, which also shows the spread over Pods. */
function askingCommand(service: Service): string {
  const port = service.spec.ports?.find((entry) => (entry.protocol ?? 'TCP') === 'TCP')?.port
  const url = `http://${firstAddress(service)}${port === 80 || port === undefined ? '' : `:${port}`}/`
  return inPath('curl') ? `curl -s ${url}` : `${process.execPath} ${loadTool} http ${url} --count 20`
}
