/**
 * Which flows have to go so that their clients reach an endpoint again. Pure.
 * UDP: the endpoint serves no more, or the Service, port or address is gone, or the flow is older than the Service and leads nowhere.
 * Traffic policies and topology do not matter: a flow to an endpoint that serves lives on, as with kube-proxy.
 * TCP clients notice by themselves when an endpoint goes; what they cannot get out of is an attempt from before the Service existed.
 */
import type { Family } from '../rules/addresses.ts'
import { type Change, type ElementSet, partsOf } from '../rules/elements.ts'
import type { ServiceEndpoint } from '../rules/endpoints.ts'
import type { Flow, FlowProtocol, FlowQuery, FrontendId } from './flow.ts'

/** Targets of a frontend; undefined when there is no such frontend. TCP frontends need not name theirs. */
export type Serving = (frontend: FrontendId) => ReadonlySet<string> | undefined

/** @param ipvs whether IPVS is how the node does it */
export function isStale(flow: Flow, serving: Serving, ipvs = false): boolean {
  const targets = serving(flow.frontend)
  // From before a change of the mode: IPVS sees its packets no more, and NAT leaves what is under way alone.
  if (flow.byIpvs === true && !ipvs && targets !== undefined) return true
  if (flow.protocol === 'tcp') return targets !== undefined && !flow.translated && !flow.replied
  // Without a translation it is no flow of ours: somebody else has that address now, or always had it.
  if (targets === undefined) return flow.translated
  return !targets.has(flow.target)
}

/** Endpoints whose flows live on, as one text; undefined for protocols without stale flows. */
export function targetsText(protocol: FlowProtocol, endpoints: readonly ServiceEndpoint[]): string | undefined {
  if (protocol === 'tcp') return undefined
  // An SCTP association is a connection: like one of TCP it may end in peace while its endpoint is there at all.
  const living = protocol === 'udp' ? endpoints.filter((endpoint) => endpoint.serving) : endpoints
  return living
    .map((endpoint) => endpoint.target)
    .sort()
    .join(separator)
}

const separator = ', '

export function targetsIn(text: string): Set<string> {
  return new Set(text === '' ? [] : text.split(separator))
}

/** Frontends that may have stale flows after this change of their targets (`targetsText`): those that came, went or lost one. */
export function doubtful({ remove, add }: Change): FrontendId[] {
  const doubts = new Set([...remove.keys(), ...add.keys()])
  for (const [frontend, before] of remove) {
    const after = add.get(frontend)
    if (after === undefined) continue
    const targets = targetsIn(after)
    if ([...targetsIn(before)].every((target) => targets.has(target))) doubts.delete(frontend)
  }
  return [...doubts]
}

/**
 * The same after elements were written: frontends that the kernel had and has no more (a previous process may have made flows through
 * them), and those that it has just got.
 */
export function doubtfulElements({ remove, add }: { remove: ElementSet; add: ElementSet }): FrontendId[] {
  const doubts: FrontendId[] = []
  const collect = (elements: ElementSet, other: ElementSet, wanted: (protocol: string) => boolean) => {
    for (const id of elements.keys()) {
      if (!frontendElement.test(id) || other.has(id)) continue
      const { family, key } = partsOf(id)
      if (wanted(protocolOf(key))) doubts.push(`${family} ${key}`)
    }
  }
  collect(remove, add, (protocol) => protocol !== 'tcp')
  collect(add, remove, () => true)
  return doubts
}

const frontendElement = /^ip6? frontends /

function protocolOf(frontend: string): string {
  return frontend.slice(frontend.indexOf(' . ') + 3, frontend.lastIndexOf(' . '))
}

/** Each query costs the kernel a walk through its table (20 ms for the usual 262,144 buckets), which is as much as reading so many flows. */
const flowsPerWalk = 10_000
const mostLookups = 8

/**
 * What to ask for to see every flow to one of these frontends: one by one, or all flows of a protocol, whatever costs less.
 * @param flows how many there are in the whole table
 */
export function queriesFor(frontends: Iterable<FrontendId>, flows: number): FlowQuery[] {
  const lookups = Math.min(mostLookups, 1 + Math.floor(flows / flowsPerWalk))
  const groups = new Map<string, FrontendId[]>()
  for (const frontend of frontends) {
    const name = `${frontend.slice(0, frontend.indexOf(' '))} ${protocolOf(frontend)}`
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [frontend])
    else group.push(frontend)
  }
  return [...groups].flatMap(([name, group]): FlowQuery[] => {
    const [family = '', protocol = ''] = name.split(' ')
    const all = {
      family: family as Family,
      protocol: protocol as FlowProtocol,
      destination: undefined,
      // Flows without an answer are few.
      unreplied: protocol === 'tcp',
    }
    if (group.length > 1 && (all.unreplied || group.length > lookups)) return [all]
    return group.map((frontend) => ({ ...all, destination: destinationOf(frontend) }))
  })
}

function destinationOf(frontend: FrontendId): { address: string; port: number } {
  const [, address = '', , , , port = ''] = frontend.split(' ')
  return { address, port: Number(port) }
}
