/**
 * The Kubernetes side: the sandbox's API server in this process, over HTTP, with our custom resources, a class for AWS and Nodes that
 * name seeded instances. People and other controllers act through `client`.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LoadBalancerClass } from '../../crds/load-balancer-class.ts'
import { loadBalancerClasses } from '../../crds/load-balancer-class.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { Event, Node, Service } from '../../kube/objects.ts'
import { nodes, services } from '../../kube/resources.ts'
import { inProcessClient } from '../../sandbox/apiserver/in-process-client.ts'
import { writeKubeconfig } from '../../sandbox/apiserver/kubeconfig.ts'
import { startApiServer } from '../../sandbox/apiserver/server.ts'
import { absent, eventsOf, installCrds, loadBalancerClass, webService } from '../operator/world.ts'
import { until } from './waiting.ts'

/** An instance as a Node names it. */
export interface Machine {
  instanceId: string
  zone: string
  privateIp: string
}

export interface Cluster {
  client: KubeClient
  /** For processes. */
  kubeconfig: string
  /** Makes a Node for an instance; `more` is laid over it. */
  addNode: (name: string, machine: Machine, more?: Partial<Node>) => Promise<void>
  create: (name: string, spec?: Partial<Service['spec']>, annotations?: Record<string, string>) => Promise<Service>
  patch: (name: string, body: unknown) => Promise<Service>
  remove: (name: string) => Promise<void>
  service: (name: string) => Promise<Service | undefined>
  all: () => Promise<readonly Service[]>
  /** The hostname in the status, once there is one. */
  served: (name: string, seconds?: number) => Promise<string>
  /** The Service is gone from the API server. */
  gone: (name: string, seconds?: number) => Promise<void>
  /** The condition `roadstead.dev/<type>` once it has the reason. */
  reason: (name: string, type: string, reason: string, seconds?: number) => Promise<Condition>
  eventsOf: (name: string) => Promise<readonly Event[]>
  close: () => Promise<void>
}

interface Condition {
  type: string
  status: string
  reason: string
  message: string
}

export const namespace = 'default'

export async function startCluster(classes: readonly LoadBalancerClass[] = [awsClass('public')]): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), 'rs-aws-'))
  const server = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }] })
  const client = inProcessClient(server.api, 'test')
  await installCrds(client)
  for (const one of classes) await client.create(loadBalancerClasses, one)
  const kubeconfig = join(folder, 'kubeconfig')
  await writeKubeconfig(kubeconfig, server.url, 'test')

  const service = (name: string) => absent(client.get(services, { namespace, name }))
  const seen = (name: string) => async () =>
    JSON.stringify({ ...(await service(name)), metadata: undefined }, undefined, 1) +
    eventText(await eventsOf(client, name, namespace))
  return {
    client,
    kubeconfig,
    async addNode(name, machine, more) {
      await client.create(nodes, awsNode(name, machine, more))
    },
    create: (name, spec, annotations) => client.create(services, awsService(name, spec, annotations)),
    patch: (name, body) => client.patch(services, { namespace, name }, { type: 'merge', body }),
    async remove(name) {
      await client.remove(services, { namespace, name })
    },
    service,
    all: async () => (await client.list(services, namespace)).items,
    served: (name, seconds = 30) =>
      until(`an address for ${name}`, async () => hostnameOf(await service(name)), { seconds, seen: seen(name) }),
    async gone(name, seconds = 30) {
      await until(`the end of ${name}`, async () => (await service(name)) === undefined, { seconds, seen: seen(name) })
    },
    reason: (name, type, reason, seconds = 30) =>
      until(
        `${type} of ${name} with reason ${reason}`,
        async () =>
          (await service(name))?.status?.conditions?.find(
            (condition) => condition.type === `roadstead.dev/${type}` && condition.reason === reason,
          ),
        { seconds, seen: seen(name) },
      ),
    eventsOf: (name) => eventsOf(client, name, namespace),
    async close() {
      await server.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export function awsClass(name: string, spec: Partial<LoadBalancerClass['spec']> = {}): LoadBalancerClass {
  return loadBalancerClass(name, ['aws'], { scheme: 'public', ...spec })
}

export function awsService(
  name: string,
  spec: Partial<Service['spec']> = {},
  annotations?: Record<string, string>,
): Service {
  return webService(name, { loadBalancerClass: 'roadstead.dev/public', ...spec }, annotations)
}

export function awsNode(name: string, { instanceId, zone, privateIp }: Machine, more: Partial<Node> = {}): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'topology.kubernetes.io/zone': zone }, ...more.metadata },
    spec: { providerID: `aws:///${zone}/${instanceId}`, ...more.spec },
    status: {
      addresses: [{ type: 'InternalIP', address: privateIp }],
      conditions: [{ type: 'Ready', status: 'True' }],
      ...more.status,
    },
  }
}

export function hostnameOf(service: Service | undefined): string | undefined {
  return service?.status?.loadBalancer?.ingress?.[0]?.hostname
}

function eventText(list: readonly Event[]): string {
  return list.map(({ type, reason, message }) => `\n${type} ${reason}: ${message}`).join('')
}
