/** What `roadstead up` says once the first load balancer answers: where the kubeconfig is and two commands to try. */
import { fileURLToPath } from 'node:url'
import { systemClock } from '../kube/clock.ts'
import type { CommandIo } from '../kube/flags.ts'
import { services } from '../kube/resources.ts'
import { type Cluster, waitFor } from '../sandbox/cluster.ts'
import { inPath } from '../sandbox/executables.ts'
import { firstAddress } from './live-table.ts'
import type { UpSettings } from './up-settings.ts'

const loadTool = fileURLToPath(new URL('../sandbox/nodes/images/probe-main.ts', import.meta.url))

/** Waits up to 30 s for the first address of the applied Services; without one it says so and goes on. */
export async function greeting(cluster: Cluster, settings: UpSettings, io: CommandIo): Promise<void> {
  const wanted = settings.manifests
    .flatMap(({ objects }) => objects)
    .filter(
      (object) =>
        object.kind === 'Service' && Reflect.get(Reflect.get(object, 'spec') ?? {}, 'type') === 'LoadBalancer',
    )
  const first = wanted[0]
  const lines = [`  kubeconfig: ${cluster.kubeconfig}`, '', 'Try, in another terminal:']
  const named = settings.name === 'sandbox' ? '' : ` --name ${settings.name}`
  if (first !== undefined) {
    const at = { namespace: first.metadata.namespace ?? 'default', name: first.metadata.name ?? '' }
    const service = await waitFor(
      'an address',
      30,
      systemClock,
      async () => {
        const seen = await cluster.client.get(services, at, io.signal)
        return firstAddress(seen) === undefined ? undefined : seen
      },
      io.signal,
    ).catch(() => undefined)
    const address = service === undefined ? undefined : firstAddress(service)
    const port = service?.spec.ports?.find((entry) => (entry.protocol ?? 'TCP') === 'TCP')?.port
    if (io.signal.aborted) return
    if (address === undefined)
      lines.unshift(`  Service ${at.name} has no address after 30 s: kubectl describe service ${at.name} says why`)
    else if (port !== undefined) {
      const url = `http://${address}${port === 80 ? '' : `:${port}`}/`
      lines.push(
        `  ./roadstead sandbox exec${named} client -- ${inPath('curl') ? `curl -s ${url}` : `${process.execPath} ${loadTool} http ${url} --count 20`}`,
      )
    }
  }
  lines.push(
    inPath('kubectl')
      ? `  KUBECONFIG=${cluster.kubeconfig} kubectl get services,lb,pods,nodes -o wide`
      : `  ./roadstead sandbox exec${named} node-1 -- nft list table ip roadstead`,
  )
  io.stdout(`${lines.join('\n')}\n\n`)
}
