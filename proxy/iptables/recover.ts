/**
 * The elements that rules were made from, read out of the rules: the counterpart of chains.ts. A restarted proxy finds out by it what its
 * predecessor has left. The result is a guess until the rules made from it are the ones it came from; `recover` makes sure of that. Pure.
 */
import type { Family } from '../rules/addresses.ts'
import { type ElementId, elementId, type MapName } from '../rules/elements.ts'
import type { SkeletonOptions } from '../nftables/skeleton.ts'
import { prefix, trees } from './chains.ts'
import { isOfTree } from './dispatch.ts'
import { type AllChains, type FamilyRules, familyRules } from './family-rules.ts'
import { sameChains } from './saved.ts'

export interface Recovered {
  elements: Map<ElementId, string>
  rules: FamilyRules
}

/** Undefined when the chains are not what this release makes of any elements with these options. */
export function recover(family: Family, chains: AllChains, options: SkeletonOptions): Recovered | undefined {
  const elements = guess(family, chains)
  const rules = familyRules(family, options, elements)
  return sameChains(rules.chains, chains) ? { elements, rules } : undefined
}

const leaf = /^-d ([^/ ]+)\/\d+ -p (\w+) -m \w+ --dport (\d+) -j (\S+)$/
const wholeAddress = new RegExp(`^-d ([^/ ]+)/\\d+ -j ${prefix}-REFUSE$`)

function guess(family: Family, { nat, filter }: AllChains): Map<ElementId, string> {
  const elements = new Map<ElementId, string>()
  const put = (map: MapName, key: string, value = '') => elements.set(elementId(family, map, key), value)
  const rulesOf = (chains: AllChains['nat'], name: string) => chains.get(`${prefix}-${name}`) ?? []

  for (const [name, rules] of nat) {
    for (const tree of ['internal', 'external', 'firewall'] as const) {
      if (!isOfTree(trees[tree].root, name)) continue
      for (const { frontend, address, target } of leaves(rules)) {
        put('frontends', frontend)
        const lines = nat.get(target) ?? []
        if (tree === 'firewall') restriction(frontend, lines, put)
        else if (tree === 'external') choice(frontend, lines, 'svc-local', 'ep-local', 'l', put)
        else {
          choice(frontend, lines, 'svc', 'ep', 'n', put)
          marks(frontend, address, lines, put)
        }
      }
    }
  }
  for (const [name, rules] of filter) {
    if (!isOfTree(trees.answers.root, name)) continue
    for (const { frontend } of leaves(rules)) {
      put('frontends', frontend)
      if (!elements.has(elementId(family, 'svc', frontend))) put('no-ep', frontend)
    }
    for (const rule of rules) {
      const [, address] = wholeAddress.exec(rule) ?? []
      if (address !== undefined) put('cluster-ips', address)
    }
  }
  for (const rule of rulesOf(nat, 'SERVICES')) {
    const [, range] = /^-s (\S+) -g /.exec(rule) ?? []
    if (range !== undefined) put('pods', asKey(range))
  }
  for (const rule of rulesOf(nat, 'HAIRPIN')) {
    const [, address = ''] = /^-s ([^/]+)\//.exec(rule) ?? []
    put('hairpin', `${address} . ${address}`)
  }
  for (const rule of rulesOf(filter, 'UNTRANSLATED')) {
    const [, range] = /^-d (\S+) -j /.exec(rule) ?? []
    if (range !== undefined) put('service-cidrs', asKey(range))
  }
  for (const rule of rulesOf(filter, 'INPUT')) {
    const [, clusterIp, port] = /--comment "?([^" ]+)"? -m tcp --dport (\d+) -j ACCEPT$/.exec(rule) ?? []
    if (clusterIp !== undefined && port !== undefined) put('health-ports', port, clusterIp)
  }
  return elements
}

type Put = (map: MapName, key: string, value?: string) => void

function leaves(rules: readonly string[]): { frontend: string; address: string; target: string }[] {
  return rules.flatMap((rule) => {
    const [, address, protocol, port, target] = leaf.exec(rule) ?? []
    if (address === undefined || target === undefined) return []
    return [{ frontend: `${address} . ${protocol} . ${port}`, address, target }]
  })
}

function restriction(frontend: string, lines: readonly string[], put: Put): void {
  put('fw-vips', frontend)
  for (const line of lines) {
    const [, range] = /^-s (\S+) -j RETURN$/.exec(line) ?? []
    if (range !== undefined) put('fw-allow', `${frontend} . ${asKey(range)}`)
  }
}

function choice(
  frontend: string,
  lines: readonly string[],
  verdicts: 'svc' | 'svc-local',
  targets: 'ep' | 'ep-local',
  letter: 'n' | 'l',
  put: Put,
): void {
  let count = 0
  for (const line of lines) {
    const [, seconds, session] = / --rcheck --seconds (\d+) --reap --name rs_([0-9a-f:]+)_/.exec(line) ?? []
    if (session !== undefined) {
      put('session', frontend, session)
      put('learn', session, `goto t${seconds}`)
      continue
    }
    const [, bracketed, plain, port] = / --to-destination (?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(line) ?? []
    if (port !== undefined) put(targets, `${frontend} . ${count++}`, `${bracketed ?? plain} . ${port}`)
  }
  put(verdicts, frontend, count === 0 ? 'drop' : `goto ${letter}${count}`)
}

function marks(frontend: string, address: string, lines: readonly string[], put: Put): void {
  for (const line of lines) {
    if (line.startsWith('-j MARK ')) put('masq', frontend)
    else if (line.startsWith('-m addrtype ')) put('local-vips', frontend)
    else if (line === `-j ${prefix}-MARK-OUTSIDERS`) put('cluster-ips', address)
  }
}

/** As elements have it: one address without a length. */
function asKey(range: string): string {
  const [address = '', length] = range.split('/')
  return length === (address.includes(':') ? '128' : '32') ? address : range
}
