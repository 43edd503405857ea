/**
 * From elements to virtual servers of IPVS. Pure. A frontend is one virtual server; one whose endpoints depend on who asks (external policy
 * Local) has a second one, named by a packet mark, for Pods and the node itself: IPVS looks for a mark first.
 * What has no virtual server is refused or dropped by the table (table.ts) before IPVS is asked.
 */
import type { Family } from '../rules/addresses.ts'
import { type ElementSet, elementId, type MapName } from '../rules/elements.ts'

export type Protocol = 'tcp' | 'udp' | 'sctp'

export interface VirtualServer {
  /** As ipvsadm takes it: `--tcp-service 10.96.0.1:80`, `--fwmark-service 5`, `--fwmark-service 5 --ipv6`. */
  name: string
  protocol: Protocol
  scheduler: string
  /** Seconds that a client is remembered; 0: not at all. */
  persistence: number
  /** As ipvsadm takes them: `10.244.1.5:8080`. */
  targets: ReadonlySet<string>
}

export interface Frontend {
  family: Family
  /** `address . protocol . port` */
  key: string
}

export interface ServersOf {
  /** For whoever is not told apart; without targets while there is no endpoint. Undefined when there is no such frontend. */
  byAddress: Omit<VirtualServer, 'name'> | undefined
  /** For Pods and the node itself, where they are sent elsewhere than outsiders, or once were. */
  byMark: Omit<VirtualServer, 'name'> | undefined
}

/** With this scheduler a client stays where it is as long as the endpoints do; IPVS ignores ports of targets behind a mark with persistence. */
const bySource = 'sh'

/** @param marked it has a virtual server by mark: with that the connections through it would go */
export function serversOf(elements: ElementSet, frontend: Frontend, scheduler: string, marked: boolean): ServersOf {
  const { family, key } = frontend
  const look = (map: MapName, name = key) => elements.get(elementId(family, map, name))
  if (look('frontends') === undefined) return { byAddress: undefined, byMark: undefined }
  const targetsIn = (verdicts: MapName, endpoints: MapName): Set<string> => {
    const [, count = '0'] = /^goto [nl](\d+)$/.exec(look(verdicts) ?? '') ?? []
    const slots = Array.from({ length: Number(count) }, (_, slot) => look(endpoints, `${key} . ${slot}`) ?? '')
    return new Set(slots.filter((target) => target !== '').map((target) => joined(family, target)))
  }
  const [, protocol = 'tcp'] = key.split(' . ')
  const session = look('session')
  const [, seconds = '0'] = /^goto t(\d+)$/.exec((session && look('learn', session)) ?? '') ?? []
  const persistence = Number(seconds)
  const everywhere = targetsIn('svc', 'ep')
  const here = targetsIn('svc-local', 'ep-local')
  const server = (targets: ReadonlySet<string>, how: Pick<VirtualServer, 'scheduler' | 'persistence'>) => ({
    protocol: protocol as Protocol,
    targets,
    ...how,
  })
  const told = here.size > 0 && !isSame(here, everywhere)
  return {
    // Outsiders that have nowhere to go are dropped before.
    byAddress: server(told ? here : everywhere, { scheduler, persistence }),
    byMark:
      told || marked
        ? server(everywhere, { scheduler: persistence > 0 ? bySource : scheduler, persistence: 0 })
        : undefined,
  }
}

export function addressName({ family, key }: Frontend): string {
  const [address = '', protocol = '', port = ''] = key.split(' . ')
  return `--${protocol}-service ${joined(family, `${address} . ${port}`)}`
}

export function markName(family: Family, mark: number): string {
  return `--fwmark-service ${mark}${family === 'ip6' ? ' --ipv6' : ''}`
}

function joined(family: Family, target: string): string {
  const [address = '', port = ''] = target.split(' . ')
  return family === 'ip' ? `${address}:${port}` : `[${address}]:${port}`
}

function isSame(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((target) => b.has(target))
}
