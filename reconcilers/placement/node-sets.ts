/**
 * Which nodes may receive a cloud's traffic. Pure. The rules are those of Kubernetes' service controller: readiness does not matter (the
 * load balancer's health checks decide), leaving does. A cloud's set never becomes empty while the cloud has nodes.
 */
import type { Node } from '../../kube/objects.ts'
import type { TargetNode } from '../../providers/contract.ts'
import { cloudLabel } from '../words.ts'

const excludeLabel = 'node.kubernetes.io/exclude-from-external-load-balancers'
const autoscalerTaint = 'ToBeDeletedByClusterAutoscaler'
const zoneLabel = 'topology.kubernetes.io/zone'

/** Targets by cloud, sorted by name; a cloud of `clouds` without nodes has an empty list. */
export type NodeSets = ReadonlyMap<string, readonly TargetNode[]>

export interface CloudOfNodes {
  name: string
  ownsNode(providerId: string): boolean
}

/**
 * `last`: the sets before. Where every node of a cloud is excluded, those of the last set that still exist stay; where none of them does
 * (or nothing is known, after a restart), all nodes of the cloud. `labelKeys`: labels that a selector somewhere asks for.
 */
export function nodeSets(
  nodes: Iterable<Node>,
  clouds: readonly CloudOfNodes[],
  last: NodeSets | undefined,
  labelKeys: ReadonlySet<string> = new Set(),
): NodeSets {
  const byCloud = new Map<string, Node[]>(clouds.map(({ name }) => [name, []]))
  for (const node of nodes) byCloud.get(cloudOfNode(node, clouds) ?? '')?.push(node)
  const sets = new Map<string, readonly TargetNode[]>()
  for (const [cloud, own] of byCloud) {
    const before = new Set(last?.get(cloud)?.map(({ name }) => name))
    const eligible = own.filter(isEligible)
    const kept = own.filter(({ metadata }) => before.has(metadata.name ?? ''))
    const chosen = eligible.length > 0 ? eligible : kept.length > 0 ? kept : own
    sets.set(
      cloud,
      chosen.map((node) => targetNode(node, labelKeys)).toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    )
  }
  return sets
}

/** Those with the labels; '' stands for any value. */
export function selectNodes(
  nodes: readonly TargetNode[],
  selector: Readonly<Record<string, string>>,
): readonly TargetNode[] {
  const wanted = Object.entries(selector)
  return nodes.filter(({ labels = {} }) =>
    wanted.every(([key, value]) => Object.hasOwn(labels, key) && (value === '' || labels[key] === value)),
  )
}

/** The label decides, then the providerID; undefined: no cloud of ours. */
export function cloudOfNode(node: Node, clouds: readonly CloudOfNodes[]): string | undefined {
  const label = node.metadata.labels?.[cloudLabel]
  if (label !== undefined) return label
  return clouds.find((cloud) => cloud.ownsNode(node.spec?.providerID ?? ''))?.name
}

/** Names of nodes that may receive traffic and belong to no cloud, sorted; without those that a cloud is still about to introduce. */
export function nodesOfNoCloud(nodes: Iterable<Node>, clouds: readonly CloudOfNodes[]): string[] {
  return [...nodes]
    .filter((node) => cloudOfNode(node, clouds) === undefined && isEligible(node) && !isUninitialized(node))
    .map(({ metadata }) => metadata.name ?? '')
    .sort()
}

/** A cloud controller has yet to write the providerID (k8s.io/cloud-provider). */
function isUninitialized(node: Node): boolean {
  return (node.spec?.taints ?? []).some(({ key }) => key === 'node.cloudprovider.kubernetes.io/uninitialized')
}

/** Whether a node may receive traffic. */
export function isEligible(node: Node): boolean {
  if (node.metadata.deletionTimestamp !== undefined) return false
  if ((node.spec?.taints ?? []).some(({ key }) => key === autoscalerTaint)) return false
  const excluded = node.metadata.labels?.[excludeLabel]
  return excluded === undefined || isFalse(excluded)
}

/** As Go's strconv.ParseBool reads it; anything that is not a clear no excludes (Kubernetes 1.34). */
function isFalse(text: string): boolean {
  return ['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)
}

function targetNode(node: Node, labelKeys: ReadonlySet<string>): TargetNode {
  const labels = Object.entries(node.metadata.labels ?? {}).filter(([key]) => labelKeys.has(key))
  const zone = node.metadata.labels?.[zoneLabel]
  return {
    name: node.metadata.name ?? '',
    providerId: node.spec?.providerID ?? '',
    addresses: (node.status?.addresses ?? []).filter(({ type }) => type === 'InternalIP').map(({ address }) => address),
    ...(zone === undefined ? {} : { zone }),
    ...(labels.length === 0 ? {} : { labels: Object.fromEntries(labels) }),
  }
}
