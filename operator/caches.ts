/** The operator's view of the cluster: one informer a kind, stripped of what nobody here reads, with the indexes the wiring needs. */
import { loadBalancerClasses } from '../crds/load-balancer-class.ts'
import type { LoadBalancerClass } from '../crds/load-balancer-class.ts'
import { loadBalancers } from '../crds/load-balancer.ts'
import type { LoadBalancer } from '../crds/load-balancer.ts'
import { nodePortPools } from '../crds/node-port-pool.ts'
import type { NodePortPool } from '../crds/node-port-pool.ts'
import type { KubeClient } from '../kube/client.ts'
import type { Clock } from '../kube/clock.ts'
import { startInformer } from '../kube/informer.ts'
import type { Informer } from '../kube/informer.ts'
import type { Log } from '../kube/log.ts'
import type { KubeObject, Namespace, Node, Service } from '../kube/objects.ts'
import { namespaces, nodes, services } from '../kube/resources.ts'
import type { ResourceType } from '../kube/resources.ts'

export interface Caches {
  services: Informer<Service>
  nodes: Informer<Node>
  namespaces: Informer<Namespace>
  classes: Informer<LoadBalancerClass>
  pools: Informer<NodePortPool>
  loadBalancers: Informer<LoadBalancer>
  synced: Promise<unknown>
  stop(): Promise<void>
}

/** Index of the Services that ask for a class, by `spec.loadBalancerClass`; '' for type LoadBalancer without one. */
export const byClass = 'class'
export const byNamespace = 'namespace'

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'

export function startCaches(deps: { client: KubeClient; clock: Clock; random: () => number; log: Log }): Caches {
  const start = <T extends KubeObject>(
    type: ResourceType<T>,
    transform: (object: T) => T,
    indexes: Record<string, (object: T) => string[]> = {},
  ) => startInformer<T>({ ...deps, type, transform, indexes })
  const all = {
    services: start(services, stripped, {
      [byClass]: ({ spec }) => (spec.type === 'LoadBalancer' ? [spec.loadBalancerClass ?? ''] : []),
      [byNamespace]: ({ metadata }) => [metadata.namespace ?? ''],
    }),
    nodes: start(nodes, strippedNode),
    namespaces: start(namespaces, stripped),
    classes: start(loadBalancerClasses, stripped),
    pools: start(nodePortPools, stripped),
    loadBalancers: start(loadBalancers, stripped),
  }
  return {
    ...all,
    synced: Promise.all(Object.values(all).map(({ synced }) => synced)),
    async stop() {
      await Promise.all(Object.values(all).map((informer) => informer.stop()))
    },
  }
}

function stripped<T extends KubeObject>(object: T): T {
  const { managedFields: _, annotations, ...metadata } = object.metadata as T['metadata'] & { managedFields?: unknown }
  if (annotations === undefined) return { ...object, metadata }
  const { [lastApplied]: __, ...kept } = annotations
  return { ...object, metadata: { ...metadata, annotations: kept } }
}

/** Of a node's status only the addresses are read. */
function strippedNode(node: Node): Node {
  const { name, uid, resourceVersion, labels, deletionTimestamp } = node.metadata
  const addresses = node.status?.addresses
  const { providerID, taints } = node.spec ?? {}
  return {
    metadata: {
      ...(name === undefined ? {} : { name }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(labels === undefined ? {} : { labels }),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    },
    spec: { ...(providerID === undefined ? {} : { providerID }), ...(taints === undefined ? {} : { taints }) },
    ...(addresses === undefined ? {} : { status: { addresses } }),
  }
}
