/**
 * The sandbox's network on this machine: applies topology.ts and takes it away again. Callers add and remove nodes and Pods at any time,
 * also at once; names and addresses are handed out here, a Pod's address is not reused before the node's others were.
 */
import { type Clock, sleep } from '../../kube/clock.ts'
import { type Instance, releaseInstance } from './instance.ts'
import { configure, createNamespaces, deleteNamespaces, ipBatch, linksUp, pidsIn } from './netns.ts'
import { endProcesses, identify } from './processes.ts'
import {
  type Family,
  type IpStep,
  type NetworkChange,
  type NodePlace,
  nodeChange,
  nodePlace,
  nodeRemoval,
  type PodPlace,
  podChange,
  podPlace,
  podRemoval,
  worldChange,
} from './topology.ts'

export interface Network {
  readonly instance: Instance
  readonly families: readonly Family[]
  nodes(): readonly NodePlace[]
  node(name: string): NodePlace | undefined
  /** The lowest free number, or the one asked for. */
  addNode(index?: number): Promise<NodePlace>
  /** As if it lost its power: everything in it and in its Pods is killed. */
  removeNode(name: string): Promise<void>
  /** `hash`: 10 hex digits, unique in the instance. Throws when the node is gone or has no address left. */
  addPod(node: string, hash: string): Promise<PodPlace>
  /** Kills what is left inside. May be called twice. */
  removePod(pod: PodPlace): Promise<void>
  /** Everything gone: processes inside, namespaces, the run folder, the claim. May be called twice. */
  remove(): Promise<void>
}

export interface NetworkOptions {
  instance: Instance
  nodes: number
  families: readonly Family[]
  clock: Clock
}

interface NodeEntry {
  place: NodePlace
  /** By host number. */
  pods: Map<number, PodPlace>
  lastHost: number
}

/** Builds the whole world; when a part of it fails, what was built is removed and the error goes on. */
export async function createNetwork(options: NetworkOptions): Promise<Network> {
  const { instance, families, clock } = options
  const spec = { instance: instance.name, families }
  const entries = new Map<string, NodeEntry>()

  const remove = async () => {
    entries.clear()
    await releaseInstance(instance, clock)
  }

  const addNode = async (index = lowestFree(entries)): Promise<NodePlace> => {
    const place = nodePlace(spec, index)
    if (entries.has(place.name)) throw new Error(`${place.name} exists`)
    entries.set(place.name, { place, pods: new Map(), lastHost: 1 })
    try {
      await apply(nodeChange(spec, place), clock)
    } catch (error) {
      entries.delete(place.name)
      throw error
    }
    return place
  }

  try {
    await apply(worldChange(spec), clock)
    await Promise.all(Array.from({ length: options.nodes }, (_, i) => addNode(i + 1)))
  } catch (error) {
    await remove()
    throw error
  }

  return {
    instance,
    families,
    nodes: () => [...entries.values()].map(({ place }) => place).sort((a, b) => a.index - b.index),
    node: (name) => entries.get(name)?.place,
    addNode,
    async removeNode(name) {
      const entry = entries.get(name)
      if (!entry) return
      entries.delete(name)
      const namespaces = [entry.place.namespace, ...[...entry.pods.values()].map((pod) => pod.namespace)]
      await forget(nodeRemoval(spec, entry.place))
      await destroy(namespaces, clock)
    },
    async addPod(node, hash) {
      const entry = entries.get(node)
      if (!entry) throw new Error(`there is no ${node} in this sandbox`)
      const host = nextHost(entry)
      const pod = podPlace(spec, entry.place, hash, host)
      entry.pods.set(host, pod)
      entry.lastHost = host
      try {
        await apply(podChange(entry.place, pod), clock)
        if (entries.get(node) !== entry) throw new Error(`${node} was removed`)
      } catch (error) {
        await forget(podRemoval(entry.place, pod))
        await destroy([pod.namespace], clock)
        entry.pods.delete(host)
        throw error
      }
      return pod
    },
    async removePod(pod) {
      const entry = entries.get(pod.node)
      const held = entry && [...entry.pods].find(([, other]) => other.namespace === pod.namespace)
      if (!entry || !held) return
      await forget(podRemoval(entry.place, pod))
      await destroy([pod.namespace], clock)
      entry.pods.delete(held[0])
    },
    remove,
  }
}

async function apply(change: NetworkChange, clock: Clock): Promise<void> {
  await createNamespaces(change.namespaces)
  await Promise.all(change.namespaces.map((name) => configure(name, { sysctls: change.sysctls[name] ?? {} })))
  await Promise.all(change.links.map((step) => ipBatch(step.lines, step.namespace)))
  await Promise.all(change.settings.map((step) => ipBatch(step.lines, step.namespace)))
  await Promise.all(
    Object.entries(change.carriers).map(([namespace, devices]) => inOperation(namespace, devices, clock)),
  )
}

/**
 * A new link drops what is sent before the kernel has noticed its carrier (linkwatch, asynchronous), and a lost first ARP request
 * costs a second.
 */
async function inOperation(namespace: string, devices: readonly string[], clock: Clock): Promise<void> {
  const deadline = clock.now() + 10_000
  for (let up = await linksUp(namespace); !devices.every((device) => up.has(device)); up = await linksUp(namespace)) {
    if (clock.now() > deadline) throw new Error(`${namespace}: no carrier on ${devices.join(', ')}`)
    await sleep(clock, 5)
  }
}

/** Undoes at one end what the other end's namespace may already have taken along. */
async function forget(step: IpStep): Promise<void> {
  for (const line of step.lines) await ipBatch([line], step.namespace).catch(() => {})
}

async function destroy(namespaces: readonly string[], clock: Clock): Promise<void> {
  const inside = pidsIn(namespaces).flatMap((pid) => identify(pid) ?? [])
  await endProcesses(inside, { clock, graceMs: 0 })
  await deleteNamespaces(namespaces)
}

function lowestFree(entries: ReadonlyMap<string, NodeEntry>): number {
  let index = 1
  while (entries.has(`node-${index}`)) index += 1
  return index
}

/** Next host number after the last one handed out, round the ring 2..254. */
function nextHost(entry: NodeEntry): number {
  for (let step = 0; step < 253; step += 1) {
    const host = 2 + ((entry.lastHost - 1 + step) % 253)
    if (!entry.pods.has(host)) return host
  }
  throw new Error(`${entry.place.name} has no Pod address left (253 in use)`)
}
