/**
 * What a provider's fake offers to the conformance suite, and the suite's small tools: specs, one pass of observe, plan and
 * execute, and passes until nothing is left to do.
 */
import { CloudError, ownerKey } from './contract.ts'
import type {
  Addresses,
  CloudErrorKind,
  DocumentKey,
  Fragment,
  LoadBalancerSpec,
  Owner,
  Provider,
  Resource,
  Step,
} from './contract.ts'
import { plan } from './plan.ts'

export interface Mutation {
  verb: Step['verb']
  kind: string
  key: string
}

/** One cloud account, empty at the start, with a provider on it. */
export interface World {
  provider: Provider
  /** The `spec.providerID` of a node of this cloud. */
  providerId(node: string): string
  /** Parameters with which `lower` answers fragments; for clouds that have shared documents. */
  documentParameters?: Readonly<Record<string, string>>
  /** Writes when one node goes and another comes, for the Service of specOf; 1 where nothing is said. */
  nodeChangeWrites?: number
  /** An edit of the Service of specOf that a held cloud makes pending; by default another node, policy and health check. */
  pendingEdit?: SpecChanges
  /** A new provider on the same cloud, as after a restart of the process; an interruption is over. */
  restart(): Promise<Provider>
  /** After `calls` more mutations the connection is dead; the last of them was done without an answer, or was not done. */
  interrupt(calls: number, last: 'done' | 'not-done'): void
  /** The next mutation fails like this and does nothing. */
  fail(kind: Extract<CloudErrorKind, 'throttled' | 'unavailable'>): void
  /** Mutations the cloud has seen since the start, oldest first. */
  mutations(): Promise<readonly Mutation[]>
  /** Everything in the cloud, ours or not, one line an object, sorted; equal clouds give equal lines. */
  inventory(): Promise<readonly string[]>
  /** Somebody else makes an object with the name that `resource` would get. */
  squat(resource: Resource): Promise<void>
  /** From now on what is new or changed stays pending. */
  hold(): void
  /** Everything becomes ready; also called between passes. */
  settle(): Promise<void>
  close(): Promise<void>
}

/** Declares one test of the suite. */
export type Check = (title: string, body: (world: World) => Promise<void>) => void

export const owner: Owner = {
  cluster: 'c1',
  namespace: 'shop',
  name: 'web',
  uid: '7b6a9f0e-0000-4000-8000-000000000001',
}

/** Parts of a spec; nodes by name. */
export type SpecChanges = Partial<Omit<LoadBalancerSpec, 'nodes'>> & { nodes?: readonly string[] }

/** A Service with two TCP ports and one UDP port on two nodes. */
export function specOf(
  world: Pick<World, 'providerId'>,
  {
    nodes = ['node-1', 'node-2'],
    ...changes
  }: Partial<Omit<LoadBalancerSpec, 'nodes'>> & { nodes?: readonly string[] } = {},
): LoadBalancerSpec {
  return {
    owner,
    className: 'standard',
    scheme: 'public',
    families: ['IPv4'],
    ports: [
      { name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 },
      { name: 'https', protocol: 'TCP', port: 443, nodePort: 30443 },
      { name: 'dns', protocol: 'UDP', port: 53, nodePort: 30053 },
    ],
    policy: 'Cluster',
    healthCheck: healthCheck(10256),
    sourceRanges: [],
    affinity: { kind: 'None' },
    requestedAddresses: [],
    drainSeconds: 0,
    parameters: {},
    ...changes,
    nodes: nodes.map((name) => ({
      name,
      providerId: world.providerId(name),
      addresses: [`192.0.2.${Number(name.split('-')[1])}`],
    })),
  }
}

export function healthCheck(port: number): LoadBalancerSpec['healthCheck'] {
  const thresholds = { healthyThreshold: 2, unhealthyThreshold: 2 }
  return { protocol: 'HTTP', port, path: '/healthz', intervalSeconds: 5, timeoutSeconds: 2, ...thresholds }
}

/** Edits of the Service of specOf that keep its load balancer. */
export const edits: Readonly<Record<string, SpecChanges>> = {
  'a port added': { ports: [...somePorts(), { name: 'alt', protocol: 'TCP', port: 8080, nodePort: 30088 }] },
  'a port removed': { ports: somePorts().slice(1) },
  'another port number': { ports: somePorts().map((port) => (port.port === 80 ? { ...port, port: 81 } : port)) },
  'another node port': { ports: somePorts().map((port) => ({ ...port, nodePort: port.nodePort + 1000 })) },
  'a node added': { nodes: ['node-1', 'node-2', 'node-3'] },
  'a node removed': { nodes: ['node-2'] },
  'no nodes': { nodes: [] },
  'other nodes': { nodes: ['node-8', 'node-9'] },
  'the policy and its health check': { policy: 'Local', healthCheck: healthCheck(32100) },
  'source ranges': { sourceRanges: ['198.51.100.0/24', '10.0.0.0/8'] },
  'client IP affinity': { affinity: { kind: 'ClientIP', timeoutSeconds: 60 } },
}

function somePorts(): LoadBalancerSpec['ports'] {
  return specOf({ providerId: (node) => node }).ports
}

/** What the provider wants for a spec; nothing for undefined. Throws when it is unsupported. */
export function ownOf(provider: Provider, spec: LoadBalancerSpec | undefined): readonly Resource[] {
  if (spec === undefined) return []
  const lowered = provider.lower(spec)
  if (lowered.kind === 'lowered') return lowered.own
  throw new Error(`unsupported: ${lowered.reasons.map(({ message }) => message).join('; ')}`)
}

export async function stepsTo(
  provider: Provider,
  spec: LoadBalancerSpec | undefined,
  of = spec?.owner ?? owner,
): Promise<Step[]> {
  return plan(ownOf(provider, spec), await provider.observe(of, signal()), provider.refine)
}

const passLimit = 10

/** Observe, plan, execute, once; shared documents around what the owner has alone. Returns the steps; throws what the cloud throws. */
export async function pass(
  provider: Provider,
  spec: LoadBalancerSpec | undefined,
  of = spec?.owner ?? owner,
  execute: Execute = (step) => provider.execute(step, signal()),
): Promise<Step[]> {
  const lowered = spec && provider.lower(spec)
  const fragments = lowered?.kind === 'lowered' ? lowered.fragments : []
  const first = await documentPass(provider, of, fragments, execute)
  const steps = await stepsTo(provider, spec, of)
  for (const step of steps) await execute(step)
  if (spec !== undefined) return [...first, ...steps, ...(await documentPass(provider, of, fragments, execute))]
  const gone = (await provider.observe(of, signal())).length === 0
  const standing = gone ? await provider.documents?.(of.cluster, signal()) : []
  return [...steps, ...(await documentPass(provider, of, [], execute, standing))]
}

/** Carries out one step of a pass. */
export type Execute = (step: Step) => Promise<unknown>

/** Brings the documents of `fragments`, or those given, to what this owner and, as far as they stand there, the others want. */
async function documentPass(
  provider: Provider,
  of: Owner,
  fragments: readonly Fragment[],
  execute: Execute,
  standing: readonly DocumentKey[] = [],
): Promise<Step[]> {
  const named = fragments.map(({ document }): DocumentKey => ({ kind: 'document', document }))
  const all = new Map([...named, ...standing].map((document) => [document.document, document]))
  const done: Step[] = []
  for (const document of all.values()) {
    for (let round = 0; round < passLimit; round++) {
      const observed = await provider.observe(document, signal())
      const others = (provider.fragments?.(document, observed) ?? []).filter(
        ({ owner }) => ownerKey(owner) !== ownerKey(of),
      )
      const own = fragments.filter((fragment) => fragment.document === document.document)
      const wanted = provider.assemble(document, [...others, ...own], observed).resources
      const steps = plan(wanted, observed, provider.refine)
      if (steps.length === 0) break
      for (const step of steps) await execute(step)
      done.push(...steps)
    }
  }
  return done
}

/** Passes until one has nothing to do; all their steps. Throws when there is no end. */
export async function converge(
  world: World,
  spec: LoadBalancerSpec | undefined,
  { provider = world.provider, of = spec?.owner ?? owner } = {},
): Promise<Step[]> {
  const all: Step[] = []
  for (let round = 0; round < passLimit; round++) {
    const steps = await pass(provider, spec, of)
    await world.settle()
    if (steps.length === 0) return all
    all.push(...steps)
  }
  throw new Error(
    `not done after ${passLimit} passes; the last steps were ${all.slice(-5).map(describeStep).join(', ')}`,
  )
}

export async function published(provider: Provider, of = owner): Promise<Addresses> {
  return provider.addresses(await provider.observe(of, signal()))
}

export function asMutation({ verb, resource: { kind, key } }: Step): Mutation {
  return { verb, kind, key }
}

export function describeStep(step: Step): string {
  return `${step.verb} ${step.resource.key}`
}

/** Calls of the suite are never aborted. */
export function signal(): AbortSignal {
  return new AbortController().signal
}

export function isCloudError(error: unknown): error is CloudError {
  return error instanceof CloudError
}
